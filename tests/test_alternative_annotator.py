"""The alternative-annotator test: cases worked out by hand, and the t-test of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from limbeck.errors import DataError
from limbeck.evaluation.alternative_annotator import alternative_annotator, benjamini_yekutieli

PEOPLE = ("ada", "ben", "cy")


def test_a_committee_that_says_what_all_say_passes() -> None:
    found = alternative_annotator(np.zeros((40, 3), np.int64), np.zeros(40, np.int64), PEOPLE, epsilon=0.1)
    assert (found.winning_rate, found.advantage, found.passed) == (1.0, 1.0, True)
    assert [rival.p_value for rival in found.rivals] == [0.0, 0.0, 0.0]
    assert [rival.person_advantage for rival in found.rivals] == [1.0, 1.0, 1.0]


def test_a_committee_that_contradicts_everybody_fails() -> None:
    found = alternative_annotator(np.zeros((40, 3), np.int64), np.ones(40, np.int64), PEOPLE, epsilon=0.1)
    assert (found.winning_rate, found.advantage, found.passed) == (0.0, 0.0, False)
    assert not any(rival.beaten for rival in found.rivals)


def test_by_hand_and_by_scipy() -> None:
    # Ada and Ben always say 0. Cy says 1 on items 0 to 7, the committee on items 4 to 15.
    choices = np.zeros((40, 3), np.int64)
    choices[:8, 2] = 1
    labels = np.zeros(40, np.int64)
    labels[4:16] = 1
    found = alternative_annotator(choices, labels, PEOPLE, epsilon=0.2)
    ada, ben, cy = found.rivals
    # Beside Ada stand Ben (0) and Cy. Items 8 to 15: Ada agrees with both, the committee with none. Items 4 to 7: with
    # Ben, and with Cy: one each, a draw. Elsewhere both say 0.
    assert (ada.items, ada.advantage, ada.person_advantage) == (40, 32 / 40, 1.0)
    assert ben == type(ben)("ben", 40, ada.advantage, ada.person_advantage, ada.p_value, ben.beaten)
    # Beside Cy stand Ada and Ben, both 0. Items 0 to 3: the committee wins, 4 to 7: both wrong, 8 to 15: Cy wins.
    assert (cy.advantage, cy.person_advantage) == (32 / 40, 36 / 40)
    gap = np.zeros(40)
    gap[:4], gap[8:16] = -1, 1
    assert cy.p_value == pytest.approx(float(ttest_1samp(gap, 0.2, alternative="less").pvalue))
    assert found.advantage == pytest.approx(32 / 40)


def test_people_with_few_shared_items_are_left_out_and_three_are_needed() -> None:
    choices = np.zeros((40, 3), np.int64)
    choices[10:, 2] = -1
    found = alternative_annotator(choices, np.zeros(40, np.int64), PEOPLE, epsilon=0.1)
    assert (found.winning_rate, found.passed) == (None, None)
    assert found.reason == "2 people share 30 or more labelled items with others; the test needs 3 of them"
    assert (found.rivals[2].items, found.rivals[2].p_value) == (10, None)


def test_items_without_a_label_of_the_committee_do_not_count() -> None:
    labels = np.zeros(40, np.int64)
    labels[:5] = -1
    found = alternative_annotator(np.zeros((40, 3), np.int64), labels, PEOPLE, epsilon=0.1)
    assert [rival.items for rival in found.rivals] == [35, 35, 35]


def test_benjamini_yekutieli_by_hand() -> None:
    # Four tests: 1 + 1/2 + 1/3 + 1/4 = 25/12, so the steps are 0.006, 0.012, 0.018, 0.024.
    assert benjamini_yekutieli(np.array([0.5, 0.017, 0.001, 0.01]), 0.05).tolist() == [False, True, True, True]
    assert benjamini_yekutieli(np.array([0.01, 0.02, 0.03, 0.5]), 0.05).tolist() == [False] * 4


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError):
        alternative_annotator(np.zeros((4, 3), np.int64), np.zeros(5, np.int64), PEOPLE, epsilon=0.1)
    with pytest.raises(DataError):
        alternative_annotator(np.zeros((4, 3), np.int64), np.zeros(4, np.int64), PEOPLE, epsilon=-0.1)
