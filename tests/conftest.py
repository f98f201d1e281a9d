"""What several tests share: the real small model, the real encoder, and where they are kept.

`make test` fetches both before; without them and without network the tests that need them fail with the way out.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from limbeck.assets.store import Store
from limbeck.engines.openvino import OpenVinoEngine, load

MODEL, ENCODER = "smollm2-135m-instruct", "all-minilm-l6-v2"


@pytest.fixture(scope="session")
def store() -> Store:
    """The user's own store of models, encoders and data sets."""
    return Store()


@pytest.fixture(scope="session")
def smollm2_gguf(store: Store) -> Path:
    """The GGUF file of the built-in model."""
    (file,) = store.pull(MODEL).glob("*.gguf")
    return file


@pytest.fixture(scope="session")
def encoder_folder(store: Store) -> Path:
    """The built-in sentence encoder: a folder with tokenizer.json and onnx/."""
    return store.pull(ENCODER)


@pytest.fixture(scope="session")
def smollm2(store: Store, smollm2_gguf: Path) -> OpenVinoEngine:
    """The built-in model, ready to score; tests must reset it first."""
    return load(smollm2_gguf, store.root / "converted")


def _not_here(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A test skipped for want of a package is a failed one where all packages must be there (`make test-extras`)."""
    missing = report.outcome == "skipped" and "could not import" in str(report.longrepr)
    if missing and os.environ.get("LIMBECK_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"a package is missing, and here none may be: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tests that skip themselves."""
    report = yield
    _not_here(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Files that skip themselves."""
    report = yield
    _not_here(report)
    return report
