"""The built-in metrics on many resamples at once; the value on all rows is the case of one resample.

A run scores two splits by ten metrics at each check, and a bootstrap computes them thousands of times: scikit-learn's
input checks alone would take twenty times as long as the sums. Inputs here are class codes (0 … classes-1) or finite
floats; `statistics.metrics` hands everything else to scikit-learn. The order of every sum is scikit-learn's, so that
one resample with each row once equals its function of the same name to the last digit. The areas under curves are the
exception: the trapezoid rule drops collinear points, a different number on each resample, so `roc_auc_once` and
`average_precision_once` follow scikit-learn and `ROW_METRICS` counts ranks, which agrees to rounding.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from runtree.contract.errors import RunFailedError
from runtree.contract.predictions import NEARLY_ZERO, Predictions
from runtree.contract.types import Metric
from runtree.statistics.plugin_metrics import strict

Array = np.ndarray[Any, Any]
Scorer = Callable[[Array], Array]  # counts of shape (resamples, rows): how often each row is drawn → (resamples,)

METRICS_MODULE = "runtree.statistics.metrics"

# --- Metrics of confusion matrices of shape (resamples, classes, classes), true class by predicted class.
# With two classes they describe the second one, with more they are macro averages.


def accuracy(matrices: Array) -> Array:
    """Correct predictions / all; NaN without rows."""
    return _ratio(_correct(matrices).sum(1), matrices.sum((1, 2)), np.nan)


def balanced_accuracy(matrices: Array) -> Array:
    """Mean recall of the classes that occur."""
    occurs = matrices.sum(2) > 0
    recalls = _ratio(_correct(matrices), matrices.sum(2), 0.0)
    # A class that occurs nowhere is left out before the sum: a 0 in between changes the order of NumPy's pairwise sum.
    return _ratio(recalls[:, occurs.any(0)].sum(1), occurs.sum(1), np.nan)


def precision(matrices: Array) -> Array:
    """TP / (TP + FP), 0 without predicted positives."""
    return _average(_ratio(_correct(matrices), matrices.sum(1), 0.0))


def recall(matrices: Array) -> Array:
    """TP / (TP + FN), 0 without true positives."""
    return _average(_ratio(_correct(matrices), matrices.sum(2), 0.0))


def f1(matrices: Array) -> Array:
    """2 TP / (2 TP + FP + FN), 0 where the denominator is 0."""
    return _average(_ratio(2 * _correct(matrices), matrices.sum(1) + matrices.sum(2), 0.0))


def mcc(matrices: Array) -> Array:
    """Matthews correlation for k classes (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006), 0 if undefined."""
    # before the products: rows⁴ exceeds 64 bits from 55,000 rows on
    matrices = matrices.astype(float)
    rows, true, predicted = matrices.sum((1, 2)), matrices.sum(2), matrices.sum(1)
    covariance = _correct(matrices).sum(1) * rows - (true * predicted).sum(1)
    variances = (rows**2 - (true**2).sum(1)) * (rows**2 - (predicted**2).sum(1))
    return _ratio(covariance, np.sqrt(variances), 0.0)


CONFUSION_METRICS: Mapping[str, Callable[[Array], Array]] = {
    metric.__name__: metric for metric in (accuracy, balanced_accuracy, precision, recall, f1, mcc)
}


def score_classes(name: str, y_true: Array, y_pred: Array, classes: int) -> float:
    """Return a metric of the confusion matrix on all rows."""
    # one number for each pair of classes, so that one pass counts the whole matrix
    matrix = np.bincount(y_true * classes + y_pred, minlength=classes**2).reshape(1, classes, classes)
    return float(CONFUSION_METRICS[name](matrix)[0])


def _correct(matrices: Array) -> Array:
    diagonal: Array = np.diagonal(matrices, axis1=1, axis2=2)
    return diagonal


def _average(by_class: Array) -> Array:
    average: Array = by_class[:, 1] if by_class.shape[1] == 2 else by_class.mean(1)
    return average


def _ratio(numerator: Array, denominator: Array, undefined: float) -> Array:
    # `where` skips the division instead of hiding its warning; the value of undefined ratios differs by metric
    result: Array = np.divide(numerator, denominator, out=np.full(numerator.shape, undefined), where=denominator > 0)
    return result


# --- Metrics of rows. Each function looks at the rows once and returns a scorer of their counts.


def _sum(counts: Array, values: Array) -> Array:
    # Not `counts @ values`: BLAS sums in another order, and in one that depends on the number of threads.
    total: Array = (counts * values).sum(axis=1)
    return total


def _mean(losses: Array) -> Scorer:
    return lambda counts: _sum(counts, losses) / counts.sum(axis=1)


def log_loss(y_true: Array, y_proba: Array) -> Scorer:
    """Mean negative log of the probability of the true class, clipped to [eps, 1 - eps] as scikit-learn does."""
    eps = np.finfo(y_proba.dtype).eps
    return _mean(-np.log(np.clip(y_proba[np.arange(len(y_proba)), y_true], eps, 1 - eps)))


def brier(y_true: Array, y_proba: Array) -> Scorer:
    """Mean squared distance between probabilities and outcomes, summed over classes; half of it for two classes."""
    outcomes = np.eye(y_proba.shape[1], dtype=y_proba.dtype)[y_true]
    mean = _mean(np.sum((outcomes - y_proba) ** 2, axis=1))
    return (lambda counts: mean(counts) / 2) if y_proba.shape[1] == 2 else mean


def mean_absolute_error(y_true: Array, y_pred: Array) -> Scorer:
    return _mean(np.abs(y_pred - y_true))


def mean_squared_error(y_true: Array, y_pred: Array) -> Scorer:
    return _mean((y_true - y_pred) ** 2)


def root_mean_squared_error(y_true: Array, y_pred: Array) -> Scorer:
    mean = mean_squared_error(y_true, y_pred)
    return lambda counts: np.sqrt(mean(counts))


def mean_absolute_percentage_error(y_true: Array, y_pred: Array) -> Scorer:
    """Mean of |error| / |true value|; NaN where a true value is 0, or nearly.

    There scikit-learn divides by the smallest number that it can, and the mean is 1e13 of one row.
    """
    size = np.abs(y_true)
    divisor = np.where(size > NEARLY_ZERO * size.max(), size, np.nan)
    return _mean(np.abs(y_pred - y_true) / divisor)


def r2_score(y_true: Array, y_pred: Array) -> Scorer:
    """Explained share of the variance; without variance 1 for no error, else 0; NaN for fewer than two rows."""
    errors, deviations = (y_true - y_pred) ** 2, (y_true - y_true.mean()) ** 2

    def score(counts: Array) -> Array:
        rows, residual = counts.sum(axis=1), _sum(counts, errors)
        # Two passes: Σx² - (Σx)²/n would lose the variance of values far from 0 to rounding.
        mean = _sum(counts, y_true) / rows
        variance = _sum(counts, (y_true - mean[:, None]) ** 2)
        # Equal rows leave a variance of rounding errors only. On all rows the two sums are the same.
        varies = variance > 1e-12 * _sum(counts, deviations)
        ratio = np.divide(residual, variance, out=np.where(residual > 0, 1.0, 0.0), where=varies)
        return np.where(rows < 2, np.nan, 1 - ratio)

    return score


def median_absolute_error(y_true: Array, y_pred: Array) -> Scorer:
    """Median |error|; of an even number of rows the mean of the two in the middle."""
    errors = np.abs(y_pred - y_true)
    # sorted once: on each resample the median is where the cumulated counts reach the middle
    order = np.argsort(errors, kind="stable")
    errors = errors[order]

    def score(counts: Array) -> Array:
        cumulated = np.cumsum(np.take(counts, order, axis=1), axis=1)
        rows = cumulated[:, -1:]
        lower, upper = (cumulated <= (rows - 1) // 2).sum(1), (cumulated <= rows // 2).sum(1)
        median: Array = (errors[lower] + errors[upper]) / 2
        return median

    return score


def roc_auc(y_true: Array, y_proba: Array) -> Scorer:
    """Area under the ROC curve, one-versus-rest for more than two classes; NaN where a class is not drawn."""

    def area(positive: Array, positive_so_far: Array, here: Array, so_far: Array, rows: Array) -> Array:
        # Mann & Whitney's U: for each positive row the negative rows below it, and half of those at its score.
        # Counted in whole numbers, so that there is one rounding only.
        positives = positive_so_far[:, -1]
        negatives = rows - positives
        below = negatives[:, None] - (so_far - positive_so_far)
        # twice the pairs, so that half a pair for a tie is a whole number
        pairs = np.einsum("ij,ij->i", positive, 2 * below + (here - positive))
        return _ratio(pairs, 2 * positives * negatives, np.nan)

    return _one_versus_rest(y_true, y_proba, area)


def pr_auc(y_true: Array, y_proba: Array) -> Scorer:
    """Average precision, one-versus-rest for more than two classes; NaN where a class is not drawn."""

    def average(positive: Array, positive_so_far: Array, here: Array, so_far: Array, rows: Array) -> Array:
        positives = positive_so_far[:, -1]
        # precision at each step, weighted by its positive rows; no row so far means no positive one either
        total = np.einsum("ij,ij->i", positive, positive_so_far / np.maximum(so_far, 1))
        return np.where(rows > positives, _ratio(total, positives, np.nan), np.nan)

    return _one_versus_rest(y_true, y_proba, average)


def _one_versus_rest(y_true: Array, y_proba: Array, score: Callable[..., Array]) -> Scorer:
    """Return the score of the second of two classes, or the mean over the classes."""
    codes = (1,) if y_proba.shape[1] == 2 else range(y_proba.shape[1])
    rankings = [_ranking(y_true == code, y_proba[:, code]) for code in codes]

    def mean(counts: Array) -> Array:
        steps = [ranking(counts) for ranking in rankings]
        nothing = np.full(len(counts), np.nan)
        values: Array = np.mean([score(*step) if step[0].shape[1] else nothing for step in steps], axis=0)
        return values

    return mean


def _ranking(truth: Array, score: Array) -> Callable[[Array], tuple[Array, ...]]:
    """Sort the rows by falling score once; return a function that walks along the distinct scores on each resample.

    It returns five arrays: positive rows at each step and up to it, all rows at each step and up to it, all of shape
    (resamples, steps), and all rows of shape (resamples,). Steps without positive rows are left out: no curve rises.
    """
    order = np.argsort(-score, kind="stable")
    falling, truth = score[order], truth[order].astype(np.int64)
    # rows of one score form one step, since no threshold separates them
    starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])
    rising = np.flatnonzero(np.add.reduceat(truth, starts))
    # without ties each row is a step, and the sums over steps can be skipped
    distinct = len(starts) == len(order)

    def walk(counts: Array) -> tuple[Array, ...]:
        drawn = np.take(counts, order, axis=1)
        rows = drawn if distinct else np.add.reduceat(drawn, starts, axis=1)
        positive = drawn if distinct else np.add.reduceat(drawn * truth, starts, axis=1)
        cumulated = np.cumsum(rows, axis=1)
        positive = np.take(positive, rising, axis=1)
        here, so_far = np.take(rows, rising, axis=1), np.take(cumulated, rising, axis=1)
        return positive, np.cumsum(positive, axis=1), here, so_far, cumulated[:, -1]

    return walk


ROW_METRICS: Mapping[str, Callable[[Array, Array], Scorer]] = {
    metric.__name__: metric
    for metric in (
        log_loss, brier, mean_absolute_error, mean_squared_error, root_mean_squared_error,
        mean_absolute_percentage_error, r2_score, median_absolute_error, roc_auc, pr_auc,
    )
}  # fmt: skip


def score_rows(name: str, y_true: Array, y_output: Array) -> float:
    """Return a metric on all rows; `y_output` is what it takes, predictions or probabilities of every class."""
    return float(ROW_METRICS[name](y_true, y_output)(np.ones((1, len(y_true)), dtype=np.int64))[0])


# --- Areas under curves of all rows, as scikit-learn computes them.


def roc_auc_once(truth: Array, score: Array) -> float:
    """Area under the ROC curve by the trapezoid rule (`roc_auc_score`); `truth` is boolean and holds both values."""
    negatives, positives = _cumulated(truth, score)
    if len(negatives) > 2:  # points on a straight line add nothing but rounding
        corner = np.r_[True, (np.diff(negatives, 2) != 0) | (np.diff(positives, 2) != 0), True]
        negatives, positives = negatives[corner], positives[corner]
    negatives, positives = np.r_[0.0, negatives], np.r_[0.0, positives]
    return float(np.trapezoid(positives / positives[-1], negatives / negatives[-1]))


def average_precision_once(truth: Array, score: Array) -> float:
    """Mean of precision over the steps of recall (`average_precision_score`)."""
    negatives, positives = _cumulated(truth, score)
    precisions, recalls = positives / (positives + negatives), positives / positives[-1]
    # scikit-learn sums from the lowest threshold to the highest, and the order of a sum decides its last digit
    falling = np.r_[recalls[::-1], 0.0]
    return float(max(0.0, -np.sum(np.diff(falling) * precisions[::-1])))


def _cumulated(truth: Array, score: Array) -> tuple[Array, Array]:
    """Return the negative and the positive rows at or above each distinct score, highest first."""
    order = np.argsort(-score, kind="stable")
    # only the last row of equal scores is a point of the curve
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
    positives = np.cumsum(truth[order].astype(float))[last]
    return 1 + last.astype(float) - positives, positives


def mean_over_classes(area: Callable[[Array, Array], float], y_true: Array, y_proba: Array) -> float:
    """Return the mean of an area over the classes, each against the rest; `y_proba` has shape (rows, classes)."""
    return float(np.mean([area(y_true == code, y_proba[:, code]) for code in range(y_proba.shape[1])]))


def are_probabilities(y_proba: Array) -> bool:
    """Return whether values of shape (rows, classes) lie in [0, 1] and each row sums to 1."""
    # the tolerance of scikit-learn's `log_loss`, relative to the precision of the type
    tolerance = np.sqrt(np.finfo(y_proba.dtype).eps)
    inside = y_proba.size and y_proba.min() >= 0 and y_proba.max() <= 1
    return bool(inside and (np.abs(y_proba.sum(axis=1) - 1) <= tolerance).all())


# --- From a metric object to its scorer.


def builtin_name(metric: Metric) -> str:
    """Return the name of a built-in metric function; empty for a plugin's, even one of the same name."""
    builtin = getattr(metric.function, "__module__", "") == METRICS_MODULE
    name = getattr(metric.function, "__name__", "")
    return name if builtin and (name in CONFUSION_METRICS or name in ROW_METRICS) else ""


def make_scorer(predictions: Predictions, metric: Metric) -> Scorer:
    """Return the scorer of a metric, built-in or not, for the predictions of a model."""
    name = builtin_name(metric)
    # a plugin's metric takes rows, so its resamples are materialized; the built-in ones need only counts
    if name in CONFUSION_METRICS:
        return lambda counts: CONFUSION_METRICS[name](_confusion_matrices(predictions, counts))
    if name:
        output = predictions.y_pred if metric.needs == "prediction" else _probabilities(predictions)
        return ROW_METRICS[name](predictions.y_true, output)
    return lambda counts: np.array([_call(predictions, metric, drawn) for drawn in counts])


def _probabilities(predictions: Predictions) -> Array:
    """Return the probabilities that metrics see: with two classes, only that of the second class counts."""
    assert predictions.score is not None
    if len(predictions.classes) != 2:
        return predictions.score
    # scikit-learn completes the first column by 1 - p, and the same digits need the same column
    second = predictions.score[:, 1]
    return np.column_stack([1 - second, second])


def _confusion_matrices(predictions: Predictions, counts: Array) -> Array:
    classes = len(predictions.classes)
    cell = predictions.y_true * classes + predictions.y_pred
    order = np.argsort(cell, kind="stable")
    # rows sorted by cell: one reduceat adds up all cells of all resamples
    cells, starts = np.unique(cell[order], return_index=True)
    matrices = np.zeros((len(counts), classes**2), dtype=np.int64)
    matrices[:, cells] = np.add.reduceat(np.take(counts, order, axis=1), starts, axis=1)
    return matrices.reshape(-1, classes, classes)


def _call(predictions: Predictions, metric: Metric, counts: Array) -> float:
    """Call a metric's own function on the rows drawn; NaN where it is not defined."""
    rows = np.repeat(np.arange(len(counts)), counts)
    score = None if predictions.score is None else predictions.score[rows]
    resample = Predictions(predictions.y_true[rows], predictions.y_pred[rows], score, predictions.classes)
    try:
        value = resample.value(strict(metric))
    except (ValueError, ZeroDivisionError, RunFailedError):  # a class is missing, or nothing varies
        return np.nan
    return np.nan if value is None else float(value)
