"""Bootstrap intervals, and the bootstrap of a difference."""

import math

import numpy as np
import pytest
import scipy.stats

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.bootstrap import bca_correction, bca_interval, bootstrap, bootstrap_difference
from runtree.statistics.metrics import BUILTIN
from runtree.statistics.resampling import replicate

METRICS = {metric.name: metric for metric in BUILTIN}
OF_CLASSES = [metric for metric in BUILTIN if "classification" in metric.tasks]


def classified(seed=0, rows=120, skill=1.5):
    """Return a classifier of two classes."""
    dice = np.random.default_rng(seed)
    true = np.random.default_rng(99).integers(0, 2, rows)
    chance = scipy.special.expit(skill * (true - 0.5) + dice.normal(size=rows))
    return Predictions(true, (chance > 0.5).astype(int), np.column_stack([1 - chance, chance]), ("a", "b"))


def measured(seed=0, rows=100, noise=1.0):
    """Return a regression."""
    dice = np.random.default_rng(seed)
    true = np.random.default_rng(99).normal(size=rows)
    return Predictions(true, true + dice.normal(0, noise, rows), None, ())


def test_every_metric_gets_its_value_and_limits_on_both_sides():
    answers = classified()
    found = bootstrap(answers, OF_CLASSES, 400, 0.95, 0)
    assert list(found) == [metric.name for metric in OF_CLASSES]
    for name, value in answers.values(OF_CLASSES).items():
        assert found[name].value == value
        assert found[name].low < value < found[name].high


def test_the_same_seed_gives_the_same_bytes_and_one_metric_that_of_many():
    first, again = (bootstrap(classified(), OF_CLASSES, 300, 0.95, 5) for _ in range(2))
    assert first == again
    assert bootstrap(classified(), [METRICS["roc_auc"]], 300, 0.95, 5)["roc_auc"] == first["roc_auc"]
    assert bootstrap(classified(), OF_CLASSES, 300, 0.95, 6) != first


def test_limits_of_a_mean_are_those_of_normal_theory():
    answers = measured(rows=400)
    found = bootstrap(answers, [METRICS["mae"]], 8000, 0.95, 0)["mae"]
    errors = np.abs(answers.y_true - answers.y_pred)
    reach = 1.959964 * errors.std() / 20
    assert found.high - found.low == pytest.approx(2 * reach, rel=0.03)
    assert found.high + found.low > 2 * found.value  # |errors| lean to the right, and so do the limits


def test_a_higher_level_is_wider():
    narrow, wide = (bootstrap(measured(), [METRICS["r2"]], 500, level, 0)["r2"] for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_metric_that_needs_chances_is_left_out_where_there_are_none():
    answers = classified()
    without = Predictions(answers.y_true, answers.y_pred, None, answers.classes)
    assert "roc_auc" not in bootstrap(without, OF_CLASSES, 50, 0.95, 0)


def test_a_metric_that_is_seldom_defined_has_no_limits():
    true = np.array([0] * 30 + [1])
    chance = np.linspace(0, 1, 31)
    answers = Predictions(true, true, np.column_stack([1 - chance, chance]), ("a", "b"))
    found = bootstrap(answers, [METRICS["roc_auc"]], 400, 0.95, 0)["roc_auc"]
    assert found.value == 1
    assert not found.known


def test_rows_of_groups_that_are_alike_tell_less():
    """Ten copies of each row are one row: taken as rows of their own they would seem to tell √10 times as much."""
    few = measured(rows=40)
    many = Predictions(np.repeat(few.y_true, 10), np.repeat(few.y_pred, 10), None, ())
    by_rows = bootstrap(many, [METRICS["mae"]], 2000, 0.95, 0)["mae"]
    by_groups = bootstrap(many, [METRICS["mae"]], 2000, 0.95, 0, groups=np.repeat(np.arange(40), 10))["mae"]
    assert (by_groups.high - by_groups.low) / (by_rows.high - by_rows.low) == pytest.approx(math.sqrt(10), rel=0.1)


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "log_loss", "f1"])
def test_a_better_model_is_told_from_a_worse(name):
    good, bad = classified(1, 300, 4.0), classified(2, 300, 0.5)
    found = bootstrap_difference(good, bad, METRICS[name], 999, 0.95, 0)
    turned = bootstrap_difference(bad, good, METRICS[name], 999, 0.95, 0)
    assert found.p < 0.01
    assert not found.tied
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low), abs=0.05)
    assert found.n == 300


def test_a_model_and_itself_are_tied():
    for name in ("accuracy", "roc_auc"):
        found = bootstrap_difference(classified(), classified(), METRICS[name], 200, 0.95, 0)
        assert (found.value, found.p, found.low, found.high) == (0, 1, 0, 0)


def test_pairs_tell_more_than_each_alone():
    one = measured(1, 200)
    other = Predictions(one.y_true, one.y_pred + 0.05, None, ())
    found = bootstrap_difference(other, one, METRICS["rmse"], 1000, 0.95, 0)
    alone = bootstrap(one, [METRICS["rmse"]], 1000, 0.95, 0)["rmse"]
    assert found.high - found.low < 0.2 * (alone.high - alone.low)


def test_what_cannot_be_compared_says_why():
    answers = classified()
    without = Predictions(answers.y_true, answers.y_pred, None, answers.classes)
    found = bootstrap_difference(answers, without, METRICS["roc_auc"], 100, 0.95, 0)
    assert "predicts no probabilities" in found.note
    with pytest.raises(ValueError, match="same rows"):
        bootstrap_difference(measured(rows=10), measured(rows=11), METRICS["mae"], 100, 0.95, 0)


def test_a_plugins_metric_is_compared_too():
    mine = Metric("mine", lambda y_true, y_pred: float(((y_true - y_pred) ** 4).mean()), "minimize")
    assert bootstrap_difference(measured(1), measured(2, noise=3), mine, 200, 0.95, 0).high < 0


def test_limits_of_what_is_symmetric_are_percentiles():
    drawn, left_out = np.arange(-50.0, 51.0), np.array([-1.0, 1.0])
    found, p = bca_interval(0.0, drawn, left_out, np.ones(2), 0.9)
    assert (found.low, found.high) == pytest.approx((-45, 45), abs=0.2)
    assert p == pytest.approx(1)


def test_limits_are_scipys():
    """scipy's BCa of a mean, from its own draws: the two agree but for chance."""
    values = np.random.default_rng(0).exponential(size=60)
    answers = Predictions(np.zeros(60), values, None, ())
    found = bootstrap(answers, [METRICS["mae"]], 20_000, 0.95, 0)["mae"]
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_acceleration_of_a_mean_is_its_skewness():
    """Efron 1987: a = skewness / (6 √n) for a mean."""
    values = np.random.default_rng(0).exponential(size=100)
    left_out = (values.sum() - values) / 99
    found = bca_correction(values.mean(), np.arange(3.0), left_out, np.ones(100))
    assert found.acceleration == pytest.approx(scipy.stats.skew(values) / 60)


def test_cells_left_out_weigh_as_many_rows_as_they_hold():
    by_cells = replicate([classified()], [METRICS["f1"]], 10, 0)["f1"]
    by_rows = replicate([classified()], [METRICS["f1"]], 10, 0, groups=np.arange(120))["f1"]
    assert bca_correction(0.7, np.arange(3.0), by_cells.left_out[0], by_cells.sizes).acceleration == pytest.approx(
        bca_correction(0.7, np.arange(3.0), by_rows.left_out[0], by_rows.sizes).acceleration
    )


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "log_loss"])
@pytest.mark.parametrize("seed", range(6))
def test_p_is_the_level_at_which_the_limits_reach_0(name, seed):
    pair = classified(seed, 150, 1.6), classified(seed + 10, 150, 1.0)
    found = bootstrap_difference(*pair, METRICS[name], 2000, 0.95, 0)
    if abs(found.p - 0.05) > 0.01:
        assert found.tied == (found.p > 0.05)


@pytest.mark.parametrize("lost", [2, 3])
def test_never_to_win_is_judged_as_never_to_lose(lost):
    """A resample on which the two score alike contradicts a difference either way."""
    true = np.ones(100, dtype=int)
    better, worse = (
        Predictions(true, np.where(np.arange(100) < wrong, 0, 1), None, ("a", "b")) for wrong in (5, 5 + lost)
    )
    found, turned = (
        bootstrap_difference(*pair, METRICS["accuracy"], 2000, 0.95, 0) for pair in ((better, worse), (worse, better))
    )
    assert turned.p == pytest.approx(found.p, rel=0.25)
    assert turned.p > 0.002  # more than the least there is


def test_p_is_never_0_and_never_above_1():
    dice = np.random.default_rng(0)
    for value in (0.0, 1.0, 50.0):
        _, p = bca_interval(value, value + dice.normal(size=999), np.array([-1.0, 1.0]), np.ones(2), 0.95)
        assert 0.002 <= p <= 1


def test_no_error_seen_is_not_no_error():
    """All of 30 right: exact limits for accuracy, 0.025^(1/30) = 0.884 … 1; no limits for what has no formula."""
    true = np.repeat([0, 1], 15)
    perfect = Predictions(true, true, np.eye(2)[true], ("a", "b"))
    found = bootstrap(perfect, OF_CLASSES, 100, 0.95, 0)
    assert (found["accuracy"].low, found["accuracy"].high) == (pytest.approx(0.025 ** (1 / 30)), 1)
    assert not found["f1"].known
    assert not found["roc_auc"].known


def test_three_classes_told_apart_have_no_limits_either():
    """The mean of three areas of 1 may be off by rounding."""
    true = np.repeat([0, 1, 2], 10)
    score = 0.1 + 0.7 * np.eye(3)[true]
    found = bootstrap(Predictions(true, true, score, ("a", "b", "c")), OF_CLASSES, 100, 0.95, 0)
    assert not found["roc_auc"].known
    assert not found["pr_auc"].known


def test_what_never_varies_by_its_nature_is_sure():
    constant = Predictions(np.repeat([0, 1], 15), np.zeros(30, dtype=int), None, ("a", "b"))
    found = bootstrap(constant, [METRICS["balanced_accuracy"]], 100, 0.95, 0)["balanced_accuracy"]
    assert (found.low, found.high) == (0.5, 0.5)
