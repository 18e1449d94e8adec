"""`data.positive`: what is about one of two classes is about that one, and nothing else changes."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from runtree.statistics.metrics import BUILTIN
from runtree.testing.fixtures import PLAIN, UNEXAMINED, train, write_table

LABELS = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
AREAS = {"pr_auc": average_precision_score, "roc_auc": roc_auc_score}


def run_of(folder, *overrides):
    folder.mkdir(exist_ok=True)
    return train(*write_table(folder, "binary", rows=240), "algorithm=naive_bayes", *PLAIN, *overrides, folder=folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a run by default, where "yes" is the positive class, and one about "no"."""
    folder = tmp_path_factory.mktemp("runs")
    evaluated = ("evaluator.report=false", "evaluator.intervals.resamples=0")
    return run_of(folder / "yes", *UNEXAMINED), run_of(folder / "no", "data.positive=no", *evaluated)


def test_metrics_are_those_of_scikit_learn_for_that_class(runs):
    for run, positive in zip(runs, ("yes", "no"), strict=True):
        rows = run.predictions[run.predictions["part"] == "test"]
        for name, function in LABELS.items():
            expected = function(rows["y_true"], rows["y_pred"], pos_label=positive)
            assert run.metrics["test"][name] == pytest.approx(expected)
        for name, function in AREAS.items():
            assert run.metrics["test"][name] == pytest.approx(
                function(rows["y_true"] == positive, rows[f"p_{positive}"])
            )


def test_model_split_and_the_other_metrics_stay(runs):
    plain, other = runs
    assert plain.split.id == other.split.id
    assert (plain.predictions["y_pred"] == other.predictions["y_pred"]).all()
    of_one_class = {*LABELS, "pr_auc"}
    for name in {metric.name for metric in BUILTIN if "classification" in metric.tasks} - of_one_class:
        assert other.metrics["test"][name] == pytest.approx(plain.metrics["test"][name]), name
    assert plain.options.fingerprint != other.options.fingerprint


def test_it_is_in_the_files_of_the_run(runs):
    for run, positive in zip(runs, ("yes", "no"), strict=True):
        assert json.loads((run.folder / "data.json").read_text())["target"]["positive"] == positive


def test_explanation_and_baselines_are_about_it(runs):
    evaluation = json.loads((runs[1].folder / "evaluation.json").read_text())
    assert {tuple(item["class"]) for item in evaluation["dependence"]} == {("no",)}
    dummy = next(item for item in evaluation["baselines"] if item["name"] == "dummy")
    truth = runs[1].predictions.query("part == 'test'")["y_true"]
    # by default the most common class; of equally common ones the first in the model's own order
    predicted = "no"
    assert dummy["metrics"]["test"]["recall"] == pytest.approx(float((truth == "no").any() and predicted == "no"))


@pytest.mark.parametrize(
    "overrides",
    [
        ["decision.threshold=0.3"],
        ["decision.threshold=recall"],
        ["decision.threshold=0.7", "evaluator=cross_validation"],
    ],
)
def test_a_threshold_is_the_probability_from_which_it_is_predicted(tmp_path, overrides):
    run = run_of(tmp_path, "data.positive=no", *UNEXAMINED, *overrides)
    threshold, rows = run.metadata["decision"]["threshold"], run.predictions
    assert ((rows["p_no"] >= threshold) == (rows["y_pred"] == "no")).all()
    features, _ = run.select("test")
    assert np.array_equal(run.model.predict(features), rows[rows["part"] == "test"]["y_pred"].to_numpy())
