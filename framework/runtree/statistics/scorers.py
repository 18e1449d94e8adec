"""How a metric is computed of draws of rows: counts of shape (resamples, rows) in, values of shape (resamples,) out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics import confusion, losses, ranks

Array = np.ndarray[Any, Any]
OfCounts = Callable[[Array], Array]

BUILTIN = "runtree.statistics.metrics"  # whose functions are known here by name; a plugin's of the same name are not
OF_ROWS: Mapping[str, Callable[[Predictions], OfCounts]] = {**losses.SCORES, **ranks.SCORES}


def built_in(metric: Metric) -> str:
    """Return the name of a built-in function; nothing where it is another's."""
    own = getattr(metric.function, "__module__", "") == BUILTIN
    name = getattr(metric.function, "__name__", "")
    return name if own and (name in confusion.SCORES or name in OF_ROWS) else ""


def scorer(model: Predictions, metric: Metric) -> OfCounts:
    """Return the function that scores a model on draws of rows."""
    kind = built_in(metric)
    if kind in confusion.SCORES:
        return lambda counts: confusion.SCORES[kind](_matrices(model, counts))
    if kind:
        return OF_ROWS[kind](model)
    return lambda counts: np.array([_called(model, metric, drawn) for drawn in counts])


def _matrices(model: Predictions, counts: Array) -> Array:
    """Return confusion matrices of draws of rows."""
    classes = len(model.classes)
    where = model.y_true * classes + model.y_pred
    order = np.argsort(where, kind="stable")
    cells, starts = np.unique(where[order], return_index=True)
    found = np.zeros((len(counts), classes**2), dtype=np.int64)
    found[:, cells] = np.add.reduceat(np.take(counts, order, axis=1), starts, axis=1)
    return found.reshape(-1, classes, classes)


def _called(model: Predictions, metric: Metric, counts: Array) -> float:
    """Call a metric's own function on rows as often as they were drawn; NaN where it refuses them or gives none."""
    rows = np.repeat(np.arange(len(counts)), counts)
    score = None if model.score is None else model.score[rows]
    try:
        value = Predictions(model.y_true[rows], model.y_pred[rows], score, model.classes).value(metric)
    except (ValueError, ZeroDivisionError):  # a class is missing, nothing varies: not defined on this draw
        return np.nan
    return np.nan if value is None else float(value)
