"""Score by cross-validation: each row outside the test split is predicted once per repeat."""

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
    """Fits a clone of the run's pipeline on all folds but one and scores it on that one, for each fold in turn.

    The validation metrics are means over folds. The model that is saved and tested is fitted on all folds.

    Parameters
    ----------
    kind
        random, stratified, group, stratified_group, leave_one_group_out, time, predefined; "auto": like the test split.
    folds
        The number of folds, at least 2; `leave_one_group_out` has one for each group.
    repeats
        The number of times that the rows are split into folds.
    gap, max_train_size
        For folds in time: rows, or a duration, left out before each fold (None: `data.gap`), and the maximum number of
        train rows before the gap.
    """

    kind: str = "auto"
    folds: int = 5
    repeats: int = 1
    gap: int | str | None = None
    max_train_size: int | None = None
    holds_out: ClassVar[bool] = False
    reports: ClassVar[bool] = True

    @property
    def splitting(self) -> Splitting:
        """The way the rows are split into folds."""
        return Splitting(self.kind, self.folds, self.repeats, self.gap, self.max_train_size)

    def check(self, run: Run) -> None:
        """Refuse folds that the rows do not allow, before anything is fitted."""
        next(self.splitting.parts(run, run.split.train))

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Score clones of the pipeline on the folds, and the run's model on the other splits."""
        scores = FoldScores(run, metrics)
        if "validation" in run.scored_splits:
            # folds of the train split only: the test split takes no part in any decision
            scores.add_all(run.fit_folds(self.splitting.parts(run, run.split.train)))
        return scores.evaluation()


@dataclass
class FoldScores:
    """The scores of the folds so far. Each fold is reported as a step, at which a tuner may prune the run.

    `start` is the number of steps reported before.
    """

    run: Run
    metrics: Sequence[Metric]
    start: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)
    tables: "list[tuple[Predictions, Rows, str]]" = field(default_factory=list)

    def add_all(self, results: Iterable[FoldResult]) -> None:
        """Add each fold as soon as its result is there."""
        for result in results:
            self.add(result)

    def add(self, result: FoldResult) -> None:
        """Score a fold, record it, and report the means so far."""
        scores = result.predictions.values(self.metrics)
        self.scores.append(scores)
        self.lines.append(self.run.record_fold(result, scores))
        self.tables.append((result.predictions, result.fold.held_out, "validation"))
        if not self.run.iterates:  # else the iterations are the steps, and two counts would mix
            values = {f"validation_{name}": value for name, value in means(self.scores).items()}
            self.run.report(self.start + len(self.scores), **values)

    def evaluation(self, **details: Any) -> Evaluation:
        """Return the means over folds, and the scores of the run's model on the other splits."""
        # validation is left out: the run's own model was fitted on those rows, so only the folds can score them
        splits = {split: predict_split(self.run, split) for split in self.run.scored_splits if split != "validation"}
        values: dict[str, Mapping[str, float]] = {
            split: predictions.values(self.metrics) for split, predictions in splits.items()
        }
        model_tables = [(predictions, self.run.split.rows(split), split) for split, predictions in splits.items()]
        tables = [*self.tables, *model_tables]
        if self.scores:
            values["validation"] = means(self.scores)
        # in the order in which the splits were requested, which is that of metrics.json
        metrics: dict[str, Mapping[str, float]] = {split: values[split] for split in self.run.scored_splits}
        return Evaluation(metrics, lambda: predictions_table(tables), tuple(self.lines), details)


def means(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over the folds."""
    return {name: sum(score[name] for score in scores) / len(scores) for name in scores[0]}
