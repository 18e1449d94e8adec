"""The suite for a metric."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from runtree.contract.run import Run
from runtree.contract.types import Metric
from runtree.plugins import BUILTIN
from runtree.statistics import metrics
from runtree.testing.fixtures import PLAIN, UNEXAMINED, Case, cases_of, task_of, train, write_table
from runtree.testing.suite import TINY, Suite, folder_of, read_json, shared

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ROWS = 60


@TINY
class MetricSuite(Suite):
    """Checks that a metric prefers good predictions to bad ones and reaches `metrics.json`.

    ::

        class TestBias(MetricSuite):
            metric = "bias"
            bounds = (0, 1)
    """

    metric: ClassVar[str]
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    @classmethod
    def registered(cls) -> Metric:
        """Return the metric as it is registered for runs."""
        return metrics.catalogue(cls.make_app().plugins.contributions("register_metrics"))[cls.metric]

    @classmethod
    def owner(cls) -> str:
        """Return the name of the plugin that registers the metric."""
        contributed = cls.make_app().plugins.contributions("register_metrics")
        return next(plugin for plugin, metric in contributed if metric.name == cls.metric)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Repeat tests for each kind of target that the metric is defined for."""
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", cases_of(self.registered().tasks))

    def value(self, y_true: "Array", code: "Array", case: Case) -> float:
        """Return the metric for numbers, or for class codes, which become probabilities if the metric needs them."""
        metric = self.registered()
        if case == "regression":
            return metric.function(y_true, code)
        count = classes(case)
        y_score = code if metric.needs == "prediction" else probabilities(code, count)
        return metric.function(y_true, y_score, labels=range(count))

    def test_is_well_formed(self) -> None:
        metric = self.registered()
        assert metric.direction in ("maximize", "minimize")
        assert metric.needs in ("prediction", "probability")
        assert metric.tasks

    def test_prefers_perfect_predictions(self, case: Case) -> None:
        y_true = truth(case)
        perfect, bad = self.value(y_true, y_true, case), self.value(y_true, wrong(y_true, case), case)
        assert perfect > bad if self.registered().direction == "maximize" else perfect < bad

    def test_stays_within_its_bounds(self, case: Case) -> None:
        y_true = truth(case)
        low, high = self.bounds
        for guess in (y_true, wrong(y_true, case), y_true[::-1].copy()):
            value = self.value(y_true, guess, case)
            assert isinstance(value, float)
            assert math.isfinite(value)
            assert low <= value <= high

    def test_leaves_its_arguments_alone(self, case: Case) -> None:
        y_true, guess = truth(case), wrong(truth(case), case)
        self.value(y_true, guess, case)
        assert y_true.tolist() == truth(case).tolist()
        assert guess.tolist() == wrong(truth(case), case).tolist()

    def test_scores_a_part_without_some_class(self, case: Case) -> None:
        y_true = truth(case)
        # a small split of a rare class may lack a class; a metric that raises there would end the run
        there = y_true[y_true > 0] if case != "regression" else y_true[:2]
        value = self.value(there, there, case)
        assert isinstance(value, float)  # NaN if it is undefined, but a float

    def test_reaches_the_record(self, case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
        """One run scores every metric of the task; the suites of all metrics share it."""
        scores = read_json(folder_of(self.run_with_every_metric(case, tmp_path_factory)).metrics)
        assert {part: self.metric in values for part, values in scores.items()} == dict.fromkeys(scores, True)

    def test_ranks_runs_by_its_direction(self, case: Case) -> None:
        registered = self.registered()
        ranked = metrics.objective(
            {"metric": self.metric, "direction": "auto"}, task_of(case), {self.metric: registered}
        )
        assert ranked == (registered, registered.direction)

    @classmethod
    def run_with_every_metric(cls, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Run:
        """Return a run that scores every metric that is defined for the task of a case."""

        def make() -> Run:
            app, folder = cls.make_app(), tmp_path_factory.mktemp("run")
            contributed = list(app.plugins.contributions("register_metrics"))
            # not those of other plugins: their faults are not those of this one
            owners = {BUILTIN, cls.owner()}
            # every metric in one run: a run for each of them would take minutes
            names = [one.name for plugin, one in contributed if plugin in owners and task_of(case) in one.tasks]
            scored = f"evaluator.metrics=[{','.join(names)}]"
            words = ["algorithm=dummy", *PLAIN, *UNEXAMINED, scored, *write_table(folder, case), *cls.overrides]
            return train(*words, folder=folder, app=app)

        run: Run = shared(("metric", case, cls.owner(), tuple(cls.overrides), tuple(cls.plugins)), make)
        return run

    def test_is_refused_for_another_task(self, tmp_path: Path) -> None:
        from runtree.contract.errors import ConfigError

        for case in ("binary", "regression"):
            if task_of(case) not in self.registered().tasks:
                with pytest.raises(ConfigError, match=self.metric):
                    metrics.select_metrics([self.metric], task_of(case), {self.metric: self.registered()})


def classes(case: Case) -> int:
    """Return the number of classes of a case."""
    return 2 if case == "binary" else 3


def truth(case: Case) -> "Array":
    """Return true values: numbers from 1 to 10, or class codes."""
    import numpy as np

    generator = np.random.default_rng(0)
    if case == "regression":
        return generator.uniform(1, 10, ROWS)
    return generator.permutation(np.arange(ROWS) % classes(case))


def wrong(y_true: "Array", case: Case) -> "Array":
    """Return bad predictions: far off, or another class in every row."""
    # negative numbers are far from all true values, which lie between 1 and 10
    return y_true[::-1] * -3.0 if case == "regression" else (y_true + 1) % classes(case)


def probabilities(code: "Array", count: int) -> "Array":
    """Return high probabilities of these classes, of shape (rows,) for two classes, else (rows, classes)."""
    import numpy as np

    # 0.94 and not 1: a log loss of certain and wrong predictions is infinite, or depends on clipping
    y_proba = np.full((len(code), count), 0.06 / (count - 1))
    y_proba[np.arange(len(code)), code] = 0.94
    return y_proba[:, 1] if count == 2 else y_proba
