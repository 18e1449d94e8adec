"""Tests of differences that come in pairs: of two models on the same folds, or with the same seeds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.bootstrap import bootstrap_difference
from runtree.statistics.classifier_tests import delong, mcnemar
from runtree.statistics.comparison import Comparison, equal, undecided


def corrected_t(differences: Sequence[float], test_share: float, level: float) -> Comparison:
    """Compare by scores of folds or of repeated splits, whose train parts overlap.

    The variance of the mean is (1/n + test_share) · s²: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366.

    Parameters
    ----------
    differences
        One - other, a value for each fold.
    test_share
        Rows tested on by rows trained on: 1 / (k - 1) for k folds.
    """
    return _t("corrected t", differences, test_share, level)


def paired_t(differences: Sequence[float], level: float) -> Comparison:
    """Compare by scores that are independent of each other: different data, or seeds alone. Student's paired t."""
    return _t("paired t", differences, 0.0, level)


def _t(method: str, differences: Sequence[float], more: float, level: float) -> Comparison:
    from scipy.stats import t

    values = np.asarray(differences, dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2 or not np.isfinite(values).all():
        return undecided(method, mean, n, _why(n))
    if not values.any():
        return equal(method, n, "all differences are 0")
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return undecided(method, mean, n, "all differences are the same: nothing tells how sure they are")
    error = math.sqrt((1 / n + more) * float(values.var(ddof=1)))
    reach = float(t.ppf((1 + level) / 2, n - 1)) * error
    return Comparison(method, mean, mean - reach, mean + reach, float(2 * t.sf(abs(mean) / error, n - 1)), n)


def _why(n: int) -> str:
    return f"{n} difference{'' if n == 1 else 's'}: at least 2 are needed" if n < 2 else "a difference is not a number"


# --- Two models that answered about the same rows: the test that fits the metric.

Array = np.ndarray[Any, Any]


def compare_predictions(
    one: Predictions,
    other: Predictions,
    metric: Metric,
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
) -> Comparison:
    """Test one - other: by McNemar for accuracy, by DeLong for the AUC of two classes, else by a paired bootstrap.

    Where rows go together in `groups`, which the first two know nothing of, always by the bootstrap. With no resamples
    the bootstrap gives way to the plain difference, without limits.

    Raises
    ------
    ValueError
        The rows are not the same.
    """
    if groups is None and metric.name == "accuracy" and one.classes:
        return mcnemar(one, other, level)
    if groups is None and metric.name == "roc_auc" and len(one.classes) == 2:
        return delong(one, other, level)
    if resamples:
        return bootstrap_difference(one, other, metric, resamples, level, seed, groups)
    value = (one.value(metric) or 0.0) - (other.value(metric) or 0.0)
    return Comparison("difference", value, np.nan, np.nan, np.nan, len(one.y_true))
