"""Metrics of classes and chances, as scikit-learn computes them to the last digit, without its checks.

A run scores two parts by ten metrics, a sweep does so for each run: scikit-learn's checks of what it is given take
twenty times as long as the sums. Here codes of classes (0 … classes-1, of integer type) and finite chances are given.
Formulas and the order of their sums are those of `sklearn.metrics`: the tests ask for equality, not for closeness.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from runtree.statistics import confusion

Array = np.ndarray[Any, Any]


def of_cells(name: str, y_true: Array, y_pred: Array, classes: int) -> float:
    """Return a metric of the confusion matrix: precision, recall, f1, mcc, …"""
    cells = np.bincount(y_true * classes + y_pred, minlength=classes**2)
    return float(confusion.SCORES[name](cells.reshape(1, classes, classes))[0])


def roc_auc(truth: Array, score: Array) -> float:
    """Return the area under the ROC curve by the trapezoid rule (`roc_auc_score`); `truth` is boolean, both occur."""
    passed, found = _steps(truth, score)
    if len(passed) > 2:  # points on a straight line add nothing but rounding
        corner = np.r_[True, (np.diff(passed, 2) != 0) | (np.diff(found, 2) != 0), True]
        passed, found = passed[corner], found[corner]
    passed, found = np.r_[0.0, passed], np.r_[0.0, found]
    return float(np.trapezoid(found / found[-1], passed / passed[-1]))


def average_precision(truth: Array, score: Array) -> float:
    """Return the mean of precision over the steps of recall (`average_precision_score`)."""
    passed, found = _steps(truth, score)
    precision, recall = found / (found + passed), found / found[-1]
    falling = np.r_[recall[::-1], 0.0]
    return float(max(0.0, -np.sum(np.diff(falling) * precision[::-1])))


def _steps(truth: Array, score: Array) -> tuple[Array, Array]:
    """Return how many rows of other classes and of this one have at least each score that occurs, highest first."""
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
    found = np.cumsum(truth[order].astype(float))[last]
    return 1 + last.astype(float) - found, found


def each_class(area: Callable[[Array, Array], float], y_true: Array, score: Array) -> float:
    """Return the mean over classes of an area, each against the rest; `score` is of shape (rows, classes)."""
    return float(np.mean([area(y_true == code, score[:, code]) for code in range(score.shape[1])]))


def are_chances(score: Array) -> bool:
    """Tell whether a table of shape (rows, classes) holds chances: within 0 and 1, each row 1 in all."""
    tolerance = np.sqrt(np.finfo(score.dtype).eps)
    inside = score.size and score.min() >= 0 and score.max() <= 1
    return bool(inside and (np.abs(score.sum(axis=1) - 1) <= tolerance).all())


def log_loss(y_true: Array, score: Array) -> float:
    """Return the mean negative log of the chance of the true class, held away from 0 and 1 (`log_loss`)."""
    eps = np.finfo(score.dtype).eps
    own = np.clip(score[np.arange(len(score)), y_true], eps, 1 - eps)
    return float(np.average(-np.log(own)))


def brier(y_true: Array, score: Array) -> float:
    """Return the mean squared distance of chances from what came, half of it for two classes (`brier_score_loss`)."""
    came = np.eye(score.shape[1], dtype=score.dtype)[y_true]
    found = float(np.average(np.sum((came - score) ** 2, axis=1)))
    return found / 2 if score.shape[1] == 2 else found
