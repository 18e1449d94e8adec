"""Bootstrap intervals of metrics, and of the difference of two models on the same rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtree.contract.answers import Answers
from runtree.contract.types import Metric
from runtree.statistics.comparison import Comparison, equal, undecided
from runtree.statistics.interval import Interval
from runtree.statistics.limits import percentile, two_sided
from runtree.statistics.replicates import replicate

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

METHOD = "bootstrap"


def bootstrap(
    answers: Answers,
    metrics: Sequence[Metric],
    resamples: int,
    level: float,
    seed: int,
    groups: "Array | None" = None,
) -> Mapping[str, Interval]:
    """Return each metric that can be computed, with its interval.

    Parameters
    ----------
    resamples
        How many; of many rows fewer are made, see `replicates.replicate`.
    level
        How likely the interval holds the true value: 0.95.
    groups
        What each row belongs to, of shape (rows,), where rows of a group are alike: whole groups are drawn.
    """
    found = {}
    for name, value in answers.values(metrics).items():
        metric = next(one for one in metrics if one.name == name)
        drawn = replicate([answers], metric, resamples, seed, groups)
        assert drawn is not None  # for it has a value
        found[name] = percentile(value, drawn[0], level)
    return found


def bootstrap_difference(
    one: Answers,
    other: Answers,
    metric: Metric,
    resamples: int,
    level: float,
    seed: int,
    groups: "Array | None" = None,
) -> Comparison:
    """Compare two models on the same rows: one - other on the same resamples.

    Raises
    ------
    ValueError
        The rows are not the same.
    """
    if not np.array_equal(one.y_true, other.y_true):
        raise ValueError("the two models did not answer about the same rows")
    rows, (mine, others) = len(one.y_true), (model.value(metric) for model in (one, other))
    if mine is None or others is None:
        return undecided(METHOD, np.nan, rows, f"{metric.name} needs chances, and one of the two gives none")
    drawn = replicate([one, other], metric, resamples, seed, groups)
    assert drawn is not None
    differences = drawn[0] - drawn[1]
    if mine == others and not np.nan_to_num(differences).any():
        return equal(METHOD, rows, "the two answer alike")
    limits = percentile(mine - others, differences, level)
    if not limits.known:
        return undecided(METHOD, limits.value, rows, f"{metric.name} is not defined on too many resamples")
    return Comparison(METHOD, limits.value, limits.low, limits.high, two_sided(differences), rows)
