from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from runtree.statistics import metrics
from runtree.training.thresholds import (
    ErrorCosts,
    candidate_thresholds,
    cost_objective,
    metric_objective,
    score_thresholds,
)

F1 = next(metric for metric in metrics.BUILTIN if metric.name == "f1")


def rows(seed=0, size=300):
    generator = np.random.default_rng(seed)
    chance = generator.beta(1, 4, size).round(3)
    return (generator.random(size) < chance).astype(int), chance


def test_the_best_of_all_thresholds_is_found():
    truth, chance = rows()
    found = score_thresholds(truth, chance, metric_objective(F1), most=1000)
    every = [f1_score(truth, chance >= one, zero_division=0.0) for one in np.unique(chance)]
    assert found.chosen_value == pytest.approx(max(every))
    assert found.usual_value == pytest.approx(f1_score(truth, chance >= 0.5, zero_division=0.0))


@pytest.mark.parametrize(
    "metric", [one for one in metrics.BUILTIN if one.needs == "prediction" and "regression" not in one.tasks]
)
def test_many_thresholds_at_once_are_worth_what_each_is(metric):
    truth, chance = rows(5)
    at_once, one_by_one = metric_objective(metric), replace(metric_objective(metric), of_counts=None)
    assert score_thresholds(truth, chance, at_once).values == pytest.approx(
        score_thresholds(truth, chance, one_by_one).values
    )
    assert at_once.of_counts is not None


def test_costs_draw_the_threshold_to_where_theory_puts_it():
    truth, chance = rows(1, 50_000)
    found = score_thresholds(truth, chance, cost_objective(ErrorCosts(1, 4)))
    assert found.chosen == pytest.approx(1 / (1 + 4), abs=0.04)
    told = cost_objective(ErrorCosts(1, 4)).value(np.array([0, 1, 1, 0]), np.array([1, 0, 1, 0]))
    at_once, one_by_one = cost_objective(ErrorCosts(1, 4)), replace(cost_objective(ErrorCosts(1, 4)), of_counts=None)
    assert score_thresholds(truth, chance, at_once).values == pytest.approx(
        score_thresholds(truth, chance, one_by_one).values
    )
    assert told == pytest.approx((1 + 4) / 4)


def test_of_thresholds_that_are_equally_good_the_one_nearest_to_a_half_is_taken():
    truth, chance = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.9, 0.95])
    assert score_thresholds(truth, chance, metric_objective(F1)).chosen == 0.5


def test_a_half_is_always_looked_at_and_no_more_than_asked():
    _, chance = rows(2, 5000)
    found = candidate_thresholds(chance, 40)
    assert 0.5 in found
    assert len(found) <= 41
    assert candidate_thresholds(np.full(10, 0.3), 40).tolist() == [0.5]
