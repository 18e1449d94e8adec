"""Score by folds: every row that is not tested on is validated on once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from runtree.contract.folds import FoldResult
from runtree.contract.predictions import Predictions
from runtree.contract.run import Run
from runtree.contract.types import Evaluation, Metric
from runtree.evaluators.holdout import predict_split, predictions_table
from runtree.evaluators.splitting import Splitting

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CrossValidation:
    """Fits a fresh copy of the run's pipeline on all folds but one and scores it on that one, for each fold in turn.

    The validation metrics are the means over folds; the model that is kept and tested was fitted on all folds together.

    Parameters
    ----------
    kind
        random, stratified, group, stratified_group, leave_one_group_out, time; "auto": as the test part was split off.
    folds
        How many; at least 2. `leave_one_group_out` has one for each group.
    repeats
        How often to part the rows anew.
    gap, max_train_size
        Of folds in time: rows left out before each fold, and how many rows before that are learnt from at most.
    """

    kind: str = "auto"
    folds: int = 5
    repeats: int = 1
    gap: int = 0
    max_train_size: int | None = None
    holds_out: ClassVar[bool] = False
    reports: ClassVar[bool] = True

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's pipeline by folds, and the run's model on the other parts."""
        splitting = Splitting(self.kind, self.folds, self.repeats, self.gap, self.max_train_size)
        tally = Tally(run, metrics)
        if "validation" in run.scored_splits:
            tally.take_all(run.fit_folds(splitting.parts(run, run.split.train)))
        return tally.evaluation()


@dataclass
class Tally:
    """What the folds of a run came to so far; each is a step that a tuner may give the run up at.

    `start` counts steps that were reported before.
    """

    run: Run
    metrics: Sequence[Metric]
    start: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)
    tables: "list[tuple[Predictions, Rows, str]]" = field(default_factory=list)

    def take_all(self, found: Iterable[FoldResult]) -> None:
        """Take every fold as it comes."""
        for answered in found:
            self.take(answered)

    def take(self, found: FoldResult) -> None:
        """Score a fold, record it and report the means so far."""
        scores = found.answers.values(self.metrics)
        self.scores.append(scores)
        self.lines.append(self.run.record_fold(found, scores))
        self.tables.append((found.answers, found.fold.held_out, "validation"))
        if not self.run.iterates:  # an algorithm that iterates has counted steps of its own
            told = {f"validation_{name}": value for name, value in means(self.scores).items()}
            self.run.report(self.start + len(self.scores), **told)

    def evaluation(self, **details: Any) -> Evaluation:
        """Return the means over folds, and the scores of the run's model on the other parts."""
        whole = {part: predict_split(self.run, part) for part in self.run.scored_splits if part != "validation"}
        values: dict[str, Mapping[str, float]] = {part: found.values(self.metrics) for part, found in whole.items()}
        tables = [*self.tables, *((found, self.run.split.rows(part), part) for part, found in whole.items())]
        if self.scores:
            values["validation"] = means(self.scores)
        parts: dict[str, Mapping[str, float]] = {part: values[part] for part in self.run.scored_splits}
        return Evaluation(parts, lambda: predictions_table(tables), tuple(self.lines), details)


def means(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over the folds."""
    return {name: sum(score[name] for score in scores) / len(scores) for name in scores[0]}
