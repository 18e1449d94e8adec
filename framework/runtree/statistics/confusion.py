"""Metrics of confusion matrices, many at once: `counts` of shape (resamples, classes, classes), true by predicted.

Each equals the built-in metric of its name, scikit-learn's: for two classes of the second one, for more macro averages.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def accuracy(counts: Array) -> Array:
    """Share of rows on the diagonal."""
    return _share(_hits(counts).sum(1), counts.sum((1, 2)), np.nan)


def balanced_accuracy(counts: Array) -> Array:
    """Mean of the recalls of the classes that are there."""
    there = counts.sum(2) > 0
    recalls = _share(_hits(counts), counts.sum(2), 0.0)
    return _share(recalls.sum(1), there.sum(1), np.nan)


def precision(counts: Array) -> Array:
    """TP / (TP + FP), 0 where nothing is predicted."""
    return _average(_share(_hits(counts), counts.sum(1), 0.0))


def recall(counts: Array) -> Array:
    """TP / (TP + FN), 0 where there is none to find."""
    return _average(_share(_hits(counts), counts.sum(2), 0.0))


def f1(counts: Array) -> Array:
    """2 TP / (2 TP + FP + FN), 0 where there is neither."""
    return _average(_share(2 * _hits(counts), counts.sum(1) + counts.sum(2), 0.0))


def mcc(counts: Array) -> Array:
    """Matthews' correlation of k classes (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006), else 0."""
    counts = counts.astype(float)
    rows, true, predicted = counts.sum((1, 2)), counts.sum(2), counts.sum(1)
    together = _hits(counts).sum(1) * rows - (true * predicted).sum(1)
    spread = (rows**2 - (true**2).sum(1)) * (rows**2 - (predicted**2).sum(1))
    return _share(together, np.sqrt(spread), 0.0)


SCORES: Mapping[str, Callable[[Array], Array]] = {
    score.__name__: score for score in (accuracy, balanced_accuracy, precision, recall, f1, mcc)
}


def _hits(counts: Array) -> Array:
    found: Array = np.diagonal(counts, axis1=1, axis2=2)
    return found


def _average(by_class: Array) -> Array:
    found: Array = by_class[:, 1] if by_class.shape[1] == 2 else by_class.mean(1)
    return found


def _share(part: Array, whole: Array, otherwise: float) -> Array:
    found: Array = np.divide(part, whole, out=np.full(part.shape, otherwise), where=whole > 0)
    return found
