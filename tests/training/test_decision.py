"""Decisions in whole runs: what is scored, saved, read back and refused."""

import json

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import ConfigError
from runtree.testing.fixtures import PLAIN, UNEXAMINED, train, write_table
from runtree.training.decision import rewrap, unwrap
from runtree.training.model_files import TRUSTED, load_skops

QUICK = (*UNEXAMINED, *PLAIN)


def run_of(folder, *overrides, case="binary", rows=240):
    return train(*write_table(folder, case, rows=rows), "algorithm=logistic", *QUICK, *overrides, folder=folder)


def reloaded(run):
    return load_skops(run.folder / "model", TRUSTED)


def card(run):
    return json.loads((run.folder / "model" / "model.json").read_text())


def answered(run, part):
    frame = run.predictions
    return frame[frame["part"] == part]


@pytest.mark.parametrize(
    ("overrides", "case"),
    [
        (["decision.calibrate=sigmoid"], "multiclass"),
        (["decision.calibrate=isotonic", "decision.threshold=0.3"], "binary"),
        (["decision.calibrate=temperature"], "multiclass"),
        (["decision.threshold=f1"], "binary"),
        (["decision.calibrate=sigmoid", "algorithm=linear_svm", "decision.threshold=mcc"], "binary"),
    ],
)
def test_a_decided_model_comes_back_the_same_with_trusted_types_alone(folder, overrides, case):
    run = run_of(folder, *overrides, case=case)
    features, _ = run.select("test")
    loaded = reloaded(run)
    assert np.array_equal(loaded.predict(features), answered(run, "test")["y_pred"].to_numpy())
    assert np.array_equal(loaded.predict_proba(features), run.model.predict_proba(features))
    assert card(run)["decision"] == run.metadata["decision"]


def test_where_nothing_is_asked_the_model_is_the_algorithm_itself(folder):
    run = run_of(folder)
    assert type(run.model[-1]).__name__ == "LogisticRegression"
    assert "decision" not in card(run)
    again = run_of(folder, "decision.calibrate=null", "decision.threshold=null")
    assert (again.folder / "model" / "model.json").read_bytes() == (run.folder / "model" / "model.json").read_bytes()
    assert np.array_equal(again.model[-1].coef_, run.model[-1].coef_)


def test_a_threshold_is_learnt_on_validation_and_kept_for_all_parts(folder):
    run = run_of(folder, "decision.threshold=cost", "decision.cost.false_positive=1", "decision.cost.false_negative=20")
    threshold = run.metadata["decision"]["threshold"]
    assert threshold < 0.5
    for part in ("train", "validation", "test"):
        rows = answered(run, part)
        assert ((rows["p_yes"] >= threshold) == (rows["y_pred"] == "yes")).all()


def test_calibration_betters_the_chances_of_a_model_that_is_too_sure(folder):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(1500, 6)), columns=list("abcdef"))
    frame["y"] = np.where(draw.random(1500) < 1 / (1 + np.exp(-frame["a"])), "yes", "no")
    frame.to_csv(folder / "t.csv", index=False)
    data = ["data=csv", f"data.path={folder / 't.csv'}", "data.target=y", "algorithm=hist_gradient_boosting", *QUICK]
    plain, calibrated = train(*data, folder=folder), train(*data, "decision.calibrate=sigmoid", folder=folder)
    assert calibrated.metrics["test"]["log_loss"] < 0.9 * plain.metrics["test"]["log_loss"]
    assert calibrated.metrics["test"]["roc_auc"] == pytest.approx(plain.metrics["test"]["roc_auc"], abs=1e-3)


@pytest.mark.parametrize(
    ("overrides", "case", "told"),
    [
        (["decision.calibrate=sigmoid"], "regression", "decision.calibrate: the task is regression"),
        (["decision.threshold=f1"], "multiclass", "decision.threshold: there are 3 classes"),
        (["decision.threshold=roc_auc"], "binary", "does not depend on a threshold"),
        (["decision.threshold=f2"], "binary", "decision.threshold: 'f2'"),
        (["decision.threshold=f1", "evaluator=cross_validation"], "binary", "type: evaluator=holdout"),
        (["decision.threshold=f1", "algorithm=linear_svm"], "binary", "type: decision.calibrate=sigmoid"),
    ],
)
def test_what_cannot_be_decided_is_refused_before_any_work(folder, overrides, case, told):
    if "regression" in case:
        overrides = [*overrides, "algorithm=ridge"]
    with pytest.raises(ConfigError) as caught:
        run_of(folder, *overrides, case=case)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "evaluator",
    [
        ["evaluator=cross_validation"],
        ["evaluator=cross_validation", "evaluator.folds=2", "algorithm=dummy"],
        ["evaluator=nested_cross_validation", "evaluator.candidates=2", "evaluator.folds=2", "evaluator.inner_folds=2"],
    ],
)
def test_a_number_serves_folds_too(folder, evaluator):
    run = run_of(folder, "decision.threshold=0.9", *evaluator)
    rows = answered(run, "validation")
    assert ((rows["p_yes"] >= 0.9) == (rows["y_pred"] == "yes")).all()


def test_another_algorithm_is_decided_for_as_the_first_was(folder):
    run = run_of(folder, "decision.calibrate=sigmoid", "decision.threshold=0.4")
    features, target = run.select("train")
    other = run.refit(features, target.to_numpy())
    assert unwrap(other[-1]) is not unwrap(run.model[-1])
    assert np.allclose(other.predict_proba(features), run.model.predict_proba(features))
    assert rewrap(unwrap(run.model[-1]), "any") == "any"


@pytest.mark.slow
def test_a_networks_weights_are_kept_apart_under_a_decision_too(folder):
    pytest.importorskip("torch")
    run = run_of(
        folder, "algorithm=torch_mlp", "fit.max_iterations=2", "decision.calibrate=sigmoid", "decision.threshold=f1"
    )
    assert (run.folder / "model" / "weights.safetensors").is_file()
    features, _ = run.select("test")
    assert np.array_equal(reloaded(run).predict_proba(features), run.model.predict_proba(features))
    assert hasattr(unwrap(run.model[-1]), "module_")  # saving has not taken it away
