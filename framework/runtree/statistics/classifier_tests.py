"""Tests of two classifiers on the same rows: McNemar for accuracy, DeLong for the area under the ROC curve."""

import math
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.statistics.comparison import Comparison, equal, undecided
from runtree.statistics.proportions import tango

Array = np.ndarray[Any, Any]

MAX_EXACT_ROWS = 25  # discordant rows up to which the exact binomial test is used


def mcnemar(first: Predictions, second: Predictions, level: float) -> Comparison:
    """Compare accuracies by the discordant rows, on which exactly one of the classifiers is right.

    McNemar 1947, doi:10.1007/BF02295996. Up to 25 discordant rows the exact binomial test, whose error rate never
    exceeds the level; beyond that its mid-p version, which is less conservative (Fagerland, Lydersen & Laake 2013,
    doi:10.1186/1471-2288-13-91). The interval is the score interval of Tango 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.

    Raises
    ------
    ValueError
        The rows differ, or have no classes.
    """
    from scipy.stats import binom

    _check_same_rows(first, second)
    first_right, second_right = first.y_pred == first.y_true, second.y_pred == second.y_true
    won, lost = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    rows = len(first_right)
    if rows == 0:
        return undecided("McNemar", math.nan, 0, "no rows")
    exact = won + lost <= MAX_EXACT_ROWS
    # the distribution is symmetric for probability 0.5, so two tails are twice one
    p = min(1.0, 2 * float(binom.cdf(min(won, lost), won + lost, 0.5)))
    if not exact:
        # mid-p: the observed count counts half in each of two tails; equal counts are no evidence, and p stays 1
        p -= float(binom.pmf(min(won, lost), won + lost, 0.5)) * (1 if won != lost else 0)
    low, high = tango(won, lost, rows, level)
    note = "" if won + lost else "both models are right on the same rows"
    return Comparison(f"McNemar ({'exact' if exact else 'mid-p'})", (won - lost) / rows, low, high, p, rows, note)


def delong(first: Predictions, second: Predictions, level: float) -> Comparison:
    """Compare areas under the ROC curve of two binary classifiers.

    DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595.

    Raises
    ------
    ValueError
        The rows differ, or do not have two classes.
    """
    from scipy.stats import norm

    _check_same_rows(first, second)
    if len(first.classes) != 2:
        raise ValueError(f"DeLong's test needs two classes, got {len(first.classes)}")
    rows, positive = len(first.y_true), first.y_true == 1
    if first.score is None or second.score is None:
        return undecided("DeLong", math.nan, rows, "one of the models predicts no probabilities")
    if min(positive.sum(), (~positive).sum()) < 2:
        return undecided("DeLong", math.nan, rows, "at least two rows of each class are needed")
    areas, covariance = covariance_of_areas(np.stack([first.score[:, 1], second.score[:, 1]]), positive)
    value = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # below the rounding errors of sums of ranks a division would make p meaningless
    if variance <= 1e-15:
        if abs(value) <= 1e-12:
            return equal("DeLong", rows, "both models rank the rows alike")
        return undecided("DeLong", value, rows, "too few rows to estimate the variance of the difference")
    margin = float(norm.ppf((1 + level) / 2)) * math.sqrt(variance)
    p = float(2 * norm.sf(abs(value) / math.sqrt(variance)))
    return Comparison("DeLong", value, max(value - margin, -1.0), min(value + margin, 1.0), p, rows)


def covariance_of_areas(scores: Array, positive: Array) -> tuple[Array, Array]:
    """Return areas under the ROC curve, of shape (models,), and their covariance, of shape (models, models).

    DeLong's estimate by midranks in n log n: Sun & Xu 2014, doi:10.1109/LSP.2014.2337313.

    Parameters
    ----------
    scores
        Of shape (models, rows); higher for the positive class.
    positive
        Of shape (rows,), boolean; at least two rows of either class.
    """
    from scipy.stats import rankdata

    above, below = scores[:, positive], scores[:, ~positive]
    m, n = above.shape[1], below.shape[1]
    # the rank among all rows minus the rank among the positive ones
    # is the number of negative rows below: no pairs are formed
    midranks = rankdata(np.concatenate([above, below], axis=1), axis=1)
    won = (midranks[:, :m] - rankdata(above, axis=1)) / n  # share of the negative rows below each positive row
    lost = 1 - (midranks[:, m:] - rankdata(below, axis=1)) / m
    return won.mean(1), np.atleast_2d(np.cov(won)) / m + np.atleast_2d(np.cov(lost)) / n


def _check_same_rows(first: Predictions, second: Predictions) -> None:
    if not first.classes or first.classes != second.classes:
        raise ValueError("the two models are not classifiers of the same classes")
    if not np.array_equal(first.y_true, second.y_true):
        raise ValueError("the predictions of the two models are not for the same rows")
