"""The test that fits the metric is the one that is made."""

import numpy as np
import pytest

from runtree.contract.predictions import Predictions
from runtree.statistics.metrics import BUILTIN
from runtree.statistics.paired_test import compare_predictions

METRICS = {metric.name: metric for metric in BUILTIN}


def two():
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, 80)
    chances = [np.clip(truth * 0.3 + draw.random(80) * 0.7, 0, 1) for _ in range(2)]
    return [Predictions(truth, (own > 0.5).astype(int), np.column_stack([1 - own, own]), ("a", "b")) for own in chances]


@pytest.mark.parametrize(("name", "method"), [("accuracy", "McNemar"), ("roc_auc", "DeLong"), ("f1", "bootstrap")])
def test_each_metric_has_its_test(name, method):
    assert method in compare_predictions(*two(), METRICS[name], 200, 0.95, 0).method


def test_rows_that_go_together_are_drawn_together():
    found = compare_predictions(*two(), METRICS["accuracy"], 200, 0.95, 0, np.repeat(np.arange(20), 4))
    assert "bootstrap" in found.method


def test_without_resamples_there_are_no_limits():
    one, other = two()
    found = compare_predictions(one, other, METRICS["f1"], 0, 0.95, 0)
    assert found.value == pytest.approx(one.value(METRICS["f1"]) - other.value(METRICS["f1"]))
    assert np.isnan(found.low) and np.isnan(found.p)
