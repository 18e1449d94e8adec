"""Selection bias: how much better the best of many configurations looks than it is, because luck took part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtree.contract.types import Direction


@dataclass(frozen=True)
class Optimism:
    """The winner of a selection.

    Attributes
    ----------
    best
        Its position among the configurations.
    value
        The score by which it was selected.
    corrected
        The score to expect on new rows.
    """

    best: int
    value: float
    corrected: float

    @property
    def bias(self) -> float:
        return abs(self.value - self.corrected)


def tibshirani(fold_scores: Sequence[Sequence[float]], direction: Direction) -> Optimism:
    """Correct the winner of a cross-validation by how much the best configuration of each fold beats it there.

    Tibshirani & Tibshirani 2009, doi:10.1214/08-AOAS224. It needs only the fold scores, and corrects somewhat too much
    where the configurations are much alike.

    Parameters
    ----------
    fold_scores
        Of shape (configurations, folds), on the same folds.
    """
    # the formula is stated for errors, so scores to maximize change their sign and get it back
    sign = 1.0 if direction == "minimize" else -1.0
    errors = sign * np.asarray(fold_scores, dtype=float)
    best = int(errors.mean(1).argmin())
    bias = float((errors[best] - errors.min(0)).mean())
    value = float(errors[best].mean())
    return Optimism(best, sign * value, sign * (value + bias))
