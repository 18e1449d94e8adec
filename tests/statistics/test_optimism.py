"""How much better a winner looks than it is."""

import numpy as np
import pytest

from runtree.contract.answers import Answers
from runtree.lifecycle.metrics import BUILTIN
from runtree.statistics.optimism import bbc, bbc_of_answers, tibshirani
from runtree.statistics.seeds import t_interval

METRICS = {metric.name: metric for metric in BUILTIN}


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


def test_bbc_by_its_definition():
    losses = np.random.default_rng(0).random((30, 4))
    found = bbc(losses, 200, 0.9, 3)
    from runtree.statistics.draws import draw_rows

    outside = []
    for counts in np.concatenate(list(draw_rows(30, 200, 3))):
        best = np.average(losses, axis=0, weights=counts).argmin()
        outside.append(losses[counts == 0, best].mean())
    assert found.corrected == pytest.approx(np.mean(outside))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(outside, [0.05, 0.95])))
    assert found.best == losses.mean(0).argmin()


def test_bbc_of_answers_is_bbc_of_their_losses():
    dice = np.random.default_rng(1)
    true = dice.normal(size=40)
    models = [Answers(true, true + dice.normal(size=40), None, ()) for _ in range(5)]
    losses = np.column_stack([np.abs(model.y_true - model.y_pred) for model in models])
    one, other = bbc(losses, 100, 0.95, 0), bbc_of_answers(models, METRICS["mae"], 100, 0.95, 0)
    assert (one.best, one.value, one.corrected) == (
        other.best,
        pytest.approx(other.value),
        pytest.approx(other.corrected),
    )


def test_bbc_of_a_score_to_be_great():
    dice = np.random.default_rng(2)
    true = dice.integers(0, 2, 60)
    chances = [dice.random(60) for _ in range(8)]
    models = [Answers(true, (p > 0.5).astype(int), np.column_stack([1 - p, p]), ("a", "b")) for p in chances]
    found = bbc_of_answers(models, METRICS["roc_auc"], 200, 0.95, 0)
    assert found.value == max(model.values([METRICS["roc_auc"]])["roc_auc"] for model in models)
    assert found.low < found.corrected < found.value


def test_bbc_draws_groups_whole():
    losses = np.repeat(np.random.default_rng(0).random((12, 3)), 5, axis=0)
    groups = np.repeat(np.arange(12), 5)
    rows, whole = bbc(losses, 300, 0.95, 0), bbc(losses, 300, 0.95, 0, groups)
    assert whole.high - whole.low > rows.high - rows.low


def test_seeds_by_hand():
    """Values 1, 2, 3: mean 2, deviation 1, t of 2 degrees 4.302653: 2 ± 4.302653 / √3."""
    found = t_interval([1, 2, 3], 0.95)
    assert (found.n, found.value, found.sd) == (3, 2, 1)
    assert found.high - 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_one_seed_tells_no_spread_and_equal_ones_none():
    one, same = t_interval([0.5], 0.95), t_interval([0.5, 0.5], 0.95)
    assert one.value == 0.5
    assert np.isnan([one.sd, one.low]).all()
    assert (same.sd, same.low, same.high) == (0, 0.5, 0.5)
