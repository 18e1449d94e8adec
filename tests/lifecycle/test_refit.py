"""`fit.refit`: the model that is kept is fitted on the train and validation split, and the test scores are of it."""

import json

import numpy as np
import pytest

from runtree.app.sweep_plan import refit_override
from runtree.records.layout import RunFolder
from runtree.testing.fixtures import PLAIN, UNEXAMINED, train, write_table

QUICK = (*PLAIN, *UNEXAMINED, "preprocess=standard", "data.drop=[place]")


def trained(folder, *words, rows=150):
    return train(*write_table(folder, rows=rows), *QUICK, *words, folder=folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Return a run without and one with a refit, and the folder of their table."""
    folder = tmp_path_factory.mktemp("refit")
    words = ("algorithm=logistic", "decision.threshold=f1", "evaluator.baselines=[linear,boosted]")
    return [trained(folder, *words, f"fit.refit={refit}") for refit in ("false", "true")]


def test_the_model_is_that_of_a_fit_on_both_splits(pair):
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    once, again = pair
    rows = np.sort(np.concatenate([again.split.train, again.split.validation]))
    features = clone(again.model[0]).fit_transform(again.data.features.iloc[rows])
    expected = LogisticRegression(max_iter=1000, random_state=7).fit(features, again.data.target.iloc[rows])
    algorithm = again.model[-1].estimator.estimator
    assert np.allclose(algorithm.coef_, expected.coef_, atol=1e-3)
    assert not np.allclose(once.model[-1].estimator.estimator.coef_, expected.coef_, atol=1e-3)
    assert again.model[-1].threshold == once.model[-1].threshold


def test_only_the_test_scores_are_of_it(pair):
    once, again = pair
    assert {split: once.metrics[split] == again.metrics[split] for split in once.metrics} == {
        "train": True,
        "validation": True,
        "test": False,
    }
    selected, kept = (run.predictions[run.predictions["part"] == "test"] for run in pair)
    assert kept["row"].tolist() == selected["row"].tolist()
    assert kept["p_yes"].tolist() == again.model.predict_proba(again.select("test")[0])[:, 1].tolist()
    assert len(again.predictions) == len(once.predictions) == 150


def test_the_record_says_on_which_rows(pair):
    record = json.loads(RunFolder(pair[1].folder).record.read_text())
    assert record["fit"]["refit"] == {"splits": ["train", "validation"], "rows": 120}
    assert "refit" not in json.loads(RunFolder(pair[0].folder).record.read_text())["fit"]


def test_a_baseline_is_fitted_on_the_same_rows(pair):
    found = [json.loads(RunFolder(run.folder).evaluation.read_text())["baselines"] for run in pair]
    assert [[(row["name"], row["rows"], row["sampled"]) for row in rows] for rows in found] == [
        [(name, rows, False) for name in ("linear", "boosted")] for rows in (90, 120)
    ]


PATIENT = ("fit.refit=true", "fit.patience.checks=2", "fit.patience.metric=validation_loss", "fit.every=1")


@pytest.mark.parametrize(
    ("words", "iterations"),
    [
        (["algorithm=gradient_boosting", "algorithm.learning_rate=1.0"], lambda model: len(model.estimators_)),
        (["algorithm=hist_gradient_boosting", "algorithm.learning_rate=1.0"], lambda model: model.n_iter_),
        (["algorithm=mlp", "algorithm.learning_rate_init=0.2"], lambda model: model.n_iter_),
    ],
)
def test_it_has_the_iterations_that_stopping_found(tmp_path, words, iterations):
    run = trained(tmp_path, *words, *PATIENT)
    found = run.fit_summary
    assert found["reason"] == "patience"
    assert iterations(run.model[-1]) == found["best"] == found["refit"]["iterations"] < found["iterations"]


def test_without_a_validation_split_there_is_one_only_of_rows_that_the_fit_held_out(tmp_path):
    folds = ("evaluator=cross_validation", "evaluator.folds=2", "algorithm=gradient_boosting", "fit.refit=true")
    assert not trained(tmp_path, *folds, "fit.max_iterations=3").is_refitted
    run = trained(tmp_path, *folds, "fit.max_iterations=3", "fit.validation_fraction=0.2")
    assert run.fit_summary["refit"] == {"splits": ["train"], "rows": 120, "iterations": 3}


@pytest.mark.parametrize(
    ("config", "typed", "added"),
    [
        ({"tuner": {"refit": True}, "fit": {"refit": False}}, [], ["fit.refit=true"]),
        ({"tuner": {}, "fit": {"refit": False}}, ["seed=1"], ["fit.refit=true"]),
        ({"tuner": {"refit": False}, "fit": {"refit": False}}, [], []),
        ({"tuner": {"refit": True}, "fit": {"refit": False}}, ["fit.refit=false"], []),
        ({"tuner": {"refit": True}, "fit": {"refit": True}}, [], []),
        ({"tuner": {"refit": True}, "fit": {}}, [], []),
        ({"tuner": {"refit": True}}, [], []),
    ],
)
def test_the_runs_of_a_sweep_get_the_key(config, typed, added):
    from omegaconf import OmegaConf

    assert refit_override(OmegaConf.create(config), typed) == added
