"""Reliability bins and the expected calibration error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from runtree.contract.answers import Answers
from runtree.statistics.calibration import Bin, expected_calibration_error, reliability


def test_bins_by_hand():
    y, p = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.2, 0.8, 1.0])
    assert reliability(y, p, 2) == (
        Bin(0.0, 0.5, 3, pytest.approx(0.5 / 3), pytest.approx(1 / 3)),
        Bin(0.5, 1.0, 2, pytest.approx(0.9), 1.0),
    )


@settings(max_examples=60)
@given(st.integers(0, 999), st.integers(1, 12), st.sampled_from(["uniform", "quantile"]))
def test_bins_are_scikit_learns(seed, bins, strategy):
    dice = np.random.default_rng(seed)
    p = np.round(dice.random(60), 2)
    y = (dice.random(60) < p).astype(int)
    found = reliability(y, p, bins, strategy)
    share, mean = calibration_curve(y, p, n_bins=bins, strategy=strategy)
    assert [one.share for one in found] == pytest.approx(share)
    assert [one.mean for one in found] == pytest.approx(mean)
    assert sum(one.rows for one in found) == 60


def test_error_of_two_classes_by_hand():
    """Two bins: |0.5/3 - 1/3| for 3 rows and |0.9 - 1| for 2: (3 · 1/6 + 2 · 0.1) / 5 = 0.14."""
    p = np.array([0.1, 0.2, 0.2, 0.8, 1.0])
    answers = Answers(np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1]), np.column_stack([1 - p, p]), ("a", "b"))
    assert expected_calibration_error(answers, 2) == pytest.approx(0.14)


def test_error_of_more_classes_is_that_of_the_likeliest_by_hand():
    """Chances 0.6 (right), 0.7 (wrong), both in the upper of two bins: |0.65 - 0.5|; 0.4 (right) alone: 0.6."""
    score = np.array([[0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.4, 0.3, 0.3]])
    answers = Answers(np.array([0, 1, 0]), np.array([0, 0, 0]), score, ("a", "b", "c"))
    assert expected_calibration_error(answers, 2) == pytest.approx((2 * 0.15 + 0.6) / 3)


def test_what_comes_true_as_often_as_said_has_no_error():
    p = np.repeat([0.25, 0.75], 400)
    y = np.tile([1, 0, 0, 0], 100).tolist() + np.tile([1, 1, 1, 0], 100).tolist()
    answers = Answers(np.array(y), (p > 0.5).astype(int), np.column_stack([1 - p, p]), ("a", "b"))
    assert expected_calibration_error(answers, 10) == pytest.approx(0)


def test_chances_are_needed():
    with pytest.raises(ValueError, match="no chances"):
        expected_calibration_error(Answers(np.zeros(2, int), np.zeros(2, int), None, ("a", "b")), 5)
