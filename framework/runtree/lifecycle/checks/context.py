"""What the checks look at: a run that is loaded and split, a sample of its rows, and pipelines fitted on them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual, ask
from runtree.contract.errors import first_line
from runtree.contract.run import Run
from runtree.contract.types import PARTS, Direction, Metric
from runtree.lifecycle import metrics
from runtree.lifecycle.checks.finding import Finding, failed
from runtree.lifecycle.checks.parameters import sooner
from runtree.lifecycle.checks.sample import hold_out, sample
from runtree.lifecycle.fit import make_preprocess

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    Rows = np.ndarray[Any, Any]

TRAIN, JUDGE = 2000, 1000  # rows at most that are fitted on once, and scored
AGAIN = 500  # … and that are fitted on several times


@dataclass(frozen=True)
class Context:
    """A run up to its split, and what to fit and judge with.

    Attributes
    ----------
    session
        Given a seed: seeds the generators and limits the threads for the time of a fit, as a run does.
    metric, direction
        What runs are ranked by.
    train, validation
        Positions of the sampled rows.
    """

    run: Run
    session: Callable[[int], AbstractContextManager[None]]
    metric: Metric
    direction: Direction
    train: "Rows"
    validation: "Rows"

    @property
    def classes(self) -> tuple[Any, ...]:
        """The sorted labels of a classification, none for a regression."""
        return self.run.data.classes

    @property
    def algorithm(self) -> dict[str, Any]:
        """The config of the algorithm."""
        found: dict[str, Any] = self.run.config.plain()["algorithm"]
        return found

    @property
    def parts(self) -> list[str]:
        """The parts that the evaluator scores on rows of their own."""
        return [part for part in PARTS if part != "validation" or self.run.evaluator.holds_out]

    @cached_property
    def model(self) -> "Pipeline":
        """The pipeline, fitted on the sampled train rows."""
        return self.fit(self.train)

    @cached_property
    def trouble(self) -> Finding | None:
        """What keeps the pipeline from being fitted, or None."""
        try:
            self.model  # noqa: B018
        except Exception as error:
            return told(error)
        return None

    def few(self, rows: "Rows") -> "Rows":
        """Return fewer of some rows, for what is fitted several times."""
        return sample(rows, self.run.data.target, self.classes, AGAIN, self.run.seed)

    def features(self, rows: "Rows") -> "pd.DataFrame":
        """Return the raw columns of some rows."""
        return self.run.data.features.iloc[rows]

    def target(self, rows: "Rows") -> "pd.Series[Any]":
        """Return what is true of some rows."""
        return self.run.data.target.iloc[rows]

    def prepare(self, rows: "Rows", target: "pd.Series[Any] | None" = None) -> tuple[Any, Any]:
        """Return the preprocessing fitted on some rows, and these rows as it left them."""
        preprocess = make_preprocess(self.run)
        with silent():
            return preprocess, preprocess.fit_transform(
                self.features(rows), self.target(rows) if target is None else target
            )

    def fit(self, rows: "Rows") -> "Pipeline":
        """Return a fresh pipeline fitted on some rows, as a run would."""
        from sklearn.base import clone

        return self._fitted(clone(self.run.estimator), rows, self.target(rows), self.run.seed)

    def fit_soon(self, rows: "Rows", target: "pd.Series[Any]", seed: int) -> "Pipeline":
        """Return a fresh pipeline fitted on some rows and any target of theirs, with few iterations and a seed."""
        return self._fitted(sooner(self.run.estimator, self.algorithm, seed), rows, target, seed)

    def _fitted(self, algorithm: Any, rows: "Rows", target: "pd.Series[Any]", seed: int) -> "Pipeline":
        from sklearn.pipeline import Pipeline

        with self.session(seed), silent():
            preprocess, prepared = self.prepare(rows, target)
            algorithm.fit(prepared, target.to_numpy())
        return Pipeline([("preprocess", preprocess), ("algorithm", algorithm)])

    def answers(self, model: "Pipeline", rows: "Rows") -> Answers:
        """Ask a pipeline about some rows."""
        with silent():
            prepared = model[:-1].transform(self.features(rows))
            return ask(model[-1], prepared, actual(self.target(rows), self.classes), self.classes)

    def score(self, answers: Answers) -> float:
        """Return the metric that runs are ranked by; NaN where it is not defined."""
        with silent():
            return answers.values([self.metric]).get(self.metric.name, float("nan"))

    def gain(self, value: float, level: float) -> float:
        """Return by how much a score is better than a level: above 0 where it is."""
        return value - level if self.direction == "maximize" else level - value


@contextmanager
def silent() -> Iterator[None]:
    """Keep quiet about what libraries remark: that permuted labels were not learnt well is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_context(run: Run, session: Callable[[int], AbstractContextManager[None]]) -> Context:
    """Sample the rows of a run that is split."""
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    train, validation = (
        sample(rows, run.data.target, run.data.classes, limit, run.seed)
        for rows, limit in zip(hold_out(run), (TRAIN, JUDGE), strict=True)
    )
    return Context(run, session, metric, direction, train, validation)


def told(error: Exception) -> Finding:
    """Return an error as a finding: runtree's own say what to do."""
    hints = getattr(error, "hints", ())
    advice = "; ".join(hints) or "see where: runtree --traceback train …"
    if not hints and ("NaN" in str(error) or "infinity" in str(error)):
        advice = "type: preprocess=tabular"
    kind = "" if hasattr(error, "hints") else f"{type(error).__name__}: "
    return failed(f"{kind}{first_line(error)}", advice)
