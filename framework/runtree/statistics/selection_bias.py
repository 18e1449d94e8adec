"""By how much the best of many configurations looks better than it is: it is best by luck too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.types import Direction

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Optimism:
    """The winner of a selection.

    Attributes
    ----------
    best
        Its position among the configurations.
    value
        Its score as found, the one it was chosen by.
    corrected
        What to expect of it on new rows.
    low, high
        Confidence limits of `corrected`; NaN where the method gives none.
    """

    best: int
    value: float
    corrected: float
    low: float = np.nan
    high: float = np.nan

    @property
    def bias(self) -> float:
        """By how much the score found is off."""
        return abs(self.value - self.corrected)


def tibshirani(fold_scores: Sequence[Sequence[float]], direction: Direction) -> Optimism:
    """Correct the winner of a cross-validation by how much better the best of each single fold is than it, there.

    Tibshirani & Tibshirani 2009, doi:10.1214/08-AOAS224. It needs fold scores alone, and corrects a little too much
    where configurations are much alike.

    Parameters
    ----------
    fold_scores
        Of shape (configurations, folds), of the same folds.
    """
    sign = 1.0 if direction == "minimize" else -1.0
    errors = sign * np.asarray(fold_scores, dtype=float)
    best = int(errors.mean(1).argmin())
    bias = float((errors[best] - errors.min(0)).mean())
    value = float(errors[best].mean())
    return Optimism(best, sign * value, sign * (value + bias))
