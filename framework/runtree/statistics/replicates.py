"""What a metric would have been on other draws of the same rows: its value on each of many resamples.

Built-in metrics are computed for many resamples at once (`confusion`, `losses`, `ranks`). Those that depend on the
confusion matrix alone need no rows: the matrix itself is drawn. Any other metric, a plugin's, is called on the rows of
each resample, and is given fewer of them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from runtree.contract.answers import Answers
from runtree.contract.types import Metric
from runtree.statistics import confusion, losses, ranks
from runtree.statistics.draws import draw_cells, draw_groups, draw_rows

Array = np.ndarray[Any, Any]

BUILTIN = "runtree.lifecycle.metrics"  # whose functions are known here by name; a plugin's of the same name are not
MOST_DRAWS = 1_000_000_000  # rows drawn for one metric in all: 2,000 resamples up to 500,000 rows
MOST_CALLED = 20_000_000  # and where a metric's own function is called on them
LEAST = 200  # resamples, however many rows there are


def replicate(
    models: Sequence[Answers], metric: Metric, resamples: int, seed: int, groups: Array | None = None
) -> Array | None:
    """Return the values of a metric of shape (models, resamples), every model asked about the same draws.

    Parameters
    ----------
    models
        Answers of each to the same rows in the same order.
    resamples
        How many are wanted. With n rows at most 10⁹ / n are made, of a metric that is not built in 2·10⁷ / n, and in
        any case 200.
    groups
        What each row belongs to, of shape (rows,): whole groups are drawn.

    Returns
    -------
    NaN where a metric is not defined; None where it needs chances and a model has none.
    """
    if any(metric.needs == "probability" and model.score is None for model in models):
        return None
    rows, kind = len(models[0].y_true), _builtin(metric)
    if kind in confusion.SCORES and groups is None:
        return np.concatenate(list(_by_cells(models, kind, resamples, seed)), axis=1)
    done = min(resamples, max(LEAST, (MOST_DRAWS if kind else MOST_CALLED) // max(rows, 1)))
    blocks = draw_rows(rows, done, seed) if groups is None else draw_groups(groups, done, seed)
    scores = [_of_counts(model, metric, kind) for model in models]
    return np.concatenate([np.stack([score(counts) for score in scores]) for counts in blocks], axis=1)


def _builtin(metric: Metric) -> str:
    """Return the name of a built-in function; nothing where it is another's."""
    own = getattr(metric.function, "__module__", "") == BUILTIN
    name = getattr(metric.function, "__name__", "")
    return name if own and name in {*confusion.SCORES, *losses.SCORES, *ranks.SCORES} else ""


def _by_cells(models: Sequence[Answers], kind: str, resamples: int, seed: int) -> Iterator[Array]:
    """Draw how many rows there are of each true class and prediction of every model, of those that occur."""
    classes = len(models[0].classes)
    kinds = np.stack([models[0].y_true, *(model.y_pred for model in models)])
    cells, sizes = np.unique(kinds, axis=1, return_counts=True)
    sums = [_place(cells[0] * classes + predicted, classes**2) for predicted in cells[1:]]
    for counts in draw_cells(sizes, classes**2, resamples, seed):
        matrices = [(counts @ own).reshape(-1, classes, classes) for own in sums]
        yield np.stack([confusion.SCORES[kind](own) for own in matrices])


def _place(where: Array, places: int) -> Array:
    """Return the matrix that adds each cell up where it belongs."""
    found = np.zeros((len(where), places), dtype=np.int64)
    found[np.arange(len(where)), where] = 1
    return found


def _of_counts(model: Answers, metric: Metric, kind: str) -> losses.OfCounts:
    """Return the function that scores a model on draws of rows."""
    if kind in confusion.SCORES:
        return lambda counts: confusion.SCORES[kind](_matrices(model, counts))
    if kind:
        return ({**losses.SCORES, **ranks.SCORES})[kind](model)
    return lambda counts: np.array([_called(model, metric, drawn) for drawn in counts])


def _matrices(model: Answers, counts: Array) -> Array:
    """Return confusion matrices of draws of rows."""
    classes = len(model.classes)
    where = model.y_true * classes + model.y_pred
    order = np.argsort(where, kind="stable")
    cells, starts = np.unique(where[order], return_index=True)
    found = np.zeros((len(counts), classes**2), dtype=np.int64)
    found[:, cells] = np.add.reduceat(counts[:, order], starts, axis=1)
    return found.reshape(-1, classes, classes)


def _called(model: Answers, metric: Metric, counts: Array) -> float:
    """Call a metric's own function on rows as often as they were drawn; NaN where it refuses them or gives none."""
    rows = np.repeat(np.arange(len(counts)), counts)
    score = None if model.score is None else model.score[rows]
    try:
        value = Answers(model.y_true[rows], model.y_pred[rows], score, model.classes).value(metric)
    except (ValueError, ZeroDivisionError):  # a class is missing, nothing varies: not defined on this draw
        return np.nan
    return np.nan if value is None else float(value)
