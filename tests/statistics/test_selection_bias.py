"""How much better a winner looks than it is."""

import numpy as np
import pytest

from runtree.statistics.selection_bias import tibshirani


def test_tibshirani_by_hand():
    """Means 0.2, 0.3; the first wins, and is worse than the second in fold 2 by 0.2: a bias of 0.1."""
    found = tibshirani([[0.1, 0.3], [0.5, 0.1]], "minimize")
    assert (found.best, found.value) == (0, pytest.approx(0.2))
    assert found.bias == pytest.approx(0.1)
    assert found.corrected == pytest.approx(0.3)


def test_tibshirani_of_scores_is_that_of_errors_turned_round():
    errors = np.random.default_rng(0).random((7, 5))
    low, high = tibshirani(errors, "minimize"), tibshirani(1 - errors, "maximize")
    assert high.best == low.best
    assert high.corrected == pytest.approx(1 - low.corrected)
    assert high.corrected < high.value


def test_a_configuration_that_is_best_in_every_fold_has_no_bias():
    assert tibshirani([[0.1, 0.2], [0.2, 0.3]], "minimize").bias == 0
    assert tibshirani([[0.1, 0.2]], "minimize").bias == 0
