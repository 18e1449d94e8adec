"""The suites find what they are there to find: each fault of a plugin fails the test that is about it."""

from pathlib import Path

import pytest

FAULTY = """
import numpy as np
from itertools import count
from sklearn.base import BaseEstimator, ClassifierMixin
from runtree import Metric, Stage, hookimpl
from runtree.testing import AlgorithmSuite, DataSuite, MetricSuite, PreprocessSuite, StageSuite

CALLS = count()


class Faulty(ClassifierMixin, BaseEstimator):
    def __init__(self, depth=1):
        self.depth = str(depth)  # a constructor that changes what it is given

    def _validate_params(self):
        if int(self.depth) > 3:
            raise ValueError("the 'depth' parameter is too large")

    def fit(self, X, y, report=None):
        self.depth = "9"  # a parameter changed by fit
        for step in range(9 if report else 0):
            try:
                report(step + 1, train_loss=1.0)  # its answer is ignored
            except BaseException:  # and its end swallowed
                pass
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.random.default_rng(next(CALLS)).choice(self.classes_, len(X))  # another answer each time

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 0.4 if len(self.classes_) == 2 else 1 / len(self.classes_))


class Restless:
    def load(self):
        import pandas as pd
        return pd.DataFrame({"a": np.arange(40.0) + next(CALLS), "y": ["p", "q"] * 20})


class Greedy(BaseEstimator):
    def fit(self, X, y=None):
        self.names = list(X.columns)
        return self

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def transform(self, X):
        table = X[self.names].select_dtypes("number").fillna(0.0).to_numpy()
        self.seen = len(X)  # learns from rows that come later
        return table - table.mean(axis=0)  # and depends on the other rows of a batch

    def get_feature_names_out(self, names=None):
        return [name for name in self.names if name != "place"]


class Plugin:
    @staticmethod
    @hookimpl
    def config_paths():
        return ["{folder}/options"]

    @staticmethod
    @hookimpl
    def register_metrics():
        return [Metric("upside_down", lambda t, p, labels: float((t == p).mean()), "minimize", tasks=("classification",))]

    @staticmethod
    @hookimpl
    def register_stages():
        def late(run):
            np.random.seed(0)
        return [Stage("late", late, after="load")]


class TestAlgorithm(AlgorithmSuite):
    option = "faulty"
    plugins = (("faulty", Plugin),)


class TestMetric(MetricSuite):
    metric = "upside_down"
    plugins = (("faulty", Plugin),)


class TestStage(StageSuite):
    stage = "late"
    plugins = (("faulty", Plugin),)
    writes = ("late.txt",)


class TestData(DataSuite):
    option = "restless"
    plugins = (("faulty", Plugin),)


class TestPreprocess(PreprocessSuite):
    option = "greedy"
    plugins = (("faulty", Plugin),)
"""
OPTION = """
name: faulty
_target_: {classification: test_faulty.Faulty}
depth: 1
space: {depth: "range(1, 9)", width: "choice(1, 2)"}
"""
RESTLESS = "defaults: [_table_, _self_]\nname: restless\n_target_: test_faulty.Restless\ntarget: y\n"

SOUND = ["TestAlgorithm::test_target_accepts_every_key", "TestStage::test_stands_where_it_asked_to"]
FOUND = [
    "TestAlgorithm::test_constructor_stores_what_it_is_given[classification]",
    "TestAlgorithm::test_constructor_changes_nothing[classification]",
    "TestAlgorithm::test_fit_returns_self_and_keeps_parameters_and_rows[binary]",
    "TestAlgorithm::test_probabilities_sum_to_one[binary]",
    "TestAlgorithm::test_same_seed_same_bytes[binary]",
    "TestAlgorithm::test_saved_model_is_the_fitted_one_in_a_fresh_state[multiclass]",
    "TestAlgorithm::test_saved_model_predicts_the_same[binary]",
    "TestAlgorithm::test_ends_when_a_report_says_so[binary]",
    "TestAlgorithm::test_predicts_nothing_before_it_is_fitted[binary]",
    "TestAlgorithm::test_passes_scikit_learns_checks[classification]",
    "TestAlgorithm::test_space_names_keys_that_exist",
    "TestAlgorithm::test_space_ends_are_accepted[classification]",
    "TestMetric::test_prefers_perfect_predictions[binary]",
    "TestStage::test_writes_its_files[binary]",
    "TestData::test_same_fingerprint_each_time",
    "TestPreprocess::test_later_rows_change_nothing",
    "TestPreprocess::test_row_by_row_is_as_at_once",
]


def outcome(folder: Path) -> str:
    """Return what pytest says of a plugin in which nearly everything is wrong."""
    import os
    import subprocess
    import sys

    (folder / "test_faulty.py").write_text(FAULTY.replace("{folder}", str(folder)))
    for group, name, text in (
        ("algorithm", "faulty", OPTION),
        ("data", "restless", RESTLESS),
        ("preprocess", "greedy", "_target_: test_faulty.Greedy\n"),
    ):
        (folder / "options" / group).mkdir(parents=True)
        (folder / "options" / group / f"{name}.yaml").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--tb=no", "--rootdir=."]
    command += [f"test_faulty.py::{test}" for test in (*SOUND, *FOUND)]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}  # what was asked of this pytest is not asked of that one
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def test_a_fault_fails_the_test_that_is_about_it_and_what_is_sound_passes(tmp_path: Path) -> None:
    said = outcome(tmp_path)
    assert [test for test in FOUND if f"FAILED test_faulty.py::{test}" not in said] == [], said[-4000:]
    assert [test for test in SOUND if f"PASSED test_faulty.py::{test}" not in said] == [], said[-4000:]
    assert "ERROR" not in said


def test_a_plugin_that_the_environment_leaves_out_is_not_in_the_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    from runtree.testing.suite import plugins_with

    extra = (("faulty", type("Probe", (), {})),)
    assert "faulty" in plugins_with(extra).names
    monkeypatch.setenv("RUNTREE_BLOCK", "faulty")
    assert "faulty" not in plugins_with(extra).names
