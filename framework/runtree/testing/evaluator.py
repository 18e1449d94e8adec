"""The suite for an option of the group `evaluator`."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtree.config.build import build
from runtree.contract.types import SPLITS
from runtree.lifecycle.stages import evaluator_arguments
from runtree.testing.fixtures import CASES, PLAIN, UNEXAMINED, Case, compose, train, write_table
from runtree.testing.suite import TINY, Suite, assert_same_science, folder_of, read_json
from runtree.training import fold_runner
from runtree.training.active_run import ActiveRun


@TINY
class EvaluatorSuite(Suite):
    """Checks that an evaluator scores the right rows, with equal results for equal seeds.

    ::

        class TestBootstrap(EvaluatorSuite):
            option = "bootstrap"
    """

    option: ClassVar[str]
    algorithm: ClassVar[str] = "dummy"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Repeat tests for each kind of target."""
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", CASES, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, case: Case, tmp_path_factory: pytest.TempPathFactory) -> ActiveRun:
        """Return a run scored by the evaluator."""
        return cls.trained(case, tmp_path_factory.mktemp("run"))

    @classmethod
    def trained(cls, case: Case, folder: Path, *more: str) -> ActiveRun:
        """Train on a tiny table."""
        common = [f"evaluator={cls.option}", f"algorithm={cls.algorithm}", *PLAIN, *UNEXAMINED]
        return train(*common, *write_table(folder, case), *cls.overrides, *more, folder=folder, app=cls.make_app())

    def test_says_whether_it_holds_out(self) -> None:
        config: dict[str, Any] = compose(f"evaluator={self.option}", *self.overrides, app=self.make_app()).config
        node = evaluator_arguments(config["evaluator"])
        assert config["evaluator"]["name"] == self.option
        assert isinstance(build(node, "evaluator", self.make_app().allow_list()).holds_out, bool)

    def test_scores_known_parts(self, run: ActiveRun) -> None:
        found = read_json(folder_of(run).metrics)
        # the ranking needs validation, and the final score test; the train split may be left out
        assert {"validation", "test"} <= set(found)
        assert set(found) - {*SPLITS, "folds"} == set(run.details)
        assert all(isinstance(value, float) for part in SPLITS for value in found.get(part, {}).values())

    def test_gives_the_objective(self, run: ActiveRun) -> None:
        assert read_json(folder_of(run).record)["objective"]["value"] is not None

    def test_predicts_each_test_row_once(self, run: ActiveRun) -> None:
        predictions = run.predictions
        assert {"row", "part", "y_true", "y_pred"} <= set(predictions.columns)
        rows = predictions.loc[predictions["part"] == "test", "row"]
        # sorted: an evaluator may predict in any order, but each row once
        assert sorted(rows) == run.split.test.tolist()

    def test_tells_the_true_values(self, run: ActiveRun) -> None:
        truth = run.data.target.iloc[run.predictions["row"]]
        assert run.predictions["y_true"].tolist() == truth.tolist()

    def test_metrics_are_those_of_the_predictions(self, run: ActiveRun, case: Case) -> None:
        test = run.predictions[run.predictions["part"] == "test"]
        if case == "regression":
            # computed here from the table and not by runtree's metrics: an error in the evaluator must not cancel out
            expected, found = (test["y_true"] - test["y_pred"]).abs().mean(), run.metrics["test"]["mae"]
        else:
            expected, found = (test["y_true"] == test["y_pred"]).mean(), run.metrics["test"]["accuracy"]
        assert found == pytest.approx(float(expected), rel=1e-9)

    def test_computes_only_what_is_asked(self, case: Case, tmp_path: Path) -> None:
        if case == "multiclass":  # what is asked does not depend on the number of classes
            return
        name = "mae" if case == "regression" else "accuracy"
        run = self.trained(case, tmp_path, f"evaluator.metrics=[{name}]", f"objective.metric={name}")
        assert {found for part in run.metrics.values() for found in part} == {name}

    def test_records_each_fold_as_it_ends(self, run: ActiveRun) -> None:
        """Compare `folds.jsonl` with `metrics.json`; only the former has the seconds."""
        kept = read_json(folder_of(run).metrics).get("folds", [])
        file = folder_of(run).folds
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        assert all(line.pop("fit_seconds") >= 0 for line in lines)
        assert lines == kept
        assert [line["fold"] for line in kept] == list(range(len(kept)))

    def test_validates_on_rows_that_are_not_tested_on(self, run: ActiveRun) -> None:
        predictions = run.predictions
        validated = predictions.loc[predictions["part"] == "validation", "row"]
        assert not set(validated) & set(run.split.test)

    def test_folds_in_processes_score_the_same(
        self, run: ActiveRun, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Fit the folds of one case in two processes, however little that pays."""
        # one case is enough: workers import libraries for seconds, and the way of a fold does not depend on the target
        if not run.folds or case != "multiclass":
            return
        monkeypatch.setattr(fold_runner, "MIN_SECONDS_SAVED", -1.0)
        assert_same_science(run, self.trained(case, tmp_path, "compute.slots=2"))

    def test_same_seed_same_bytes(self, run: ActiveRun, case: Case, tmp_path: Path) -> None:
        assert_same_science(run, self.trained(case, tmp_path))
