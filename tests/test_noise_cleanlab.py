"""Confident learning beside cleanlab, the library of the paper's authors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("cleanlab")

from cleanlab.count import compute_confident_joint, estimate_joint
from cleanlab.filter import find_label_issues

from limbeck.students.noise.confident_learning import confident_joint, joint_estimate, noisy_rows

pytestmark = pytest.mark.extras


def crowd(labels: int, count: int, *, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Labels of which a quarter is wrong, and opinions that are mostly right."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % labels
    told = np.where(rng.random(count) < 0.25, (truth + 1 + rng.integers(labels - 1, size=count)) % labels, truth)
    logits = rng.normal(size=(count, labels)) + 2.5 * np.eye(labels)[truth]
    opinions = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return told, opinions


@pytest.mark.parametrize("labels", [2, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_the_confident_joint_and_the_joint_are_cleanlabs(labels: int, seed: int) -> None:
    told, opinions = crowd(labels, 600, seed=seed)
    counts = compute_confident_joint(told, opinions, calibrate=False)
    assert np.array_equal(confident_joint(told, opinions), counts)
    joint = estimate_joint(told, opinions, confident_joint=counts)
    np.testing.assert_allclose(joint_estimate(told, opinions), joint, atol=1.5 / 600)  # theirs is of whole rows


@pytest.mark.parametrize("labels", [2, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_the_pruned_rows_are_cleanlabs(labels: int, seed: int) -> None:
    """Both prune by noise rate; they round the number of rows differently, so a few may differ."""
    told, opinions = crowd(labels, 600, seed=seed)
    ours = noisy_rows(told, opinions, joint_estimate(told, opinions))
    theirs = find_label_issues(told, opinions, filter_by="prune_by_noise_rate", n_jobs=1)
    assert ours.sum() > 60
    assert (ours != theirs).sum() <= labels * labels
