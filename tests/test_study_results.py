"""What judgements add up to: the systems behind the sides, undefined numbers with reasons, exports, the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from limbeck.errors import RunError
from limbeck.report.study import render_study, write_study_report
from limbeck.study import close, results
from limbeck.study.export import datasheet, markdown, rows
from report_page import HOSTILE, every_leaf
from toy_job import Shell
from toy_study import LONG, begin, judge, write_runs


def scored(rater: str, context: str, texts: tuple[str, ...]) -> int:
    """The longer reasoning is one step better; the second rater is milder by one; odd films are harder."""
    return 1 + (LONG in texts[0]) + (rater == "rater-2") - (int(context.split()[-1]) % 2 if "film" in context else 0)


def finished(folder: Path, rule: Any = scored, **told: Any) -> tuple[Path, dict[str, Any]]:
    told = {"change": {"checks": ()}} | told
    study = begin(folder, **told)
    judge(study, rule)
    close(study)
    return study, results(study)


def test_a_scale_finds_the_system_behind_every_side(tmp_path: Path) -> None:
    _, found = finished(tmp_path)
    main = found["criteria"][0]
    # Every rater gives the first system exactly one less; nothing varies, so there is no test.
    assert main["difference"] == -1
    assert (main["mean_first"], main["mean_second"]) == (pytest.approx(1.5 + 1 / 3), pytest.approx(2.5 + 1 / 3))
    assert (main["shown"], main["p_value"]) == (None, None)
    assert "all differences are equal" in main["p_value_reason"]
    assert "cannot be said" in found["sentence"]
    assert main["first_preferred"] == 0.5
    assert [cut["label"] for cut in main["cuts"]] == ["rainy", "sunny"]
    assert all(cut["difference"] == -1 for cut in main["cuts"])
    assert found["systems"] == {"first": "small", "second": "large"}


def test_pairs_find_the_preferred_system(tmp_path: Path) -> None:
    def rule(rater: str, context: str, texts: tuple[str, ...]) -> int:
        number = int(context.split()[-1])
        if number < 2:
            return 2
        wanted = LONG if number < 10 else "it rains"
        return next(place for place, text in enumerate(texts) if text.startswith(wanted))

    _, found = finished(tmp_path, rule, method="pairs", margin=0.9)
    main = found["criteria"][0]
    assert main["wins"] == {"first": 6, "tie": 6, "second": 24}
    assert main["difference"] == pytest.approx((2 - 8) / 12)
    assert main["strength"] == pytest.approx(-0.5 * 1.3862943611)
    assert main["alpha"] == 1
    assert found["raters"][0]["consistency"] == 1
    assert found["raters"][0]["drift_reason"] == "a preference has no level that could drift"


def test_the_left_side_always_is_seen_as_position_bias(tmp_path: Path) -> None:
    _, found = finished(tmp_path, lambda *_: 0, method="pairs")
    main = found["criteria"][0]
    assert main["first_preferred"] == 1
    assert main["position_p_value"] < 1e-9
    assert abs(main["difference"]) <= 1 / 12


@pytest.mark.parametrize("method", ["scale", "pairs", "acceptable"])
def test_constant_answers_have_reasons_instead_of_numbers(tmp_path: Path, method: str) -> None:
    tie = {"scale": 2, "pairs": 2, "acceptable": 1}[method]
    _, found = finished(tmp_path, lambda *_: tie, method=method)
    main = found["criteria"][0]
    assert (main["difference"], main["shown"], main["alpha"]) == (0, None, None)
    assert "everybody gave the same answer" in main["alpha_reason"]
    assert main["ac"] == 1
    assert main["position_p_value"] is None
    json.dumps(found, allow_nan=False)
    render_study(found)


def test_one_rater_no_overlap_and_nobody(tmp_path: Path) -> None:
    _, alone = finished(tmp_path / "one", raters=1)
    assert alone["criteria"][0]["alpha_reason"] == "no item was judged by two people"
    _, apart = finished(tmp_path / "apart", change={"overlap": 1, "checks": ()})
    assert apart["criteria"][0]["ac"] is None
    study = begin(tmp_path / "nobody")
    close(study)
    nothing = results(study)
    assert nothing["criteria"][0]["difference_reason"] == "nobody judged both sides of an item"
    assert [one["flags"] for one in nothing["raters"]] == [["never came"]] * 3
    render_study(nothing)
    assert list(rows(study, "judgements")) == []


def test_a_rater_who_leaves_is_kept_and_flagged(tmp_path: Path) -> None:
    study = begin(tmp_path, change={"checks": ()})
    judge(study, scored, raters=("rater-1", "rater-2"))
    judge(study, scored, raters=("rater-3",), most=20)
    close(study)
    found = results(study)
    assert found["raters"][2]["answered"] == 20
    assert found["raters"][2]["flags"][0] == "left 7 pages open"
    assert found["criteria"][0]["difference"] == -1


def test_checks_and_hasty_answers_flag_and_keep(tmp_path: Path) -> None:
    check = {"role": "attention", "texts": ("say 3",), "right": {"correctness": (2,)}}
    study = begin(tmp_path, change={"checks": (check, check | {"role": "gold"}), "repeats": 4})
    judge(study, lambda rater, context, texts: 2 if rater == "rater-1" else 1)
    close(study)
    first, second, _ = results(study)["raters"]
    assert (first["attention_right"], first["attention_asked"], first["flags"]) == (1, 1, [])
    assert second["flags"] == ["1 of 1 gold items wrong", "1 of 1 attention items wrong"]
    assert second["answered"] == 30


def test_skipping_everything_leaves_nothing_to_test(tmp_path: Path) -> None:
    study, found = finished(tmp_path, lambda *_: None)
    assert found["criteria"][0]["difference"] is None
    assert found["judgements"]["skipped"] == found["judgements"]["pages"]
    assert {row["skipped"] for row in rows(study, "judgements")} == {"torn"}


def test_secondary_criteria_are_corrected_and_the_primary_one_is_not(tmp_path: Path) -> None:
    def rule(rater: str, context: str, texts: tuple[str, ...]) -> int:
        return (len(texts[0]) + int(context.split()[-1]) + int(rater[-1])) % 4

    _, found = finished(tmp_path, rule, margin=0.4)
    first, second, third = found["criteria"]
    assert first["p_holm"] == first["p_value"]
    # Equal answers to all criteria: the test is the same but for the draws, the correction doubles the smaller.
    assert second["p_holm"] == pytest.approx(2 * min(second["p_value"], third["p_value"]), rel=1e-9)
    assert all(one["shown"] == (one["p_holm"] <= 0.025) for one in found["criteria"])


def test_nothing_is_told_before_closing(tmp_path: Path) -> None:
    study = begin(tmp_path)
    for ask in (results, lambda folder: list(rows(folder, "judgements"))):
        with pytest.raises(RunError, match="nobody may see which side is which system"):
            ask(study)


def test_exports(tmp_path: Path) -> None:
    study, found = finished(tmp_path, method="pairs", rule=lambda rater, context, texts: 0)
    table = list(rows(study, "judgements"))
    assert len(table) == 3 * (12 + 3)
    assert {row["system"] for row in table} == {"small", "large"}
    assert all((row["text"] == f"{row['text']}") and row["answer:preference"] == "the first" for row in table)
    assert all(LONG in row["text"] for row in table if row["system"] == "large")
    assert len(list(rows(study, "history"))) == len(table) + 3
    for row in rows(study, "preferences"):
        assert row["chosen"] != row["rejected"]
        assert row["raters_for"] * 2 > row["raters"] == 3
    sheet = datasheet(study, found)
    assert [name[0] for name in sheet] == ["1", "2", "3", "4", "5"]
    assert "SHA-256" in str(sheet["3 Sample, evaluators, experimental design"]["Preregistered"])
    assert "**Ethics committee**: to be filled in" in markdown(sheet)


def test_the_page_shows_hostile_text_as_text(tmp_path: Path) -> None:
    study, found = finished(tmp_path, lambda rater, context, texts: scored(rater, context, texts) % 3)
    hostile = every_leaf(found, lambda leaf: leaf + HOSTILE if isinstance(leaf, str) else leaf)
    page = render_study(hostile | {"study": {**hostile["study"], "method": "scale"}, "gallery": found["gallery"]})
    assert "<script" not in page
    assert "<img" not in page
    (study / "study.json").write_text(json.dumps(found))
    assert write_study_report(study).read_text(encoding="utf-8").count("<article") == 12


def test_from_the_command_line(tmp_path: Path, shell: Shell) -> None:
    small, large = write_runs(tmp_path)
    study = tmp_path / "s"
    code, out, _ = shell(
        "study", "new", small, large, "--kind", "rationales", "--pairs", "--items", 8, "--study", study
    )
    assert (code, "8 items for 3 raters" in out) == (0, True)
    code, out, _ = shell("study", "plan", study)
    assert "8 items, 3 of 3 raters each, 24 judgements" in out
    assert shell("study", "freeze", study)[0] == 0
    assert shell("study", "report", study)[0] == 1
    judge(study, lambda rater, context, texts: int(LONG in texts[0]) if rater == "rater-1" else 2)
    code, out, _ = shell("study", "close", study)
    assert "of 45 pages are answered" in out
    code, out, _ = shell("study", "report", study)
    assert (code, "small is not shown to be non-inferior to large" in out) == (0, True), out
    numbers = json.loads((study / "study.json").read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(numbers)
    assert "loads nothing from anywhere" in (study / "report.html").read_text(encoding="utf-8")
    assert shell("study", "export", study, "--to", "csv")[0] == 0
    with (study / "judgements.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 * (8 + 3)
    for what in ("judgements", "history", "preferences"):
        assert shell("study", "export", study, "--what", what, "--to", "parquet")[0] == 0
    table = pq.read_table(study / "judgements.parquet").to_pylist()
    assert table == list(rows(study, "judgements"))
    assert shell("study", "export", study, "--what", "heds")[0] == 0
    assert (study / "heds.md").exists()


def test_cells_that_could_be_formulas_are_made_safe(tmp_path: Path, shell: Shell) -> None:
    study = begin(tmp_path, method="pairs", change={"checks": (), "repeats": 0})
    judge(study, lambda *_: None)
    close(study)
    assert shell("study", "export", study, "--to", "csv")[0] == 0
    text = (study / "judgements.csv").read_text(encoding="utf-8")
    assert not [cell for row in csv.reader(text.splitlines()) for cell in row if cell.startswith(("=", "+", "@"))]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)
