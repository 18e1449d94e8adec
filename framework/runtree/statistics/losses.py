"""Metrics that are means over rows, many resamples at once, from how often each row is drawn: (resamples, rows).

Each maker looks at the answers once and returns a function of counts, equal to scikit-learn's function of its name.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions

Array = np.ndarray[Any, Any]
OfCounts = Callable[[Array], Array]


def _mean(losses: Array) -> OfCounts:
    return lambda counts: _sums(counts, losses) / counts.sum(1)


def _sums(counts: Array, values: Array) -> Array:
    """Return sums over the rows drawn; in one thread, so that they are the same to the last digit on any number."""
    found: Array = np.einsum("ij,j->i", counts, values)
    return found


def log_loss(answers: Predictions) -> OfCounts:
    """Mean negative log of the chance given to the true class; chances are held away from 0 as scikit-learn does."""
    chances = _chances(answers)
    eps = np.finfo(chances.dtype).eps
    return _mean(-np.log(np.clip(chances[np.arange(len(chances)), answers.y_true], eps, 1 - eps)))


def brier(answers: Predictions) -> OfCounts:
    """Mean squared distance of chances from what came; summed over classes where there are more than two."""
    chances = _chances(answers)
    if chances.shape[1] == 2:
        return _mean((chances[:, 1] - answers.y_true) ** 2)
    return _mean(((chances - np.eye(chances.shape[1])[answers.y_true]) ** 2).sum(1))


def _chances(answers: Predictions) -> Array:
    """Return chances as the metrics see them: of two classes only that of the second counts."""
    assert answers.score is not None
    if len(answers.classes) != 2:
        return answers.score
    second = answers.score[:, 1]
    return np.column_stack([1 - second, second])


def mean_absolute_error(answers: Predictions) -> OfCounts:
    """Mean |error|."""
    return _mean(np.abs(answers.y_true - answers.y_pred))


def mean_squared_error(answers: Predictions) -> OfCounts:
    """Mean squared error."""
    return _mean((answers.y_true - answers.y_pred) ** 2)


def root_mean_squared_error(answers: Predictions) -> OfCounts:
    """Root of the mean squared error."""
    mean = mean_squared_error(answers)
    return lambda counts: np.sqrt(mean(counts))


def mean_absolute_percentage_error(answers: Predictions) -> OfCounts:
    """Mean of |error| by |true value|, which is held away from 0 as scikit-learn does."""
    size = np.maximum(np.abs(answers.y_true), np.finfo(np.float64).eps)
    return _mean(np.abs(answers.y_true - answers.y_pred) / size)


def r2_score(answers: Predictions) -> OfCounts:
    """Share of the variance that is explained; where nothing varies 1 for no error and 0 else, for one row NaN."""
    true = answers.y_true - answers.y_true.mean()  # the spread of numbers far from 0 would be lost to rounding
    columns = (answers.y_true - answers.y_pred) ** 2, true**2, true

    def score(counts: Array) -> Array:
        rows, (errors, squares, sums) = counts.sum(1), (_sums(counts, values) for values in columns)
        spread = squares - sums**2 / rows
        varies = spread > 1e-12 * squares
        found = 1 - np.divide(errors, spread, out=np.where(errors > 0, 1.0, 0.0), where=varies)
        return np.where(rows < 2, np.nan, found)

    return score


def median_absolute_error(answers: Predictions) -> OfCounts:
    """Median |error|; of an even number of rows the mean of the two in the middle."""
    error = np.abs(answers.y_true - answers.y_pred)
    order = np.argsort(error, kind="stable")
    error = error[order]

    def score(counts: Array) -> Array:
        so_far = np.cumsum(np.take(counts, order, axis=1), axis=1)
        rows = so_far[:, -1:]
        lower = (so_far <= (rows - 1) // 2).sum(1)
        upper = (so_far <= rows // 2).sum(1)
        middle: Array = (error[lower] + error[upper]) / 2
        return middle

    return score


SCORES: Mapping[str, Callable[[Predictions], OfCounts]] = {
    score.__name__: score
    for score in (
        log_loss, brier, mean_absolute_error, mean_squared_error, root_mean_squared_error,
        mean_absolute_percentage_error, r2_score, median_absolute_error,
    )
}  # fmt: skip
