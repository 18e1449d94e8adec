"""Two models that answered about the same rows: the test that fits the metric."""

from typing import Any

import numpy as np

from runtree.contract.answers import Answers
from runtree.contract.types import Metric
from runtree.statistics.bootstrap import bootstrap_difference
from runtree.statistics.comparison import Comparison
from runtree.statistics.rows import delong, mcnemar

Array = np.ndarray[Any, Any]


def compare_answers(
    one: Answers,
    other: Answers,
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
