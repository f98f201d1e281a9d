"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def encoder_folder() -> Path:
    """The real sentence encoder: a folder with tokenizer.json and onnx/."""
    folder = os.environ.get("LIMBECK_TEST_ENCODER")
    if folder is None:
        pytest.skip("LIMBECK_TEST_ENCODER names no folder")
    return Path(folder)
