"""Metrics of predicted numbers, as scikit-learn computes them to the last digit, without its checks.

Finite numbers of shape (rows,) are given. The sums run down a column, as in `sklearn.metrics`: the tests ask for
equality, not for closeness.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def mean_absolute_error(y_true: Array, y_pred: Array) -> float:
    """Mean |error|."""
    return _mean(np.abs(y_pred - y_true))


def mean_squared_error(y_true: Array, y_pred: Array) -> float:
    """Mean squared error."""
    return _mean((y_true - y_pred) ** 2)


def root_mean_squared_error(y_true: Array, y_pred: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mean_squared_error(y_true, y_pred)))


def mean_absolute_percentage_error(y_true: Array, y_pred: Array) -> float:
    """Mean of |error| by |true value|, which is held away from 0."""
    return _mean(np.abs(y_pred - y_true) / np.maximum(np.abs(y_true), np.finfo(np.float64).eps))


def median_absolute_error(y_true: Array, y_pred: Array) -> float:
    """Median |error|; of an even number of rows the mean of the two in the middle."""
    return float(np.median(np.abs(y_pred - y_true)))


def r2_score(y_true: Array, y_pred: Array) -> float:
    """Share of the variance that is explained; where nothing varies 1 for no error and 0 else."""
    true, predicted = y_true[:, None], y_pred[:, None]
    errors = np.sum((true - predicted) ** 2, axis=0)[0]
    spread = np.sum((true - np.average(true, axis=0)) ** 2, axis=0)[0]
    return float(1 - errors / spread) if errors and spread else float(not errors)


def _mean(values: Array) -> float:
    return float(np.average(values[:, None], axis=0)[0])


SCORES: Mapping[str, Callable[[Array, Array], float]] = {
    score.__name__: score
    for score in (
        mean_absolute_error, mean_squared_error, root_mean_squared_error, mean_absolute_percentage_error,
        median_absolute_error, r2_score,
    )
}  # fmt: skip
