"""What metrics would have been on other draws of the same rows: their values on each of many resamples.

Built-in metrics are computed for many resamples at once (`confusion`, `losses`, `ranks`). Those that depend on the
confusion matrix alone need no rows: the matrix itself is drawn. Any other metric, a plugin's, is called on the rows of
each resample, and is given fewer of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.answers import Answers
from runtree.contract.types import Metric
from runtree.statistics import confusion
from runtree.statistics.draws import draw_cells, draw_groups, draw_rows, leave_out
from runtree.statistics.scorers import built_in, scorer

Array = np.ndarray[Any, Any]

MOST_DRAWS = 200_000_000  # rows drawn in all: 10,000 resamples up to 20,000 rows, 2,000 up to 100,000
MOST_CALLED = 20_000_000  # and where a metric's own function is called on them
LEAST = 200  # resamples, however many rows there are


@dataclass(frozen=True)
class Replicates:
    """Values of a metric on resamples; NaN where it is not defined.

    Attributes
    ----------
    drawn
        Of shape (models, resamples), every model asked about the same draws.
    left_out
        Of shape (models, parts): the value without a part of the rows.
    sizes
        Of shape (parts,): how many parts there are of this kind.
    """

    drawn: Array
    left_out: Array
    sizes: Array

    def difference(self) -> "Replicates":
        """Return those of the first model less the second."""
        return Replicates(-np.diff(self.drawn, axis=0), -np.diff(self.left_out, axis=0), self.sizes)


def replicate(
    models: Sequence[Answers], metrics: Sequence[Metric], resamples: int, seed: int, groups: Array | None = None
) -> Mapping[str, Replicates]:
    """Return the replicates of each metric; without those that need chances where a model has none.

    Parameters
    ----------
    models
        Answers of each to the same rows in the same order.
    resamples
        How many are wanted. With n rows at most 2·10⁸ / n are made, of a metric that is not built in 2·10⁷ / n, and
        in any case 200. Those of the confusion matrix are made whole.
    groups
        What each row belongs to, of shape (rows,): whole groups are drawn.
    """
    possible = [one for one in metrics if one.needs == "prediction" or all(own.score is not None for own in models)]
    of_cells = [one for one in possible if groups is None and built_in(one) in confusion.SCORES]
    found = _by_cells(models, of_cells, resamples, seed) if of_cells else {}
    rows = max(len(models[0].y_true), 1)
    for names, most in ((True, MOST_DRAWS), (False, MOST_CALLED)):
        own = [one for one in possible if one not in of_cells and bool(built_in(one)) is names]
        if own:
            found |= _by_rows(models, own, min(resamples, max(LEAST, most // rows)), seed, groups)
    return {one.name: found[one.name] for one in possible}


def _by_rows(
    models: Sequence[Answers], metrics: Sequence[Metric], resamples: int, seed: int, groups: Array | None
) -> dict[str, Replicates]:
    """Draw rows, or groups of them, once for all metrics."""
    rows = len(models[0].y_true)
    scorers = [[scorer(model, metric) for model in models] for metric in metrics]

    def scored(blocks: Iterable[Array]) -> list[Array]:
        found = [[np.stack([score(counts) for score in own]) for own in scorers] for counts in blocks]
        return [np.concatenate(values, axis=1) for values in zip(*found, strict=True)]

    drawn = scored(draw_rows(rows, resamples, seed) if groups is None else draw_groups(groups, resamples, seed))
    left_out = scored(leave_out(rows, seed, groups))
    found = zip(metrics, drawn, left_out, strict=True)
    return {one.name: Replicates(values, without, np.ones(without.shape[1])) for one, values, without in found}


def _by_cells(models: Sequence[Answers], metrics: Sequence[Metric], resamples: int, seed: int) -> dict[str, Replicates]:
    """Draw how many rows there are of each true class and prediction of every model, of those that occur."""
    classes = len(models[0].classes)
    kinds = np.stack([models[0].y_true, *(model.y_pred for model in models)])
    cells, sizes = np.unique(kinds, axis=1, return_counts=True)
    places = [_place(cells[0] * classes + predicted, classes**2) for predicted in cells[1:]]

    def scored(blocks: Iterator[Array]) -> list[Array]:
        found = []
        for counts in blocks:
            matrices = [(counts @ own).reshape(-1, classes, classes) for own in places]
            found.append([np.stack([confusion.SCORES[built_in(one)](own) for own in matrices]) for one in metrics])
        return [np.concatenate(values, axis=1) for values in zip(*found, strict=True)]

    drawn = scored(draw_cells(sizes, classes**2, resamples, seed))
    left_out = scored(sizes - own[None, :] for own in np.eye(len(sizes), dtype=np.int64))
    together = zip(metrics, drawn, left_out, strict=True)
    return {one.name: Replicates(values, without, sizes) for one, values, without in together}


def _place(where: Array, places: int) -> Array:
    """Return the matrix that adds each cell up where it belongs."""
    found = np.zeros((len(where), places), dtype=np.int64)
    found[np.arange(len(where)), where] = 1
    return found
