"""Areas under curves, many resamples at once: `counts` of shape (resamples, rows), how often each row is drawn.

The rows are sorted by score once; each resample is then a walk along cumulated counts. Equal scores are one step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.answers import Answers

Array = np.ndarray[Any, Any]
OfCounts = Callable[[Array], Array]


@dataclass(frozen=True)
class Ranking:
    """Rows in falling order of score, their truth (1 or 0), and where each run of equal scores begins."""

    order: Array
    truth: Array
    starts: Array

    def steps(self, counts: Array) -> tuple[Array, Array]:
        """Return how many rows of the class, and how many of the others, were drawn at each step."""
        drawn = np.take(counts, self.order, axis=1)
        of_the_class = drawn * self.truth
        others = drawn - of_the_class
        if len(self.starts) == len(self.order):
            return of_the_class, others
        return np.add.reduceat(of_the_class, self.starts, axis=1), np.add.reduceat(others, self.starts, axis=1)


def rank(truth: Array, score: Array) -> Ranking:
    """Sort rows by score."""
    order = np.argsort(-score, kind="stable")
    descending = score[order]
    starts = np.flatnonzero(np.r_[True, descending[1:] != descending[:-1]])
    return Ranking(order, truth[order].astype(np.int64), starts)


def area(ranking: Ranking, counts: Array) -> Array:
    """Return the area under the ROC curve (Mann & Whitney's U by pairs, ties half); NaN where a class was not drawn."""
    positive, negative = ranking.steps(counts)
    below = negative.sum(1, keepdims=True) - np.cumsum(negative, axis=1)
    won = np.einsum("ij,ij->i", positive, 2 * below + negative)
    return _divided(won, 2 * positive.sum(1) * negative.sum(1))


def average_precision(ranking: Ranking, counts: Array) -> Array:
    """Return the mean of precision over the steps of recall; NaN where a class was not drawn."""
    positive, negative = ranking.steps(counts)
    found = np.cumsum(positive, axis=1)
    rows = found + np.cumsum(negative, axis=1)
    summed = np.einsum("ij,ij->i", positive, found / np.maximum(rows, 1))
    return np.where(negative.sum(1) > 0, _divided(summed, positive.sum(1)), np.nan)


def _divided(part: Array, whole: Array) -> Array:
    found: Array = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def _of_classes(answers: Answers, score: Callable[[Ranking, Array], Array]) -> OfCounts:
    """Score the second of two classes, or each of more against the rest: the mean, each class with equal weight."""
    assert answers.score is not None
    codes = (1,) if len(answers.classes) == 2 else range(len(answers.classes))
    rankings = [rank(answers.y_true == code, answers.score[:, code]) for code in codes]
    return lambda counts: np.mean([score(ranking, counts) for ranking in rankings], axis=0)


def roc_auc(answers: Answers) -> OfCounts:
    """Area under the ROC curve."""
    return _of_classes(answers, area)


def pr_auc(answers: Answers) -> OfCounts:
    """Average precision."""
    return _of_classes(answers, average_precision)


SCORES: Mapping[str, Callable[[Answers], OfCounts]] = {"roc_auc": roc_auc, "pr_auc": pr_auc}
