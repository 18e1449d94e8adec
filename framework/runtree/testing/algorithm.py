"""The suite for an option of the group `algorithm`."""

import inspect
import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from threadpoolctl import threadpool_limits

from runtree.config.build import build_algorithm
from runtree.config.calls import NOT_ARGUMENTS
from runtree.config.catalogue import differs_by_task, flatten, for_task
from runtree.contract.errors import ConfigError, Pruned
from runtree.contract.run import Run
from runtree.contract.types import TASKS, Task
from runtree.lifecycle.predict import load_predictor
from runtree.lifecycle.replay import check_saved_model
from runtree.testing.fixtures import PLAIN, UNEXAMINED, Case, cases_of, compose, numbers, task_of, train, write_table
from runtree.testing.space import changes
from runtree.testing.suite import TINY, Suite, assert_same_science, folder_of, read_json, shared
from runtree.training.active_run import ActiveRun


@TINY
class AlgorithmSuite(Suite):
    """Checks that an algorithm can be configured, trained, repeated, saved and tuned.

    Subclass it and name the option; `overrides` may make the model small::

        class TestLightgbm(AlgorithmSuite):
            option = "lightgbm"
            overrides = ["algorithm.n_estimators=10"]

    Attributes
    ----------
    fails_checks
        Those of scikit-learn's checks of an estimator that cannot hold, by name, each with its reason.
    checked_elsewhere
        Where these checks are run instead, if not here.
    """

    option: ClassVar[str]
    fails_checks: ClassVar[Mapping[str, str]] = {}
    checked_elsewhere: ClassVar[str] = ""

    @classmethod
    def tasks(cls) -> tuple[Task, ...]:
        """Return the tasks that the option supports."""

        # from the config and not from a built object: a target that differs by task is a class for each of them
        def target() -> Any:
            return cls.make_app().catalogue.node("algorithm", cls.option)["_target_"]

        # once, since each test that is collected asks for it
        found = shared(("target", cls.option, tuple(cls.plugins)), target)
        return tuple(task for task in TASKS if not differs_by_task(found) or task in found)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Repeat tests for each task and each kind of target that the option supports."""
        tasks = self.tasks()
        # at collection and not in a loop within the test, so that each task fails on its own; by class, so that a run
        # is trained once for all tests of a case
        if "task" in metafunc.fixturenames:
            metafunc.parametrize("task", tasks, scope="class")
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", cases_of(tasks), scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def node(cls) -> dict[str, Any]:
        """Return the composed config node of the algorithm."""
        config = compose(f"algorithm={cls.option}", *PLAIN, *cls.overrides, app=cls.make_app()).config
        node: dict[str, Any] = config["algorithm"]
        return node

    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Run:
        """Return a run on a tiny table, trained once for several tests."""
        return cls.trained(case, tmp_path_factory.mktemp("run"))

    @classmethod
    def trained(cls, case: Case, folder: Path) -> Run:
        """Train on a tiny table."""
        # without the replay, which would fail the run and so all tests that use it: it is a test of its own
        with patch("runtree.lifecycle.save.check_saved_model"):
            return train(
                *(f"algorithm={cls.option}", *PLAIN, *UNEXAMINED, *write_table(folder, case), *cls.overrides),
                folder=folder,
                app=cls.make_app(),
            )

    def built(self, node: dict[str, Any], task: str) -> Any:
        """Build the unfitted algorithm."""
        return build_algorithm(node, task, self.make_app().allow_list(self.overrides))

    def test_config_is_named_like_the_option(self, node: dict[str, Any]) -> None:
        assert node["name"] == self.option

    def test_target_accepts_every_key(self, node: dict[str, Any], task: Task) -> None:
        algorithm = self.built(node, task)
        assert callable(algorithm.fit)
        assert callable(algorithm.predict)

    def test_constructor_stores_what_it_is_given(self, node: dict[str, Any], task: Task) -> None:
        algorithm = self.built(node, task)
        parameters = algorithm.get_params(deep=False)
        for key, value in for_task(node, task, "algorithm").items():
            # lists and mappings are left out: a constructor may get them as objects that the config builds
            if key not in NOT_ARGUMENTS and not isinstance(value, (dict, list)) and key in parameters:
                assert parameters[key] == value, f"algorithm.{key} is not stored unchanged"

    def test_constructor_changes_nothing(self, node: dict[str, Any], task: Task) -> None:
        algorithm = self.built(node, task)
        # objects that are equal to nothing else: a constructor that validates, converts or copies shows, and
        # scikit-learn's `clone` would fail on it
        given = {name: object() for name in algorithm.get_params(deep=False)}
        stored = type(algorithm)(**given).get_params(deep=False)
        assert [name for name in given if stored[name] is not given[name]] == []

    def test_clone_is_equal(self, node: dict[str, Any], task: Task) -> None:
        from sklearn.base import clone

        algorithm = self.built(node, task)
        # by repr, since parameters such as NaN or arrays do not compare as equal to themselves
        assert repr(clone(algorithm).get_params()) == repr(algorithm.get_params())

    def test_fit_returns_self_and_keeps_parameters_and_rows(self, node: dict[str, Any], case: Case) -> None:
        features, target = numbers(case)
        algorithm = self.built(node, task_of(case))
        before = repr(algorithm.get_params())
        # one thread, as in a run of the suites: many threads on 60 rows take longer than the fit
        with threadpool_limits(1):
            assert algorithm.fit(features, target) is algorithm
        assert repr(algorithm.get_params()) == before
        # against a new table, as a fit that changes its rows in place would change a reference, too
        assert (features.tolist(), target.tolist()) == tuple(part.tolist() for part in numbers(case))
        assert len(algorithm.predict(features)) == len(features)

    def test_trains(self, run: Run) -> None:
        record = read_json(folder_of(run).record)
        assert record["state"] == "completed"
        assert record["objective"]["value"] is not None

    def test_predicts_known_values(self, run: Run, case: Case) -> None:
        predicted = run.predictions["y_pred"]
        assert predicted.notna().all()
        if case != "regression":
            assert set(predicted) <= set(run.data.classes)

    def test_probabilities_sum_to_one(self, run: Run, case: Case) -> None:
        y_proba = run.predictions.filter(regex="^p_")
        if y_proba.shape[1]:
            assert y_proba.to_numpy().min() >= 0
            assert y_proba.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
            assert list(y_proba.columns) == [f"p_{label}" for label in run.data.classes]

    def test_same_seed_same_bytes(self, run: Run, case: Case, tmp_path: Path) -> None:
        # a second run in this process: global state that the first one leaves behind shows as well
        assert_same_science(run, self.trained(case, tmp_path))

    def test_saved_model_is_the_fitted_one_in_a_fresh_state(self, run: ActiveRun) -> None:
        # as at the end of each run, which fails if this does: with other random numbers, and modules imported anew
        check_saved_model(run, folder_of(run).model)

    def test_saved_model_predicts_the_same(self, run: Run) -> None:
        plugins = self.make_app().plugins
        # with the trusted types of the plugin itself: a model that a user could load only with --trust does not pass
        predictor = load_predictor(folder_of(run), plugins, plugins.trusted_types())
        # the same batches as in the run: the last bits of a prediction may depend on the rows beside it
        for split, expected in run.predictions.groupby("part"):
            predictions = predictor.predict(run.data.features.iloc[expected["row"]])
            assert predictions["prediction"].tolist() == expected["y_pred"].tolist(), split
            for column in predictions.columns.drop("prediction"):
                assert predictions[column].tolist() == expected[column].tolist(), split

    def test_reports_each_iteration_once(self, node: dict[str, Any], run: Run, case: Case) -> None:
        if "report" in inspect.signature(self.built(node, task_of(case)).fit).parameters:
            steps = [json.loads(line)["step"] for line in folder_of(run).history.read_text().splitlines()]
            assert steps
            assert steps == sorted(set(steps))

    def test_ends_when_a_report_says_so(self, node: dict[str, Any], case: Case) -> None:
        features, target = numbers(case)
        for raises in (True, False):
            algorithm = self.built(node, task_of(case))
            if "report" not in inspect.signature(algorithm.fit).parameters:
                return
            report = Ending(raises)
            # a library between the two may wrap or swallow what is raised: the run is pruned all the same, but the fit
            # has to end
            with suppress(Pruned, Exception), threadpool_limits(1):
                algorithm.fit(features, target, report=report)
            assert report.calls <= 3, "it went on after the report had ended the fit"

    def test_predicts_nothing_before_it_is_fitted(self, node: dict[str, Any], case: Case) -> None:
        from sklearn.exceptions import NotFittedError
        from sklearn.utils import get_tags

        algorithm = self.built(node, task_of(case))
        if get_tags(algorithm).requires_fit:
            with pytest.raises(NotFittedError):
                algorithm.predict(numbers(case)[0])

    def test_passes_scikit_learns_checks(self, node: dict[str, Any], task: Task) -> None:
        from sklearn.base import BaseEstimator, clone
        from sklearn.utils.estimator_checks import check_estimator

        algorithm = self.built(node, task)
        root = type(algorithm).__module__.partition(".")[0]
        # those of scikit-learn and of runtree are checked by their own tests
        if root in ("sklearn", "runtree") or self.checked_elsewhere or not isinstance(algorithm, BaseEstimator):
            return
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")  # of tables that no estimator converges on
            expected = dict(self.fails_checks)
            results = check_estimator(clone(algorithm), expected_failed_checks=expected, on_skip=None, on_fail=None)
        failed = [f"{one['check_name']}: {one['exception']}" for one in results if one["status"] == "failed"]
        assert failed == []

    def test_space_names_keys_that_exist(self, node: dict[str, Any]) -> None:
        keys = {*node, *flatten(node)}
        assert [key for key in node.get("space") or () if key not in keys] == []

    def test_space_ends_are_accepted(self, node: dict[str, Any], task: Task) -> None:
        for change in changes(node, task):
            assert self.built(change, task) is not None, f"{change} builds nothing"

    def test_refuses_a_task_that_it_does_not_serve(self, node: dict[str, Any]) -> None:
        for task in set(TASKS) - set(self.tasks()):
            with pytest.raises(ConfigError, match="supports") as refused:
                self.built(node, task)
            assert task in str(refused.value)


class Ending:
    """A report that ends the fit at its second call: by an exception, as where a run is pruned, or by its answer."""

    start: Path | None = None
    best: Any = None

    def __init__(self, raises: bool) -> None:
        self.raises, self.calls = raises, 0

    def due(self, step: int) -> bool:
        """Return True: each iteration is reported."""
        return True

    def __call__(self, step: int, **more: Any) -> bool:
        """Take an iteration; return whether it is the last."""
        self.calls += 1
        if self.raises and self.calls == 2:
            raise Pruned(step)
        return self.calls > 1
