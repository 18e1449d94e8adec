"""A saved model is loaded again in a fresh state: every way in which it can be another one is found, before a long fit."""

import importlib
import sys
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from runtree.app import App
from runtree.contract.errors import ConfigError, RunFailedError
from runtree.contract.types import Split, Table
from runtree.lifecycle.replay import check_saved_model, find_difference, sample_rows, try_saving
from runtree.lifecycle.save import save
from runtree.records.user_code import find_sources
from runtree.training.active_run import ActiveRun, RunOptions
from runtree.training.fit_plan import FitOptions, FitPlan, IterationSpec

MODELS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

OFFSET = np.random.rand()


class Honest(ClassifierMixin, BaseEstimator):
    rows = []

    def __init__(self, rule=None):
        self.rule = rule

    def fit(self, X, y):
        self.rows.append(len(X))
        self.classes_ = np.unique(y)
        self.weights_ = np.asarray(X).mean(axis=0)
        return self

    def scores(self, X):
        return np.asarray(X) @ self.weights_

    def predict_proba(self, X):
        second = 1 / (1 + np.exp(-self.scores(X)))
        return np.stack([1 - second, second], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Forgetful(Honest):
    def fit(self, X, y):
        super().fit(X, y)
        self.weights_ = Cache(self.weights_)
        return self

    def scores(self, X):
        return np.asarray(X) @ self.weights_.content


class Cache:
    def __init__(self, content):
        self.content = content

    def __getstate__(self):
        return {"content": None}

    def __setstate__(self, state):
        self.content = np.zeros(2)


class OfTheModule(Honest):
    def scores(self, X):
        return super().scores(X) + OFFSET


class Restless(Honest):
    def scores(self, X):
        return super().scores(X) + np.random.rand()


class Local(Honest):
    def fit(self, X, y):
        self.rule_ = lambda scores: scores
        return super().fit(X, y)


rule = lambda scores: scores
"""
ROWS = 600
HOOKS = App().plugins


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Return the module of the estimators above, as a user's own."""
    (tmp_path / "models_of_a_user.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("models_of_a_user")
    sys.modules.pop("models_of_a_user")


def make_run(folder, estimator, preprocess=None, rows=ROWS, **options):
    """Return a run as it is when the fit begins, and its fitted preprocessing."""
    generator = np.random.default_rng(0)
    features = pd.DataFrame(generator.normal(1, 1, size=(rows, 2)), columns=["a", "b"])
    target = pd.Series(np.where(features["a"] > 1, "yes", "no"), name="y")
    run = ActiveRun({"seed": 0, "data": {"target": "y"}}, folder, HOOKS, None, {}, RunOptions(**options))
    run.data = Table(features, target, "classification", ("no", "yes"), "fingerprint")
    parts = np.split(np.arange(rows), [rows * 4 // 6, rows * 5 // 6])
    run.split = Split(*parts, "")
    run.estimator, run.plan = estimator, FitPlan(FitOptions(), IterationSpec())
    run.sources = find_sources(["models_of_a_user.Honest"])
    preprocess = preprocess or StandardScaler().set_output(transform="pandas")
    return run, preprocess.fit(features)


def saved(run, preprocess):
    """Fit and save the run's model."""
    run.model = Pipeline([("preprocess", preprocess), ("algorithm", run.estimator)])
    features, target = run.select("train")
    run.estimator.fit(preprocess.transform(features), target)
    with patch("runtree.lifecycle.save.check_saved_model"):
        save(run)
    return run


FAULTS = {
    "Forgetful": "100 of 100|of 100|predictions differ",
    "OfTheModule": "predictions differ, by up to",
    "Restless": "its predictions are random",
    "Local": "lambda|local",
}


def test_an_honest_model_passes(models, tmp_path):
    run, preprocess = make_run(tmp_path, models.Honest())
    try_saving(run, preprocess)
    [tried] = models.Honest.rows
    assert tried <= 110  # few rows, both classes among them
    check_saved_model(saved(run, preprocess), tmp_path / "model")


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_that_does_not_come_back_is_refused_before_its_fit(models, tmp_path, name):
    run, preprocess = make_run(tmp_path, getattr(models, name)())
    with pytest.raises(ConfigError, match=rf"algorithm: a model with models_of_a_user.{name} .*({FAULTS[name]})"):
        try_saving(run, preprocess)
    assert max(models.Honest.rows) <= 110


@pytest.mark.parametrize("name", ["Forgetful", "OfTheModule", "Restless"])
def test_a_model_that_does_not_come_back_fails_its_run(models, tmp_path, name):
    run = saved(*make_run(tmp_path, getattr(models, name)(), rows=90))  # too few to be tried before
    with pytest.raises(RunFailedError, match=f"the saved model is not the fitted one: .*({FAULTS[name]})"):
        check_saved_model(run, tmp_path / "model")


def test_a_damaged_file_fails_its_run(models, tmp_path):
    run = saved(*make_run(tmp_path, models.Honest()))
    (tmp_path / "model" / "model.skops").write_bytes(b"half")
    with pytest.raises(RunFailedError, match=r"the saved model cannot be loaded: .*not a zip file"):
        check_saved_model(run, tmp_path / "model")


def test_a_parameter_that_cannot_be_written_is_named(models, tmp_path):
    run, preprocess = make_run(tmp_path, models.Honest(rule=models.rule))
    with pytest.raises(ConfigError, match=r"models_of_a_user.<lambda> cannot be saved and loaded"):
        try_saving(run, preprocess)


def test_a_preprocessing_that_cannot_be_written_is_named(tmp_path):
    preprocess = FunctionTransformer(lambda rows: rows)
    run, preprocess = make_run(tmp_path, DummyClassifier(), preprocess, rows=60)
    with pytest.raises(ConfigError, match=r"preprocess: a model with test_replay.*lambda"):
        try_saving(run, preprocess)


def test_nothing_is_tried_where_nothing_is_saved_or_all_is_known_or_the_fit_is_short(models, tmp_path):
    for run, preprocess in (
        make_run(tmp_path, models.Local(), saves=False),
        make_run(tmp_path, DummyClassifier()),
        make_run(tmp_path, models.Local(), rows=90),
    ):
        try_saving(run, preprocess)
    assert models.Honest.rows == []


def test_the_trial_is_made_once_in_a_process_that_caches(models, tmp_path):
    kept = {}

    def cached(kind, key, make):
        if (kind, key) not in kept:
            kept[kind, key] = make()
        return kept[kind, key]

    for _ in range(3):
        try_saving(*make_run(tmp_path, models.Honest(), cached=cached))
    assert len(models.Honest.rows) == 1


def test_generators_and_modules_are_afterwards_as_they_were(models, tmp_path):
    run = saved(*make_run(tmp_path, models.Honest()))
    before = np.random.get_state()[1].tolist()
    check_saved_model(run, tmp_path / "model")
    assert np.random.get_state()[1].tolist() == before
    assert sys.modules["models_of_a_user"] is models


def test_code_that_was_edited_during_the_fit_is_not_imported(models, tmp_path):
    run = saved(*make_run(tmp_path, models.Honest()))
    (tmp_path / "models_of_a_user.py").write_text("half an edit (")
    check_saved_model(run, tmp_path / "model")


class Constant:
    def __init__(self, values, proba=None):
        self.values = np.asarray(values)
        if proba is not None:
            self.predict_proba = lambda X: np.asarray(proba)

    def predict(self, X):
        return self.values


@pytest.mark.parametrize(
    ("fitted", "loaded", "differs"),
    [
        (Constant([1.0, -5.0, np.nan]), Constant([1.0, -5.0, np.nan]), False),
        (Constant([1.0, np.inf]), Constant([1.0, np.inf]), False),
        (Constant([1.0, np.inf]), Constant([1.1, np.inf]), True),
        (Constant([1e-9, 2.0, 3.0]), Constant([0.0, 2.0, 3.0]), False),
        (Constant([1e-9, 2e-9, 3e-9]), Constant([1.1e-9, 2e-9, 3e-9]), True),
        (Constant([1.0, 1.0, 1e9]), Constant([1.001, 1.0, 1e9]), True),
        (Constant([1.0, 2.0]), Constant([1.0 + 1e-7, 2.0]), False),
        (Constant([1.0, 2.0]), Constant([1.0]), True),
    ],
)
def test_numbers_are_compared_with_a_tiny_tolerance(fitted, loaded, differs):
    found = find_difference(fitted, loaded, pd.DataFrame(index=range(len(fitted.values))), False)
    assert bool(found) is differs


def test_labels_are_equal_and_probabilities_close():
    rows = pd.DataFrame(index=range(2))
    one = Constant(["a", "b"], [[0.9, 0.1], [0.2, 0.8]])
    assert not find_difference(one, Constant(["a", "b"], [[0.9 - 1e-8, 0.1], [0.2, 0.8]]), rows, True)
    assert "1 of 2" in find_difference(one, Constant(["a", "a"], [[0.9, 0.1], [0.2, 0.8]]), rows, True)[0]
    assert "by up to 0.1" in find_difference(one, Constant(["a", "b"], [[0.8, 0.2], [0.2, 0.8]]), rows, True)[0]


def test_at_most_a_hundred_rows_of_a_split_are_predicted():
    assert len(sample_rows(np.arange(100))) == 100
    assert sample_rows(np.arange(100_000)).tolist()[:3] == [0, 1000, 2000]
    assert {len(sample_rows(np.arange(count))) <= 100 for count in range(1, 2_000)} == {True}
