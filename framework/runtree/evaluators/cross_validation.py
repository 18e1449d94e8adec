"""Score by folds: every row that is not tested on is validated on once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtree.contract.answers import Answers
from runtree.contract.errors import ConfigError, DataError
from runtree.contract.run import Run
from runtree.contract.types import Evaluation, Metric
from runtree.evaluators.scoring import answer, answer_part, frames

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]
    Table = tuple[Answers, Rows, str]


@dataclass(frozen=True)
class CrossValidation:
    """Fits a fresh copy of the run's pipeline on all folds but one and scores it on that one, for each fold in turn.

    The validation metrics are the means over folds; the model that is kept and tested was fitted on all folds together.

    Parameters
    ----------
    folds
        How many; at least 2.
    repeats
        How often to part the rows anew, with seeds seed, seed + 1, …; rows of groups are never parted, nor are
        times shuffled, so for these one repeat is all there is.
    """

    folds: int = 5
    repeats: int = 1
    holds_out: ClassVar[bool] = False
    reports: ClassVar[bool] = True

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's pipeline by folds, and the run's model on the test part."""
        self._check(run)
        whole = {part: answer_part(run, part) for part in run.parts if part != "validation"}
        values: dict[str, Mapping[str, float]] = {part: found.values(metrics) for part, found in whole.items()}
        tables: list[Table] = [(found, run.split.rows(part), part) for part, found in whole.items()]
        scores: list[dict[str, float]] = []
        if "validation" in run.parts:
            scores, validated = self._folds(run, metrics)
            values["validation"], tables = means(scores), [*validated, *tables]
        return Evaluation({part: values[part] for part in run.parts}, lambda: frames(tables), tuple(scores))

    def _folds(self, run: Run, metrics: Sequence[Metric]) -> "tuple[list[dict[str, float]], list[Table]]":
        """Score fold by fold; each is a step that a tuner may give the run up at."""
        reporting = not run.plan.steps  # an algorithm that iterates has counted steps of its own
        scores: list[dict[str, float]] = []
        tables: list[Table] = []
        for number, (train, held_out) in enumerate(self._parts(run)):
            found = fit_and_answer(run, train, held_out)
            scores.append({"fold": number, **found.values(metrics)})
            tables.append((found, held_out, "validation"))
            if reporting:
                run.report(number + 1, **{f"validation_{name}": value for name, value in means(scores).items()})
        return scores, tables

    def _check(self, run: Run) -> None:
        if self.folds < 2 or self.repeats < 1:
            raise ConfigError(f"evaluator: {self.folds} folds, {self.repeats} repeats: at least 2 and 1 are needed")
        rows = run.split.train
        if run.data.classes and run.facts.get("split") == "stratified":
            smallest = int(run.data.target.iloc[rows].value_counts().min())
            if smallest < self.folds:
                raise DataError(
                    f"evaluator.folds: {self.folds} folds, and the smallest class has {smallest} rows to share out",
                    f"type: evaluator.folds={max(smallest, 2)}, or data.split=random",
                )

    def _parts(self, run: Run) -> "Iterator[tuple[Rows, Rows]]":
        rows = run.split.train
        strategy = run.facts.get("split", "random")
        groups = run.data.groups.iloc[rows] if run.data.groups is not None and strategy == "group" else None
        if strategy == "time" and run.data.times is not None:
            rows = rows[run.data.times.iloc[rows].argsort(kind="stable").to_numpy()]
        target = run.data.target.iloc[rows]
        for repeat in range(1 if strategy in ("group", "time") else self.repeats):
            for train, held_out in splitter(strategy, self.folds, run.seed + repeat).split(rows, target, groups):
                yield rows[train], rows[held_out]


def splitter(strategy: str, folds: int, seed: int) -> Any:
    """Return scikit-learn's splitter of folds for a way of splitting."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

    if strategy == "group":
        return GroupKFold(folds)
    if strategy == "time":
        return TimeSeriesSplit(folds)
    kind = StratifiedKFold if strategy == "stratified" else KFold
    return kind(folds, shuffle=True, random_state=seed)


def fit_and_answer(run: Run, train: "Rows", held_out: "Rows") -> Answers:
    """Fit a copy of the run's pipeline on some rows and ask it about others."""
    from sklearn.base import clone

    features, target = run.data.features, run.data.target
    refit = run.refit or (lambda rows, truth: clone(run.model).fit(rows, truth))
    model = refit(features.iloc[train], target.iloc[train].to_numpy())
    return answer(model, features.iloc[held_out], target.iloc[held_out], run.data.classes)


def means(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over the folds."""
    names = [name for name in scores[0] if name != "fold"]
    return {name: sum(score[name] for score in scores) / len(scores) for name in names}
