"""A sequence-classification model as a worker: probabilities by hand, whole runs, and folders that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from limbeck.errors import ConfigError, EngineError

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from limbeck.engines.sequence import load
from tiny_folder import FAMILIES, write
from tiny_tokenizers import word_piece
from toy_job import execute, write_toy

pytestmark = pytest.mark.extras
TEXTS = ["rainy ending", "", "film 1: sunny cast, stale plot", "film " * 2000]


def classifier(folder: Path, labels: tuple[str, ...] = ("NEG", "POS"), **settings: object) -> Path:
    folder.mkdir(parents=True)
    table = word_piece()
    kind, changes = FAMILIES["bert"]
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    config = getattr(transformers, kind)(vocab_size=table.get_vocab_size(), **names, **changes, **settings)
    torch.manual_seed(3)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.2 * torch.randn_like(weights))
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    table.save(str(folder / "tokenizer.json"))
    return folder


def test_each_text_gets_what_the_bare_model_gives_it_alone(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", ("a", "b", "c"))
    model = load(folder)
    assert model.labels == ("a", "b", "c")
    found = model.predict_proba(TEXTS)
    bare = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for row, text in zip(found, TEXTS[:3], strict=False):
        ids = word_piece().encode(text).ids
        alone = bare(input_ids=torch.tensor([ids])).logits[0].double().softmax(-1).detach().numpy()
        assert np.allclose(row, alone, atol=1e-5)
    assert np.allclose(found.sum(axis=1), 1)


def test_it_votes_in_a_run_under_the_tasks_labels(tmp_path: Path) -> None:
    classifier(tmp_path / "model")
    agent = {"name": "known", "classifier": "./model", "label_map": {"NEG": "negative", "POS": "positive"}}
    metrics = execute(write_toy(tmp_path, agents=[agent]), tmp_path / "run")
    assert metrics["agents"]["known"]["votes"] == 60
    with pytest.raises(ConfigError, match=r"agents\[0\]\.classifier: .*has the label 'NEG', which the task has not"):
        execute(write_toy(tmp_path, agents=[agent | {"label_map": {}}]), tmp_path / "other")


def test_what_is_no_classifier_of_one_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is no classifier of texts but BertForMaskedLM"):
        load(write(tmp_path / "masked", "bert"))
    with pytest.raises(EngineError, match="a number or several labels"):
        load(classifier(tmp_path / "several", problem_type="multi_label_classification"))
    folder = classifier(tmp_path / "broken")
    (folder / "tokenizer.json").write_text(json.dumps({}))
    with pytest.raises(EngineError, match=r"tokenizer\.json"):
        load(folder)
