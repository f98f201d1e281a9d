"""The report page: what it says, what it must never contain, and what it does when numbers are absent."""

from __future__ import annotations

import copy
import itertools
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limbeck.errors import RunError
from limbeck.report import render, write_report
from report_page import HOSTILE, Page, check_harmless, every_leaf
from report_sample import TWELVE, nothing_known, sample, without_gold


@pytest.fixture(scope="module")
def html() -> str:
    return render(sample())


def without_curves() -> dict[str, Any]:
    """A run whose page is quick to make: nothing to draw."""
    metrics = sample()
    for part in ("committee", "student"):
        metrics[part] |= {"reliability": [], "coverage_curve": []}
    return metrics | {"learning_curve": metrics["learning_curve"][:1]}


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_says_what_was_found(page: Page) -> None:
    metrics = sample()
    committee = metrics["committee"]
    low, high = committee["accuracy_interval"]
    assert f"{committee['accuracy'] * 100:.1f} % ({low * 100:.1f} to {high * 100:.1f})" in page.text
    for said in (
        "movie-reviews", metrics["sentence"], "1,500", "of 3,000 in the pool, with 6,000 votes", "4 min 10 s",
        "7 min 52 s", "490,630", "not measurable here, because no RAPL counters are readable", "1.5 GB", "304",
        "one average person: 88.9 % (87.4 to 90.3)", "the shared prefix saves 38.8 % of the reading", "1.83 out of 3",
        "limbeck predict RUN texts.csv", "limbeck run task.yaml --run RUN", "Apache-2.0", "AMD EPYC 9R14", "8.2 GB",
        "total variation distance", "points below", "10 rows said the same as another", "With two labels this is",
        "22 November 2026, 12:00 UTC", "everything else", "3 abstained", "+ 168,000 reused",
    ):  # fmt: skip
        assert said in page.text, said


def test_stands_alone(html: str) -> None:
    check_harmless(html)
    assert not re.search(r"https?://", html)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    assert html.startswith("<!doctype html>")


def test_is_accessible(html: str, page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert html.count("<table") == html.count("<caption")
    assert all(attributes.get("scope") for attributes in page.named("th"))
    for drawing in page.named("svg"):
        assert drawing.get("aria-hidden") or (drawing["role"] == "img" and drawing["aria-label"])
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {match for attribute in ("href", "clip-path", "aria-labelledby") for _, attributes in page.tags
              for match in re.findall(r"#?([\w-]+)\)?$", attributes.get(attribute) or "")}  # fmt: skip
    assert wanted <= set(ids)


def test_drawings_follow_the_page_colours(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert sum("viewBox" in drawing for drawing in drawings) == 6
    for drawing in drawings:
        assert not re.search(r"#[0-9a-fA-F]{6}\b|<style|<metadata|DejaVu", drawing)
    assert any("var(--student)" in drawing and "<text" in drawing for drawing in drawings)


def test_same_metrics_same_page(html: str) -> None:
    assert render(copy.deepcopy(sample())) == html


def test_without_gold_says_so_and_what_to_do() -> None:
    page = check_harmless(render(without_gold()))
    assert "there are no gold labels to hold the answers against (the task file names no gold labels)" in page.text
    assert "test: my-labels.csv" in page.text
    assert "Share of labels that changed since the round before" in page.text
    assert "There is no test set" in page.text
    assert "Student accuracy by number of labelled items" not in page.text


def test_twelve_labels() -> None:
    page = check_harmless(render(sample(TWELVE)))
    assert "shipping address" in page.text
    assert "all others" in page.text
    assert "With two labels" not in page.text


def test_many_labels_show_the_most_frequent_mistakes() -> None:
    names = tuple(f"class {number:02d}" for number in range(40))
    page = check_harmless(render(sample(names)))
    assert "Committee: the most frequent mistakes" in page.text
    assert "40 labels to choose from" in page.text


def test_one_round_has_no_curve() -> None:
    page = check_harmless(render(without_curves()))
    assert "There was one round only" in page.text


def test_warns_when_the_panel_is_no_better_than_its_best_member(page: Page) -> None:
    assert "no better than its best member" not in page.text
    metrics = without_curves()
    metrics["committee"]["best_agent_accuracy"] = metrics["committee"]["accuracy"]
    assert "The panel is no better than its best member." in Page(render(metrics)).text


@pytest.mark.parametrize(
    "metrics", [{}, nothing_known(sample()), dict.fromkeys(sample())], ids=["empty", "leaves", "parts"]
)
def test_nothing_known(metrics: dict[str, Any]) -> None:
    page = check_harmless(render(metrics))
    assert page.text.count("not known") > 8
    assert "not measurable here" not in page.text


def test_reasons_stand_beside_what_is_absent() -> None:
    metrics = without_curves() | {"student": None, "student_reason": "nobody was taught."}
    page = check_harmless(render(metrics))
    assert "not known (nobody was taught)" in page.text
    assert "This run has no student, because: nobody was taught." in page.text


def test_numbers_that_are_none_are_absent() -> None:
    metrics = every_leaf(sample(), lambda leaf: float("nan") if isinstance(leaf, float) else leaf)
    check_harmless(render(metrics))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.floats(0.05, 0.9))
def test_any_part_may_be_absent(seed: int, share: float) -> None:
    random = Random(seed)
    check_harmless(render(every_leaf(sample(), lambda leaf: None if random.random() < share else leaf)))


def test_hostile_texts_stay_texts(page: Page) -> None:
    def poison(leaf: Any) -> Any:
        return leaf + HOSTILE if isinstance(leaf, str) else leaf

    metrics = every_leaf(sample(), poison)
    for part, name in (("task", "labels"), ("reproduce", "machine"), ("reproduce", "versions")):
        metrics[part][name] = {key + HOSTILE: value for key, value in metrics[part][name].items()}
    metrics["agents"] = {key + HOSTILE: value for key, value in metrics["agents"].items()}
    html = render(metrics)
    poisoned = check_harmless(html)
    assert not re.search("[\u202e\x00\ud800]", html)
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in poisoned.text
    assert "⟨U+202E⟩abc␀⟨U+D800⟩" in poisoned.text
    assert "{{ 7*7 }}" in poisoned.text
    assert {tag for tag, _ in poisoned.tags} <= {tag for tag, _ in page.tags} | {"small"}
    html.encode("utf-8")


def test_no_trace_of_the_machine_or_of_secrets() -> None:
    home, secret = "/home/canary/secret project/x.gguf", "hf_CANARYCANARYCANARY12"
    metrics = without_curves()
    metrics["warnings"] = [f"could not read {home}: denied", "C:\\Users\\canary\\x.csv is odd", f"token={secret}"]
    metrics["sentence"] = "See /var/lib/canary/run.log."
    metrics["agents"]["chat"]["model"] = "/opt/canary/model.gguf"
    metrics["resources"] |= {"energy_j_reason": "no /sys/canary/intel-rapl on this machine"}
    metrics["reproduce"] |= {"command": f"HF_TOKEN={secret} limbeck run '/root/canary/my task.yaml' --run ~/canary/run",
                             "task_file": "data:\n  pool: /mnt/canary/pool.csv\n  tokens: 1000\n"}  # fmt: skip
    metrics["reproduce"]["assets"][0]["source"] = "file:///srv/canary/model.gguf"
    metrics["reproduce"]["machine"]["system"] = "Linux, prefix /home/canary"
    html = render(metrics)
    assert "canary" not in html.lower()
    text = Page(html).text
    for kept in (
        "project/x.gguf",
        "…/x.csv",
        "…/run.log",
        "…/model.gguf",
        "…/my task.yaml",
        "pool: …/pool.csv",
        "tokens: 1000",
    ):
        assert kept in text, kept


def test_stays_small_whatever_the_metrics_hold() -> None:
    metrics = sample()
    metrics["disagreements"] = metrics["disagreements"] * 200
    metrics["disagreements"][0]["text"] = metrics["task"]["instructions"] = "long " * 200_000
    metrics["learning_curve"] = [metrics["learning_curve"][2] | {"round": n, "labelled": 10 * n} for n in range(1000)]
    metrics["warnings"] = ["many"] * 5000
    metrics["task"]["labels"] |= {f"label {number}": "x" * 5000 for number in range(400)}
    page = check_harmless(render(metrics))
    assert "1,000,000 characters in all" in page.text
    assert "800 more rows stand in metrics.json." in page.text


def test_writes_the_page_beside_its_numbers(tmp_path: Path, html: str) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(sample()), encoding="utf-8")
    assert write_report(tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "report.html"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"), ("{", "cannot be read"), ("[]", "does not hold a JSON object"),
        ('{"schema": 2}', "schema 2"), ('{"items": "many"}', "items"), ('{"learning_curve": 3}', "learning_curve"),
    ],
)  # fmt: skip
def test_refuses_what_it_cannot_read_and_keeps_the_old_page(tmp_path: Path, content: str | None, said: str) -> None:
    (tmp_path / "report.html").write_text("old", encoding="utf-8")
    if content is not None:
        (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=said) as caught:
        write_report(tmp_path)
    assert caught.value.hint
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"
    assert not list(tmp_path.glob(".report-*"))


def test_leaves_nothing_behind_when_the_page_cannot_be_put_in_place(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"schema": 1}), encoding="utf-8")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        write_report(tmp_path)
    assert not list(tmp_path.glob(".report-*"))


def test_what_agents_wrote_before_they_answered_is_shown_as_text(html: str) -> None:
    assert "chat</bdi> reasons" in html
    assert "<i>saw</i>" not in html
    assert "&lt;i&gt;saw&lt;/i&gt; a word" in html
