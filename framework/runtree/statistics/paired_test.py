"""Paired comparisons of two models: on the same rows, or by scores of the same folds or seeds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.bootstrap import bootstrap_difference
from runtree.statistics.classifier_tests import delong, mcnemar
from runtree.statistics.comparison import Comparison, equal, undecided

Array = np.ndarray[Any, Any]


def compare_predictions(
    first: Predictions,
    second: Predictions,
    metric: Metric,
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
) -> Comparison:
    """Test first - second by the test that fits the metric.

    McNemar for accuracy and DeLong for the area under the ROC curve of two classes, neither of which supports `groups`;
    otherwise a paired bootstrap. With 0 resamples only the difference is returned, without limits. A metric that is not
    defined for one of the models is not compared.

    Raises
    ------
    ValueError
        The rows differ.
    """
    values = [model.values([metric]).get(metric.name, math.nan) for model in (first, second)]
    for model, value in zip((first, second), values, strict=True):
        if not math.isfinite(value):
            note = f"{metric.name} is not defined: {model.undefined_reason(metric)}"
            return undecided("difference", math.nan, len(first.y_true), note)
    # both tests assume independent rows, which rows of one group are not
    if groups is None and metric.name == "accuracy" and first.classes:
        return mcnemar(first, second, level)
    if groups is None and metric.name == "roc_auc" and len(first.classes) == 2:
        return delong(first, second, level)
    if resamples:
        return bootstrap_difference(first, second, metric, resamples, level, seed, groups)
    return Comparison("difference", values[0] - values[1], np.nan, np.nan, np.nan, len(first.y_true))


def corrected_t(differences: Sequence[float], test_share: float, level: float) -> Comparison:
    """Compare by scores of folds or of repeated splits, whose train splits overlap.

    The variance of the mean is (1/n + test_share) · s²: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366.

    Parameters
    ----------
    differences
        First - second, a value for each fold.
    test_share
        Test rows / train rows: 1 / (k - 1) for k folds.
    """
    return _t_test("corrected t", differences, test_share, level)


def paired_t(differences: Sequence[float], level: float) -> Comparison:
    """Compare by scores that are independent of each other, from other data or other seeds: Student's paired t test."""
    return _t_test("paired t", differences, 0.0, level)


def _t_test(method: str, differences: Sequence[float], test_share: float, level: float) -> Comparison:
    from scipy.stats import t

    values = np.asarray(differences, dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return undecided(method, mean, n, f"{n} difference{'' if n == 1 else 's'}: at least 2 are needed")
    if not np.isfinite(values).all():
        return undecided(method, mean, n, "a difference is not a number")
    if not values.any():
        return equal(method, n, "all differences are 0")
    # Equal differences have a variance of rounding errors, which would make any difference significant.
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return undecided(method, mean, n, "all differences are the same: their variance is unknown")
    # with test_share 0 this is the plain paired t test
    error = math.sqrt((1 / n + test_share) * float(values.var(ddof=1)))
    margin = float(t.ppf((1 + level) / 2, n - 1)) * error
    return Comparison(method, mean, mean - margin, mean + margin, float(2 * t.sf(abs(mean) / error, n - 1)), n)
