"""Masked models as workers: scores by hand, several masks, long texts, and whole runs through the task file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limbeck.agent import MaskedAgent, Prompt
from limbeck.errors import ConfigError, EngineError
from limbeck.flows.job import Job
from limbeck.ledger import Ledger
from limbeck.records import Item
from limbeck.task import Task

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from limbeck.engines.masked import MaskedModel, load
from tiny_folder import MASKED, write
from tiny_tokenizers import word_piece
from toy_job import digest, execute, write_toy

pytestmark = pytest.mark.extras
TASK = Task("toy", ("bad", "good", "a mixed film"), (None,) * 3, "Say which.", ("text",), "text", "label")
WORDS = (("bad", "bad"), ("good", "good"), ("a mixed film", "rainy ending"))
PROMPT = Prompt("masked", "{Noun}: {text}", "The {aspect} of the {noun} is", WORDS)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MaskedModel]:
    return {family: load(write(tmp_path_factory.mktemp(family), family)) for family in MASKED}


@pytest.fixture(params=MASKED)
def model(request: pytest.FixtureRequest, models: dict[str, MaskedModel]) -> MaskedModel:
    return models[request.param]


def items(*texts: str) -> list[Item]:
    return [Item(f"item-{i}", {"text": text}) for i, text in enumerate(texts)]


def agent(model: MaskedModel, prompt: Prompt = PROMPT, task: Task = TASK, **changes: Any) -> MaskedAgent:
    return MaskedAgent("masked", task, prompt=prompt, model=model, model_name="tiny", **changes)


def logs(model: MaskedModel, row: list[int]) -> npt.NDArray[np.float64]:
    """The bare model's log-probabilities at every place of one row."""
    with torch.inference_mode():
        out = model._model(input_ids=torch.tensor([row])).logits[0].double()
    found: npt.NDArray[np.float64] = out.log_softmax(-1).numpy()
    return found


def test_rows_of_a_batch_are_filled_as_each_alone(model: MaskedModel) -> None:
    encode, mask = model.tokenizer.encode, model.mask
    bodies = [[*encode("a good"), mask], [mask, *encode(" film with a long and winding road"), mask, mask], [mask]]
    rows = [[*model.tokenizer.start, *body, *model.close] for body in bodies]
    for row, filled in zip(rows, model.fill(rows), strict=True):
        places = [place for place, token in enumerate(row) if token == mask]
        wide = filled.astype(np.float64)
        found = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
        assert np.abs(found - logs(model, row)[places]).max() < 1e-4


def test_scores_by_hand(model: MaskedModel) -> None:
    encode = model.tokenizer.encode
    asked = items("a good film", "a bad film with a bad ending and a stale cast", "film")
    (batch,) = (worker := agent(model)).plan(asked)
    votes = worker.answer(batch)
    assert [vote.item for vote in votes] == [question.item.id for question in batch]
    words = [encode(f" {word}") for _, word in WORDS]
    for question, vote in zip(batch, votes, strict=True):
        text = question.item.fields["text"]
        before = [*model.tokenizer.start, *encode("Text:"), *encode(f" {text}"), *encode("\nThe label of the text is")]
        expected = []
        for word in words:
            row = [*before, *[model.mask] * len(word), *encode("."), *model.close]
            found = logs(model, row)[len(before) : len(before) + len(word)]
            expected.append(np.mean([found[i, token] for i, token in enumerate(word)]))
        assert vote.scores == pytest.approx(expected, abs=1e-4)
        assert vote.label == TASK.labels[int(np.argmax(expected))]
        assert vote.usage.prefilled > 0
        assert vote.flags == ()
    assert [vote.scores for vote in worker.answer(batch)] == [vote.scores for vote in votes]


def test_texts_place_no_masks(model: MaskedModel) -> None:
    mark = "<mask>" if model.close == [2] else "[MASK]"
    worker = agent(model)
    (batch,) = worker.plan(items(f"a {mark} film", f"{mark} {mark}"))
    assert all(model.mask not in question.tokens for question in batch)
    assert all(vote.label for vote in worker.answer(batch))


@pytest.mark.parametrize(("policy", "first", "last"), [("head", 1, 0), ("tail", 0, 1), ("middle", 1, 1)])
def test_long_texts_are_cut_and_flagged(models: dict[str, MaskedModel], policy: str, first: int, last: int) -> None:
    model = models["roberta"]
    worker = agent(model, long_text=policy)
    ((question,),) = worker.plan(items("good " + "film " * 500 + "bad"))
    assert question.flags == ("truncated",)
    text = model.tokenizer.decode(question.tokens)
    assert (text.startswith(" good"), " bad" in text.split("\n")[0]) == (bool(first), bool(last))
    (vote,) = worker.answer((question,))
    assert vote.flags == ("truncated",)
    assert vote.label is not None


def test_an_empty_text_and_cue_can_be_asked(model: MaskedModel) -> None:
    worker = agent(model, Prompt("masked", "{text}", "", WORDS))
    (batch,) = worker.plan(items("", "film"))
    assert all(vote.label for vote in worker.answer(batch))


def test_the_whole_prompt_can_be_shown(models: dict[str, MaskedModel]) -> None:
    shown = agent(models["roberta"]).example(items("a good film")[0])
    assert shown == "Text: a good film\nThe label of the text is ___."


def test_words_that_the_vocabulary_cannot_tell_apart(models: dict[str, MaskedModel], tmp_path: Path) -> None:
    bert = models["bert"]
    with pytest.raises(ConfigError, match="'Good' and 'good' as the same word"):
        agent(bert, Prompt("masked", "{text}", "is", (("bad", "Good"), *WORDS[1:])))
    with pytest.raises(ConfigError, match="cannot spell '日'"):
        agent(bert, Prompt("masked", "{text}", "is", (("bad", "日"), *WORDS[1:])))
    with pytest.raises(ConfigError, match="no room is left"):
        agent(models["roberta"], Prompt("masked", "film " * 99 + "{text}", "is", WORDS))


def test_calls_out_of_order_are_refused(model: MaskedModel) -> None:
    for rows, what in (([[5, 6]], "without a mask"), ([], "without a mask"), ([[model.mask] * 2000], "longer than")):
        with pytest.raises(EngineError, match=what):
            model.fill(rows)


def test_causal_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is no masked model but GPT2LMHeadModel"):
        load(write(tmp_path, "gpt2"))


def test_a_tokenizer_without_a_mask_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "bert")
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("mask_token", "other"))
    with pytest.raises(EngineError, match="no mask token"):
        load(tmp_path)


def test_vocabularies_are_the_same_each_time() -> None:
    assert word_piece().to_str() == word_piece().to_str()


def test_a_whole_run_with_both_engines(tmp_path: Path) -> None:
    write(tmp_path / "models" / "gpt", "gpt2")
    write(tmp_path / "bert", "bert")
    shared = {"wording": "{text}"}
    task = write_toy(
        tmp_path,
        agents=[
            {"name": "gpt", "model": "models/gpt", "engine": "transformers", "style": "chat", **shared},
            {"name": "plain", "model": "models/gpt", "engine": "transformers", "style": "plain", **shared},
            {"name": "bert", "model": "bert", "engine": "masked", "cue": "the label is", **shared},
        ],
    )
    execute(task, tmp_path / "run")
    with Ledger.read(tmp_path / "run") as view:
        votes = list(view.votes())
    assert len(votes) == 3 * 60
    assert all(vote.label is not None and vote.scores is not None for vote in votes)
    facts: list[Mapping[str, Any]] = []

    def look(job: Job) -> Job:
        facts.append(job.facts)
        return job

    execute(task, tmp_path / "again", change=look)
    assert digest(tmp_path / "again") == digest(tmp_path / "run")
    assert facts[0]["agents"]["bert"]["style"] == "masked"
    assert facts[0]["agents"]["bert"]["prompt_example"].endswith(" the label is ___ .")
    assert facts[0]["reproduce"]["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"style": "plain"}, "means nothing to a masked model"),
        ({"decode": {"choice": {"calibration": "pmi"}}}, "a masked model knows the calibrations none and batch"),
    ],
)
def test_keys_that_mean_nothing_to_a_masked_model(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    task = write_toy(tmp_path, agents=[{"name": "bert", "model": "bert", "engine": "masked", **changes}])
    with pytest.raises(ConfigError, match=what):
        execute(task, tmp_path / "run")


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    write(tmp_path / "gpt", "gpt2")
    (tmp_path / "gpt" / "model.safetensors").unlink()
    task = write_toy(tmp_path, agents=[{"name": "gpt", "model": "gpt"}])
    with pytest.raises(ConfigError, match=r"holds 0 GGUF files, one is needed\n .*A folder of safetensors"):
        execute(task, tmp_path / "run")
