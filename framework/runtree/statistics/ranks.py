"""Areas under curves, many resamples at once: `counts` of shape (resamples, rows), how often each row is drawn.

The rows are sorted by score once; each resample is then a walk along cumulated counts. Equal scores are one step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions

Array = np.ndarray[Any, Any]
OfCounts = Callable[[Array], Array]


@dataclass(frozen=True)
class Ranking:
    """Rows in falling order of score, in steps: one for each score that occurs.

    Attributes
    ----------
    order
        Of shape (rows,): positions of the rows.
    starts
        Where each step begins in that order.
    truth
        Of shape (rows,), in that order: 1 for a row of the class, 0 for another.
    telling
        The steps that hold rows of the class: at others no curve rises.
    """

    order: Array
    starts: Array
    truth: Array
    telling: Array

    def walk(self, counts: Array) -> "Walk":
        """Walk along the steps with each resample."""
        drawn = np.take(counts, self.order, axis=1)
        if len(self.starts) == len(self.order):
            rows, hits = drawn, np.take(drawn, self.telling, axis=1)
        else:
            rows = np.add.reduceat(drawn, self.starts, axis=1)
            hits = np.take(np.add.reduceat(drawn * self.truth, self.starts, axis=1), self.telling, axis=1)
        so_far = np.cumsum(rows, axis=1)
        here, passed = np.take(rows, self.telling, axis=1), np.take(so_far, self.telling, axis=1)
        return Walk(hits, np.cumsum(hits, axis=1), here, passed, so_far[:, -1])


@dataclass(frozen=True)
class Walk:
    """Rows drawn at each telling step, and up to it, of shape (resamples, steps): of the class, and in all."""

    hits: Array
    found: Array
    here: Array
    passed: Array
    rows: Array

    def area(self) -> Array:
        """Return the area under the ROC curve (Mann & Whitney's U, ties half); NaN where a class was not drawn."""
        if not self.hits.shape[1]:
            return np.full(len(self.hits), np.nan)
        positive = self.found[:, -1]
        negative = self.rows - positive
        below = negative[:, None] - (self.passed - self.found)
        won = np.einsum("ij,ij->i", self.hits, 2 * below + (self.here - self.hits))
        return _divided(won, 2 * positive * negative)

    def average_precision(self) -> Array:
        """Return the mean of precision over the steps of recall; NaN where a class was not drawn."""
        if not self.hits.shape[1]:
            return np.full(len(self.hits), np.nan)
        summed = np.einsum("ij,ij->i", self.hits, self.found / np.maximum(self.passed, 1))
        positive = self.found[:, -1]
        return np.where(self.rows > positive, _divided(summed, positive), np.nan)


def rank(truth: Array, score: Array) -> Ranking:
    """Sort rows by score."""
    order = np.argsort(-score, kind="stable")
    descending, truth = score[order], truth[order].astype(np.int64)
    starts = np.flatnonzero(np.r_[True, descending[1:] != descending[:-1]])
    return Ranking(order, starts, truth, np.flatnonzero(np.add.reduceat(truth, starts)))


def _divided(part: Array, whole: Array) -> Array:
    found: Array = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def _of_classes(answers: Predictions, score: Callable[[Walk], Array]) -> OfCounts:
    """Score the second of two classes, or each of more against the rest: the mean, each class with equal weight."""
    assert answers.score is not None
    codes = (1,) if len(answers.classes) == 2 else range(len(answers.classes))
    rankings = [rank(answers.y_true == code, answers.score[:, code]) for code in codes]
    return lambda counts: np.mean([score(ranking.walk(counts)) for ranking in rankings], axis=0)


def roc_auc(answers: Predictions) -> OfCounts:
    """Area under the ROC curve."""
    return _of_classes(answers, Walk.area)


def pr_auc(answers: Predictions) -> OfCounts:
    """Average precision."""
    return _of_classes(answers, Walk.average_precision)


SCORES: Mapping[str, Callable[[Predictions], OfCounts]] = {"roc_auc": roc_auc, "pr_auc": pr_auc}
