"""Tests of two classifiers on the same rows."""

import math
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.statistics.comparison import Comparison, equal, undecided
from runtree.statistics.proportions import tango

FEW = 25  # rows on which just one is right, up to which the exact test is used


def mcnemar(one: Predictions, other: Predictions, level: float) -> Comparison:
    """Compare the accuracies of two classifiers by the rows on which just one of them is right.

    McNemar 1947, doi:10.1007/BF02295996. Up to 25 such rows the exact binomial test, which never alarms too often;
    beyond that its mid-p, which is less timid (Fagerland, Lydersen & Laake 2013, doi:10.1186/1471-2288-13-91). The
    limits are the score limits of Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.

    Raises
    ------
    ValueError
        The rows are not the same, or have no classes.
    """
    from scipy.stats import binom

    _check(one, other)
    mine, others = one.y_pred == one.y_true, other.y_pred == other.y_true
    won, lost, n = int((mine & ~others).sum()), int((others & ~mine).sum()), len(mine)
    if n == 0:
        return undecided("McNemar", math.nan, 0, "no rows")
    few = won + lost <= FEW
    p = min(1.0, 2 * float(binom.cdf(min(won, lost), won + lost, 0.5)))
    if not few:
        p -= float(binom.pmf(min(won, lost), won + lost, 0.5)) * (1 if won != lost else 0)
    low, high = tango(won, lost, n, level)
    note = "" if won + lost else "both are right on the same rows"
    return Comparison(f"McNemar ({'exact' if few else 'mid-p'})", (won - lost) / n, low, high, p, n, note)


def delong(one: Predictions, other: Predictions, level: float) -> Comparison:
    """Compare the areas under the ROC curves of two classifiers of two classes.

    DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595.

    Raises
    ------
    ValueError
        The rows are not the same, or have not two classes.
    """
    from scipy.stats import norm

    _check(one, other)
    if len(one.classes) != 2:
        raise ValueError(f"DeLong's test is for two classes, and there are {len(one.classes)}")
    n, positive = len(one.y_true), one.y_true == 1
    if one.score is None or other.score is None:
        return undecided("DeLong", math.nan, n, "one of the two gives no chances")
    if min(positive.sum(), (~positive).sum()) < 2:
        return undecided("DeLong", math.nan, n, "at least two rows of each class are needed")
    areas, covariance = covariance_of_areas(np.stack([one.score[:, 1], other.score[:, 1]]), positive)
    value = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 1e-15:
        if abs(value) <= 1e-12:
            return equal("DeLong", n, "both rank the rows alike")
        return undecided("DeLong", value, n, "nothing varies: too few rows tell how sure the difference is")
    reach = float(norm.ppf((1 + level) / 2)) * math.sqrt(variance)
    p = float(2 * norm.sf(abs(value) / math.sqrt(variance)))
    return Comparison("DeLong", value, max(value - reach, -1.0), min(value + reach, 1.0), p, n)


def _check(one: Predictions, other: Predictions) -> None:
    if not one.classes or one.classes != other.classes:
        raise ValueError("the two models are no classifiers of the same classes")
    if not np.array_equal(one.y_true, other.y_true):
        raise ValueError("the two models did not answer about the same rows")


# --- Areas under ROC curves of several models on the same rows, and how they vary together.

Array = np.ndarray[Any, Any]


def covariance_of_areas(scores: Array, positive: Array) -> tuple[Array, Array]:
    """Return areas of shape (models,) and their covariance of shape (models, models).

    DeLong, DeLong & Clarke-Pearson 1988, by midranks in n log n as in Sun & Xu 2014, doi:10.1109/LSP.2014.2337313.

    Parameters
    ----------
    scores
        Of shape (models, rows); higher for the positive class.
    positive
        Which rows are of the positive class, at least two of either.
    """
    from scipy.stats import rankdata

    above, below = scores[:, positive], scores[:, ~positive]
    m, n = above.shape[1], below.shape[1]
    together = rankdata(np.concatenate([above, below], axis=1), axis=1)
    won = (together[:, :m] - rankdata(above, axis=1)) / n  # by each positive row: the share of negative rows below it
    lost = 1 - (together[:, m:] - rankdata(below, axis=1)) / m
    return won.mean(1), np.atleast_2d(np.cov(won)) / m + np.atleast_2d(np.cov(lost)) / n
