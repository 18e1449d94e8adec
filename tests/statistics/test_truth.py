"""Simulated worlds in which the truth is known: what is claimed of it holds as often as it should.

Seeds are fixed. Of 1,000 simulations a share of 5 % has a standard error of 0.7 %: the bounds are three of these.
"""

import math

import numpy as np
import pytest
from scipy.stats import norm

from runtree.contract.predictions import Predictions
from runtree.statistics.bootstrap import bootstrap, bootstrap_difference
from runtree.statistics.classifier_tests import delong, mcnemar
from runtree.statistics.metrics import BUILTIN
from runtree.statistics.paired_test import corrected_t, paired_t
from runtree.statistics.selection_bias import tibshirani

pytestmark = pytest.mark.slow
METRICS = {metric.name: metric for metric in BUILTIN}
WORLDS = 1000
ROWS = 150
RESAMPLES = 250


def dice(world):
    return np.random.default_rng([20, world])


def within(share, wanted, worlds=WORLDS):
    """Tell whether a share is what is wanted, but for three standard errors."""
    return abs(share - wanted) <= 3 * math.sqrt(wanted * (1 - wanted) / worlds)


def right_or_wrong(own, rows=ROWS):
    """Return a classifier that is right in 85 of 100 cases."""
    true = own.integers(0, 2, rows)
    return Predictions(true, np.where(own.random(rows) < 0.85, true, 1 - true), None, ("a", "b"))


def binormal(own, rows=ROWS, distance=1.5):
    """Return scores that are normal in each class, so far apart."""
    true = (own.random(rows) < 0.4).astype(int)
    chance = norm.cdf(own.normal(size=rows) + distance * true)
    return Predictions(true, true, np.column_stack([1 - chance, chance]), ("a", "b"))


def errors(own, rows=ROWS):
    """Return predictions whose errors are standard normal."""
    return Predictions(own.normal(size=rows), own.normal(size=rows) * 0, None, ())


TRUTHS = {
    "accuracy": (right_or_wrong, 0.85),
    "roc_auc": (binormal, norm.cdf(1.5 / math.sqrt(2))),
    "rmse": (errors, 1.0),
    "mae": (errors, math.sqrt(2 / math.pi)),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_intervals_of_95_percent_hold_the_truth_so_often(name):
    make, truth = TRUTHS[name]
    found = [bootstrap(make(dice(world)), [METRICS[name]], RESAMPLES, 0.95, world)[name] for world in range(WORLDS)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 <= covered <= 0.97


def clustered(own, groups=60, size=5):
    """Return errors that rows of a group share."""
    shared = np.repeat(own.normal(size=groups), size)
    return Predictions(np.zeros(groups * size), shared + 0.3 * own.normal(size=groups * size), None, ())


def test_where_rows_go_together_groups_are_to_be_drawn():
    truth, groups = math.sqrt(2 / math.pi * 1.09), np.repeat(np.arange(60), 5)
    covered = {"rows": 0, "groups": 0}
    for world in range(WORLDS):
        answers = clustered(dice(world))
        for name, own in (("rows", None), ("groups", groups)):
            found = bootstrap(answers, [METRICS["mae"]], RESAMPLES, 0.95, world, own)["mae"]
            covered[name] += found.low <= truth <= found.high
    assert 0.92 * WORLDS <= covered["groups"] <= 0.97 * WORLDS
    assert covered["rows"] < 0.75 * WORLDS


def split_differences(own, splits, rows=100, tested=20, features=4):
    """Return differences in error of two equally good learners on random splits of one table.

    Each is least squares on its own half of the features, which matter alike: neither is better by construction.
    """
    table = own.normal(size=(rows, 2 * features))
    target = table.sum(1) + own.normal(size=rows)
    found = []
    for _ in range(splits):
        order = own.permutation(rows)
        test, train = order[:tested], order[tested:]
        scores = []
        for columns in (slice(None, features), slice(features, None)):
            weights = np.linalg.lstsq(table[train, columns], target[train], rcond=None)[0]
            scores.append(np.mean((table[test, columns] @ weights - target[test]) ** 2))
        found.append(scores[0] - scores[1])
    return found


def test_the_corrected_t_keeps_its_level_where_the_plain_one_does_not():
    corrected = plain = 0
    for world in range(WORLDS):
        differences = split_differences(dice(world), 15)
        corrected += corrected_t(differences, 20 / 80, 0.95).p <= 0.05
        plain += paired_t(differences, 0.95).p <= 0.05
    assert corrected <= (0.05 + 3 * 0.007) * WORLDS
    assert plain > 0.2 * WORLDS


def test_the_plain_t_keeps_its_level_where_differences_are_independent():
    alarms = 0
    for world in range(2 * WORLDS):
        differences = dice(world).laplace(size=10) if world % 2 else dice(world).normal(size=10)
        alarms += paired_t(differences, 0.95).p <= 0.05
    assert within(alarms / (2 * WORLDS), 0.05, 2 * WORLDS)


def alike(own, rows=300):
    """Return two equally good classifiers whose scores go together."""
    true, shared = (own.random(rows) < 0.5).astype(int), own.normal(size=rows)
    models = []
    for _ in range(2):
        chance = norm.cdf(1.2 * (true - 0.5) + 0.7 * shared + 0.7 * own.normal(size=rows))
        models.append(Predictions(true, (chance > 0.5).astype(int), np.column_stack([1 - chance, chance]), ("a", "b")))
    return models


def test_mcnemar_keeps_its_level():
    alarms = np.zeros(2)
    for world in range(2 * WORLDS):
        alarms += mcnemar(*alike(dice(world)), 0.95).p <= 0.05, mcnemar(*alike(dice(world), 60), 0.95).p <= 0.05
    many, few = alarms / (2 * WORLDS)
    assert within(many, 0.05, 2 * WORLDS)
    assert 0.01 <= few <= 0.05  # the exact test of few rows is timid, never bold


def test_delong_keeps_its_level():
    """To three standard errors of 3,000: from 3.8 to 6.2 %."""
    alarms = np.mean([delong(*alike(dice(world)), 0.95).p <= 0.05 for world in range(3 * WORLDS)])
    assert within(alarms, 0.05, 3 * WORLDS)


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "brier"])
def test_the_bootstrap_of_a_difference_keeps_its_level(name):
    worlds = range(2 * WORLDS, 3 * WORLDS)
    found = [bootstrap_difference(*alike(dice(world)), METRICS[name], 399, 0.95, world) for world in worlds]
    alarms, covered = np.mean([one.p <= 0.05 for one in found]), np.mean([one.low <= 0 <= one.high for one in found])
    assert within(alarms, 0.05)
    assert 0.93 <= covered <= 0.97


def test_mcnemars_limits_hold_the_truth():
    """Two classifiers right in 90 and 80 of 100 cases, independently of each other."""
    covered = 0
    for world in range(WORLDS):
        own, true = dice(world), np.ones(150, dtype=int)
        pair = [Predictions(true, (own.random(150) < share).astype(int), None, ("a", "b")) for share in (0.9, 0.8)]
        found = mcnemar(*pair, 0.95)
        covered += found.low <= 0.1 <= found.high
    assert 0.93 * WORLDS <= covered <= 0.97 * WORLDS


def test_a_winner_among_equals_is_found_out():
    """Twenty coins thrown a hundred times: the best looks better than a half, and is not."""
    raw, by_folds = np.zeros((2, 300))
    for world in range(300):
        losses = dice(world).integers(0, 2, size=(100, 20))
        folds = losses.reshape(5, 20, 20).mean(1).T
        raw[world] = losses.mean(0).min()
        by_folds[world] = tibshirani(folds, "minimize").corrected
    assert raw.mean() < 0.42
    assert raw.mean() + 0.05 < by_folds.mean()
