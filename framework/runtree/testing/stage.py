"""The suite for a stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from runtree.app import App
from runtree.contract.run import Run, Stage
from runtree.contract.types import TASKS, Task
from runtree.lifecycle.stages import order_stages
from runtree.plugins import BUILTIN
from runtree.testing.fixtures import CASES, PLAIN, Case, cases_of, train, write_table
from runtree.testing.suite import TINY, Suite, folder_of, plugins_with, read_json, shared


@TINY
class StageSuite(Suite):
    """Checks that a stage has its place in the order, works in every kind of run, and changes no result.

    ::

        class TestProfile(StageSuite):
            stage = "profile"
            writes = ["profile.json"]
    """

    stage: ClassVar[str]
    tasks: ClassVar[Sequence[Task]] = TASKS
    writes: ClassVar[Sequence[str]] = ()
    algorithm: ClassVar[str] = "dummy"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Repeat tests for each kind of target."""
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", [case for case in CASES if case in cases_of(self.tasks)], scope="class")

    @classmethod
    def registered(cls) -> tuple[str, Stage]:
        """Return the name of the plugin that registers the stage, and the stage."""
        stages = cls.make_app().plugins.contributions("register_stages")
        return next(pair for pair in stages if pair[1].name == cls.stage)

    @classmethod
    def run_overrides(cls, case: Case, folder: Path) -> list[str]:
        """Return the overrides of the suite's runs."""
        return [*write_table(folder, case), f"algorithm={cls.algorithm}", *PLAIN, "++evaluator.report=false"]

    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Run:
        """Return a run with the stage; the suites of several stages of one plugin share it."""
        key = ("stage", case, cls.algorithm, tuple(cls.overrides), tuple(cls.plugins))

        def make() -> Run:
            folder = tmp_path_factory.mktemp("run")
            return train(*cls.run_overrides(case, folder), *cls.overrides, folder=folder, app=cls.make_app())

        run: Run = shared(key, make)
        return run

    def test_stands_where_it_asked_to(self) -> None:
        _, stage = self.registered()
        names = [stage.name for stage in order_stages(list(self.make_app().plugins.contributions("register_stages")))]
        # not right beside it: another plugin's stage may name the same neighbour
        assert stage.after is None or names.index(stage.after) < names.index(stage.name)
        assert stage.before is None or names.index(stage.name) < names.index(stage.before)

    def test_runs_in_a_run_that_completes(self, run: Run) -> None:
        record = read_json(folder_of(run).record)
        assert record["state"] == "completed"
        assert record["stages"][self.stage] >= 0

    def test_writes_its_files(self, run: Run) -> None:
        missing = [name for name in self.writes if not (run.folder / name).is_file()]
        assert missing == []

    def test_its_files_are_in_the_manifest(self, run: Run) -> None:
        known = read_json(folder_of(run).manifest)
        assert [name for name in self.writes if name not in known] == [], "it wrote after the stage had ended"

    def test_changes_no_result(self, run: Run, case: Case, tmp_path: Path) -> None:
        """Compare with a run without the plugin."""
        owner, _ = self.registered()
        if owner == BUILTIN:
            pytest.skip("a built-in stage cannot be left out")
        # the plugin may be registered by hand or installed, so it is both left out and blocked
        extra = tuple(plugin for plugin in self.plugins if plugin[0] != owner)
        app = App(plugins_with(extra, (owner,)))
        without = train(*self.run_overrides(case, tmp_path), folder=tmp_path, app=app)
        # bytes and not metrics alone: a stage that draws from a global generator changes the predictions after it
        assert folder_of(run).predictions.read_bytes() == folder_of(without).predictions.read_bytes()
        for part, values in without.metrics.items():  # the plugin may add its own metrics
            assert {name: run.metrics[part][name] for name in values} == values
