"""A plugin's metric: what it is called with, and what becomes of one that fails."""

import numpy as np
import pytest

from runtree import Metric
from runtree.contract.errors import RunFailedError
from runtree.contract.predictions import Predictions
from runtree.statistics.metrics import catalogue
from runtree.statistics.plugin_metrics import failure_of, names_metric, strict

SCORE = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
PREDICTIONS = Predictions(np.array([0, 1, 1]), np.array([0, 1, 0]), SCORE, ("a", "b"))


def value(function, config=None, needs="prediction"):
    [metric] = catalogue([("mine", Metric("mine", function, "maximize", needs))], config).values()
    return PREDICTIONS.values([metric]).get("mine"), metric


class Scorer:
    def __call__(self, y_true, y_pred, *, labels):
        return len(labels)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda y_true, y_pred: (y_true == y_pred).mean(), 2 / 3),
        (lambda t, p: np.float32(1), 1.0),
        (lambda y_true, y_pred, labels: len(labels), 2.0),
        (lambda *both, **more: len(both) + len(more), 3.0),
        (lambda y_true, y_pred, weights=None: 0 if weights is None else 1, 0.0),
        (Scorer(), 2.0),
        (max, None),  # of C, without a signature; and it compares arrays, which is an error
    ],
)
def test_labels_are_passed_to_a_metric_that_takes_them(function, expected):
    if expected is None:
        with pytest.raises(RunFailedError, match="metric 'mine' of the plugin 'mine' failed: ValueError"):
            value(function)
    else:
        assert value(function)[0] == pytest.approx(expected)


def test_the_probability_of_the_positive_class_is_passed_without_labels():
    assert value(lambda y_true, y_score: y_score.max(), needs="probability")[0] == 0.8


def spoil(y_true, y_score):
    y_true[:] = 0
    y_score[:] = 0
    return 1.0


@pytest.mark.parametrize("needs", ["prediction", "probability"])
def test_a_metric_cannot_change_its_arrays(needs):
    with pytest.raises(RunFailedError, match="read-only"):
        value(spoil, needs=needs)
    assert PREDICTIONS.y_true.tolist() == [0, 1, 1]
    PREDICTIONS.y_true[0] = 0  # those of the run stay as they were: runtree itself may write to them


def leave(y_true, y_pred):
    raise SystemExit(3)


FAULTS = {
    "raises": (lambda t, p: 1 // 0, "ZeroDivisionError: "),
    "exits": (leave, r"it called sys.exit\(3\)"),
    "takes too much": (lambda t, p, weights: 0.0, "TypeError: .*weights"),
    "a text": (lambda t, p: "0.5", "it returned '0.5', not a number"),
    "an array": (lambda t, p: t, "not a number"),
    "nothing": (lambda t, p: None, "TypeError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_metric_that_fails_is_named_and_has_no_value_where_nobody_asked_for_it(fault, caplog):
    function, why = FAULTS[fault]
    with pytest.raises(RunFailedError, match=f"metric 'mine' of the plugin 'mine' failed: .*{why}"):
        value(function, {"evaluator": {"metrics": ["accuracy", "mine"]}})
    found, metric = value(function, {"evaluator": {"metrics": "auto"}})
    assert np.isnan(found)
    assert failure_of(metric).startswith("metric 'mine' of the plugin 'mine' failed: ")
    PREDICTIONS.values([metric])
    assert caplog.text.count("the score is left out") == 1
    with pytest.raises(RunFailedError):
        PREDICTIONS.values([strict(metric)])


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"objective": {"metric": "mine"}}, True),
        ({"objective": {"metric": ["accuracy", "mine"]}}, True),
        ({"fit": {"patience": {"metric": "validation_mine"}}}, True),
        ({"fit": {"patience": {"metric": "validation.mine"}}}, True),
        ({"evaluator": {"metrics": "auto"}, "objective": {"metric": "auto"}}, False),
        ({"evaluator": {"metrics": ["mine_too", "not-mine"]}}, False),
        ({"data": {"name": "mine"}}, False),
    ],
)
def test_a_config_names_a_metric_where_it_is_one(config, named):
    assert names_metric(config, "mine") is named
