"""Does a study keep its promises? Error rates of its statistics, its server under 20 raters, and its blindness.

    python benchmarks/study.py [statistics] [server] [blindness] [--simulations 2000] [--out FILE]

`statistics` simulates judgements at the margin. `server` starts the real command and lets 20 raters judge at once,
first in peace for the time of an answer, then with double clicks, reloads and a server killed again and again.
`blindness` trains a classifier on all that a page gets, to tell which side is which system; a page that leaks on
purpose shows that the classifier would see it. Needs limbeck[web] and scikit-learn.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from limbeck.evaluation.bradley_terry import davidson
from limbeck.evaluation.noninferiority import non_inferiority
from limbeck.evaluation.raters import gwet_ac, krippendorff_alpha
from limbeck.ledger import Ledger
from limbeck.records import Item, Label, Vote
from limbeck.study import Design, Study, close, freeze, new
from limbeck.study import design as designs
from machine import describe

# Items, raters, raters of an item; standard deviations of items, of raters (who take sides), of single judgements.
SCENES = (
    (60, 3, 3, 0.5, 0.0, 0.8),
    (60, 3, 3, 0.0, 0.0, 1.0),
    (60, 3, 3, 0.8, 0.0, 0.3),
    (60, 3, 3, 0.5, 0.2, 0.8),
    (60, 5, 3, 0.5, 0.2, 0.8),
    (60, 10, 3, 0.5, 0.2, 0.8),
    (60, 3, 3, 0.5, 0.5, 0.8),
)
MARGIN, RATERS = 0.2, 20


def statistics(simulations: int) -> dict[str, Any]:
    """Type-I error at the margin, coverage of the interval, and power for equals; coverage of the other intervals."""
    found: dict[str, Any] = {"non_inferiority": []}
    for scene in SCENES:
        counts = Counter[str]()
        for seed in range(simulations):
            for truth in (-MARGIN, 0.0):
                rng = np.random.default_rng((seed, int(truth == 0)))
                test = non_inferiority(truth + noise(scene, rng), margin=MARGIN, rng=rng)
                low, high = test.difference.interval or (np.nan, np.nan)
                counts[f"shown at {truth}"] += bool(test.shown)
                counts["covered"] += low <= truth <= high
        names = ("items", "raters", "overlap", "sd_items", "sd_raters", "sd_judgements")
        row = dict(zip(names, scene, strict=True)) | {
            "type_one": counts[f"shown at {-MARGIN}"] / simulations,
            "power": counts["shown at 0.0"] / simulations,
            "coverage": counts["covered"] / simulations / 2,
        }
        found["non_inferiority"].append(row)
        print(json.dumps(row), flush=True)
    found["coverage"] = coverage(simulations // 4)
    print(json.dumps(found["coverage"]))
    return found


def noise(scene: tuple[int, int, int, float, float, float], rng: np.random.Generator) -> np.ndarray:
    n, raters, overlap, of_items, of_raters, single = scene
    values = (
        of_items * rng.standard_normal((n, 1))
        + of_raters * rng.standard_normal((1, raters))
        + single * rng.standard_normal((n, raters))
    )
    for row in values:
        row[rng.permutation(raters)[overlap:]] = np.nan
    return values


def ratings(n: int, rng: np.random.Generator) -> np.ndarray:
    latent = 2 + 1.2 * rng.standard_normal((n, 1)) + 0.8 * rng.standard_normal((n, 3))
    return np.clip(np.round(latent), 0, 4).astype(np.int64)


def preferences(n: int, rng: np.random.Generator) -> np.ndarray:
    """Three judgements an item; items lean, so judgements of one item are alike."""
    lean = 0.3 + 0.8 * rng.standard_normal((n, 1)) + 0.8 * rng.standard_normal((n, 3))
    outcome = np.where(np.abs(lean) < 0.4, 2, np.where(lean > 0, 0, 1)).ravel()
    return np.column_stack([np.repeat(np.arange(n), 3), np.zeros(3 * n), np.ones(3 * n), outcome]).astype(np.int64)


def coverage(simulations: int, n: int = 100) -> dict[str, Any]:
    """How often intervals hold the truth, which a very large sample tells."""
    large = np.random.default_rng(99)
    many, liked = ratings(200_000, large), preferences(200_000, large)
    nobody = np.random.default_rng(0)
    measures: dict[str, Any] = {
        "alpha": lambda x, rng: krippendorff_alpha(x, 5, level="ordinal", rng=rng),
        "ac1": lambda x, rng: gwet_ac(x, 5, rng=rng),
        "ac2": lambda x, rng: gwet_ac(x, 5, rng=rng, weighted=True),
    }
    truths = {name: measure(many, nobody).value for name, measure in measures.items()}
    wins = Counter(liked[:, 3].tolist())
    truths["strength"] = float(np.log(wins[0] / wins[1]) / 2)
    held = Counter[str]()
    for seed in range(simulations):
        rng = np.random.default_rng((seed, 7))
        sample = ratings(n, rng)
        estimates = {name: measure(sample, rng) for name, measure in measures.items()}
        estimates["strength"] = davidson(preferences(n, rng), 2).systems[0]
        for name, one in estimates.items():
            held[name] += one.low <= truths[name] <= one.high
    return {name: {"truth": truths[name], "coverage": held[name] / simulations} for name in truths}


def prepared(folder: Path, items: int, *, raters: int, overlap: int) -> Path:
    """A frozen study in pairs whose systems write alike: texts by chance from the same words."""
    words = np.array(["rain", "sun", "wind", "film", "plot", "cast", "good", "slow", "long", "dark", "old", "new"])
    runs = []
    for side in (0, 1):
        rng = np.random.default_rng((5, side))
        runs.append(folder / f"run-{side}")
        with Ledger.open(runs[-1]) as ledger:
            names = [f"item{i}" for i in range(items)]
            ledger.add_items([Item(name, {"text": f"film {name}"}) for name in names])
            texts = [" ".join(rng.choice(words, size=12)) for _ in names]
            ledger.append([Vote(f"v{n}", n, "w", "good", rationale=t) for n, t in zip(names, texts, strict=True)])
            ledger.replace_labels([Label(name, "good", (1.0,), 1.0, True, "toy") for name in names])
            ledger.set_meta("facts", {"show": ["text"]})
    study = folder / "study"
    design = new(study, (runs[0], runs[1]), kind="rationales", method="pairs", raters=raters)
    changed = {"overlap": overlap, "repeats": 0, "checks": ()}
    designs.write(Design.model_validate(design.model_dump() | changed), study)
    freeze(study)
    return study


class Server:
    """The real command, on a fixed port, which can be killed and started again."""

    def __init__(self, study: Path, port: int = 0) -> None:
        self._study, self.port, self.links = study, port, dict[str, str]()
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "limbeck", "serve", str(self._study), "--port", str(self.port), "--json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if line.startswith("}"):
                break
        links = json.loads(said)["links"]
        self.links = self.links or links
        self.port = int(next(iter(links.values())).split(":")[2].split("/")[0])

    def restart(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


class Rater:
    """One rater's client with a connection that is kept open."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self.acknowledged = server, list[str]()
        self._line: http.client.HTTPConnection | None = None
        self.times: list[float] = []
        token = server.links[name].rpartition("/")[2]
        headers, _ = self.ask(f"/r/{token}")
        self._cookie = dict(headers)["set-cookie"].split(";")[0]
        self.send({"id": secrets.token_hex(8), "kind": "consent"})

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[list[tuple[str, str]], bytes]:
        """One request, tried until it is answered, as the page does."""
        host = f"127.0.0.1:{self._server.port}"
        headers = {"cookie": getattr(self, "_cookie", ""), "origin": f"http://{host}", "x-limbeck": "1"}
        headers["content-type"] = "application/json"
        while True:
            try:
                self._line = self._line or http.client.HTTPConnection(host, timeout=10)
                self._line.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
                answer = self._line.getresponse()
                content = answer.read()
                assert answer.status == 200, content
                return answer.getheaders(), content
            except (OSError, http.client.HTTPException):
                self._line = None
                time.sleep(0.05)

    def send(self, message: dict[str, Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        _, content = self.ask("/judge", message)
        self.times.append(time.perf_counter() - begun)
        self.acknowledged.append(message["id"])
        return dict(json.loads(content))

    def judge(self, wild: random.Random | None) -> None:
        """All pages; a wild rater clicks twice, reloads, and changes their mind."""
        state = json.loads(self.ask("/state")[1])["state"]
        while state["stage"] == "items":
            entry = {"id": secrets.token_hex(8), "kind": "answer", "question": state["question"]["id"], "seconds": 1}
            entry["answers"] = {"preference": random.randrange(3)}
            state = self.send(entry)
            if wild and wild.random() < 0.2:
                self.send(entry)
            if wild and wild.random() < 0.1:
                state = self.send({"id": secrets.token_hex(8), "kind": "undo", "question": state["last"]})
            if wild and wild.random() < 0.1:
                state = json.loads(self.ask("/state")[1])["state"]


def server(items: int = 100) -> dict[str, Any]:
    """Times of 20 raters at once, then the same with everything that goes wrong."""
    found = {}
    for wild in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            study = prepared(Path(folder), items, raters=RATERS, overlap=RATERS)
            host = Server(study)
            raters = [Rater(host, f"rater-{i + 1}") for i in range(RATERS)]
            threads = [
                threading.Thread(target=one.judge, args=(random.Random(place) if wild else None,))
                for place, one in enumerate(raters)
            ]
            begun, restarts = time.perf_counter(), 0
            for thread in threads:
                thread.start()
            while wild and any(thread.is_alive() for thread in threads):
                time.sleep(0.3)
                host.restart()
                restarts += 1
            for thread in threads:
                thread.join()
            wall = time.perf_counter() - begun
            host.stop()
            times = np.concatenate([one.times for one in raters]) * 1000
            row = {"judgements": items * RATERS, "seconds": wall, "killed": restarts, **audit(study, raters)}
            row |= {f"ms_p{share}": float(np.percentile(times, share)) for share in (50, 95, 99)}
            found["wild" if wild else "peace"] = row
            print(json.dumps(row), flush=True)
    return found


def audit(study: Path, raters: list[Rater]) -> dict[str, int]:
    """What is kept against what was acknowledged."""
    close(study)
    with Study.read(study) as kept:
        history, questions, current = list(kept.history()), kept.questions(), kept.current()
    ids = Counter(one.id for one in history)
    told = {name for rater in raters for name in rater.acknowledged}
    return {
        "history": len(history),
        "acknowledged_and_lost": len(told - ids.keys()),
        "kept_twice": sum(count > 1 for count in ids.values()),
        "without_one_current": sum(one.id not in current for one in questions),
    }


def blindness(items: int = 400) -> dict[str, Any]:
    """Accuracy of telling the side of the first system from headers, bytes, ids and order; 0.5 is chance."""
    with tempfile.TemporaryDirectory() as folder:
        study = prepared(Path(folder), items, raters=4, overlap=4)
        host, pages, order = Server(study), list[str](), list[str]()
        for number in range(1, 5):
            one = Rater(host, f"rater-{number}")
            while True:
                headers, content = one.ask("/state")
                state = json.loads(content)["state"]
                if state["stage"] != "items":
                    break
                order.append(state["question"]["id"])
                pages.append(f"{headers} {content.decode()}")
                entry = {"id": secrets.token_hex(8), "kind": "answer", "question": order[-1], "seconds": 1}
                one.send(entry | {"answers": {"preference": 2}})
        host.stop()
        with Study.read(study) as kept:
            shows = {question.id: question.shows for question in kept.questions()}
    sides = np.array([shows[name] == "ab" for name in order])
    leaky = [f"{page} {'x-side: 1' if side else ''}" for page, side in zip(pages, sides, strict=True)]
    found = {"pages": len(pages)}
    for name, texts in (("as served", pages), ("with a leak", leaky)):
        features = HashingVectorizer(analyzer="char", ngram_range=(1, 5), n_features=2**18).transform(texts)
        guess = cross_val_predict(LogisticRegression(C=10.0, max_iter=300), features, sides, cv=5)
        right = float((guess == sides).mean())
        reach = 1.96 * float(np.sqrt(right * (1 - right) / len(sides)))
        found[name] = {"accuracy": right, "low": right - reach, "high": right + reach}
        print(name, json.dumps(found[name]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["statistics", "server", "blindness"])
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    found: dict[str, Any] = {"machine": describe()}
    for part in told.parts:
        found[part] = {"statistics": lambda: statistics(told.simulations), "server": server, "blindness": blindness}[
            part
        ]()
    if told.out:
        told.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
