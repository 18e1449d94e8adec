"""What is examined: a scored run, what it answered on each part, and the metric it is ranked by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, read_answers
from runtree.contract.run import Run
from runtree.contract.types import Direction, Metric
from runtree.lifecycle import metrics
from runtree.lifecycle.examination.options import ExaminationOptions, examination_options

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Subject:
    """A run that is fitted, scored and saved.

    Attributes
    ----------
    metrics
        Those that the run is scored by, the one that runs are ranked by among them.
    metric, direction
        What runs are ranked by.
    found
        What was answered so far, by the examination's name.
    """

    run: Run
    options: ExaminationOptions
    metrics: Sequence[Metric]
    metric: Metric
    direction: Direction
    found: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def answers(self) -> Mapping[str, Answers]:
        """What the model answered, by part; where the evaluator has folds, on validation what each fold's model did."""
        classes = self.run.data.classes
        return {str(part): read_answers(own, classes) for part, own in self.run.predictions.groupby("part", sort=False)}

    @cached_property
    def rows(self) -> "Mapping[str, Rows]":
        """Positions in the table of the rows that `answers` are about, by part."""
        return {str(part): own["row"].to_numpy() for part, own in self.run.predictions.groupby("part", sort=False)}

    def groups(self, part: str) -> "Rows | None":
        """Return what the rows of a part belong to, where the table was split by it: such rows are alike."""
        if self.run.data.groups is None or self.run.facts.get("split") != "group":
            return None
        found: Rows = self.run.data.groups.iloc[self.rows[part]].to_numpy()
        return found

    def gain(self, value: float, level: float) -> float:
        """Return by how much a score is better than a level: above 0 where it is."""
        return value - level if self.direction == "maximize" else level - value


def make_subject(run: Run) -> Subject:
    """Return what there is to examine."""
    wanted = metrics.choose(run.config.plain()["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue)
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    chosen = wanted if metric in wanted else [*wanted, metric]
    return Subject(run, examination_options(run.config.plain()["evaluator"]), chosen, metric, direction)
