import numpy as np
import pytest
import sklearn.metrics as sk

from runtree.contract.errors import ConfigError, MissingError
from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.metrics import BUILTIN, catalogue, objective, select_metrics

KNOWN = catalogue(("runtree", metric) for metric in BUILTIN)
rng = np.random.default_rng(0)


def chances(rows, classes):
    raw = rng.random((rows, classes)) + 0.05
    return raw / raw.sum(axis=1, keepdims=True)


def score(name, y_true, y_pred, classes):
    metric = KNOWN[name]
    return metric.function(y_true, y_pred, labels=range(classes))


def test_two_classes_equal_scikit_learn():
    y, p = rng.integers(0, 2, 200), chances(200, 2)[:, 1]
    hard = (p > 0.5).astype(int)
    expected = {
        "accuracy": sk.accuracy_score(y, hard),
        "balanced_accuracy": sk.balanced_accuracy_score(y, hard),
        "precision": sk.precision_score(y, hard),
        "recall": sk.recall_score(y, hard),
        "f1": sk.f1_score(y, hard),
        "mcc": sk.matthews_corrcoef(y, hard),
        "roc_auc": sk.roc_auc_score(y, p),
        "pr_auc": sk.average_precision_score(y, p),
        "log_loss": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p),
    }
    found = {name: score(name, y, p if KNOWN[name].needs == "probability" else hard, 2) for name in expected}
    assert found == expected


def test_more_classes_equal_scikit_learn():
    y, p = rng.integers(0, 4, 200), chances(200, 4)
    hard = p.argmax(axis=1)
    expected = {
        "balanced_accuracy": sk.balanced_accuracy_score(y, hard),
        "precision": sk.precision_score(y, hard, average="macro"),
        "recall": sk.recall_score(y, hard, average="macro"),
        "f1": sk.f1_score(y, hard, average="macro"),
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr"),
        "pr_auc": sk.average_precision_score(y, p, average="macro"),
        "log_loss": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p),
    }
    found = {name: score(name, y, p if KNOWN[name].needs == "probability" else hard, 4) for name in expected}
    assert found == pytest.approx(expected, abs=1e-15)


def test_quantities_equal_scikit_learn():
    y, p = rng.random(50) + 1, rng.random(50) + 1
    expected = {
        "mae": sk.mean_absolute_error, "mse": sk.mean_squared_error, "rmse": sk.root_mean_squared_error, "r2": sk.r2_score,
        "mape": sk.mean_absolute_percentage_error, "median_ae": sk.median_absolute_error,
    }  # fmt: skip
    assert {name: KNOWN[name].function(y, p) for name in expected} == {name: f(y, p) for name, f in expected.items()}


def test_a_part_without_a_class_is_scored_where_that_makes_sense():
    y, p = np.array([0, 0, 1, 1]), chances(4, 3)
    hard = p.argmax(axis=1)
    assert 0 <= score("f1", y, hard, 3) <= 1
    assert score("log_loss", y, p, 3) == sk.log_loss(y, p, labels=[0, 1, 2])
    assert np.isnan(score("roc_auc", y, p, 3))


def test_directions():
    lower = {name for name, metric in KNOWN.items() if metric.direction == "minimize"}
    assert lower == {"log_loss", "brier", "mae", "mse", "rmse", "mape", "median_ae"}


def test_auto_chooses_by_task_and_names_are_checked():
    assert {metric.name for metric in select_metrics("auto", "regression", KNOWN)} == {
        "mae",
        "mse",
        "rmse",
        "r2",
        "mape",
        "median_ae",
    }
    assert [metric.name for metric in select_metrics(["f1", "accuracy"], "classification", KNOWN)] == ["f1", "accuracy"]
    with pytest.raises(ConfigError, match=r"unknown regression metric at evaluator\.metrics: 'acuracy'"):
        select_metrics(["acuracy"], "regression", KNOWN)


def test_the_objective_follows_the_task_unless_it_is_named():
    assert objective({}, "classification", KNOWN)[0].name == "balanced_accuracy"
    assert objective({}, "regression", KNOWN) == (KNOWN["rmse"], "minimize")
    assert objective({"metric": "f1", "direction": "minimize"}, "classification", KNOWN)[1] == "minimize"
    with pytest.raises(ConfigError, match=r"objective\.metric: 'r2'"):
        objective({"metric": "r2"}, "classification", KNOWN)


def test_a_name_of_two_plugins_is_refused_if_the_config_has_it(caplog):
    metric = Metric("f1", lambda t, p: 0.0, "maximize")
    assert catalogue([("runtree", KNOWN["f1"]), ("mine", metric)]) == {"f1": KNOWN["f1"]}
    assert "plugin mine: its metric 'f1' is left out: runtree has one of that name" in caplog.text
    both = [("yours", metric), ("mine", metric)]
    assert catalogue(both, {"objective": {"metric": "auto"}}) == {}
    with pytest.raises(MissingError, match="by 'yours' and by 'mine'"):
        catalogue(both, {"objective": {"metric": "f1"}})


@pytest.mark.parametrize("zero", [0.0, 1e-13])
def test_a_percentage_of_nothing_is_no_number(zero):
    y = np.array([zero, 1.0, 2.0, 4.0])
    assert np.isnan(KNOWN["mape"].function(y, y + 1))
    found = Predictions(y, y + 1, None, ())
    assert found.undefined_reason(KNOWN["mape"]) == ("it divides by the target, which is 0, or nearly, in 1 of 4 rows")
    assert np.isfinite(KNOWN["mape"].function(y[1:], y[1:] + 1))
