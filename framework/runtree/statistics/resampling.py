"""Resamples with replacement, as counts: how often each row, or each kind of row, was drawn.

Counts come in blocks of some megabytes, so that memory is the same for any number of resamples. A seed gives the same
counts whatever is computed from them (NumPy's PCG64; rows, groups and kinds of rows each have a stream of their own).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics import confusion
from runtree.statistics.scorers import built_in, scorer

Array = np.ndarray[Any, Any]

BLOCK = 2**17  # counts held at once: 1 MB, which a processor's cache holds too
PARTS = 200  # into which many rows are parted, to leave out one at a time
SO_MANY = 100_000  # rows, of which none is left out
STREAMS = {"rows": 0, "groups": 1, "cells": 2, "parts": 3}


def draw_rows(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield blocks of counts of shape (some resamples, rows); each resample holds as many rows as there are."""
    generator = _generator(seed, "rows")
    for size in _blocks(resamples, rows):
        yield _drawn(generator, size, rows)


def draw_groups(groups: Array, resamples: int, seed: int) -> Iterator[Array]:
    """Yield blocks of counts of shape (some resamples, rows), where whole groups are drawn (the cluster bootstrap).

    Davison & Hinkley 1997, Bootstrap Methods and their Application, §3.8: groups are resampled, and all rows of each.
    """
    _, member = np.unique(groups, return_inverse=True)
    generator, count = _generator(seed, "groups"), int(member.max()) + 1
    for size in _blocks(resamples, len(groups)):
        yield _drawn(generator, size, count)[:, member]


def draw_cells(sizes: Array, width: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield blocks of counts of shape (some resamples, cells), drawn from cells of so many rows each.

    To draw rows and count their kinds, or to draw the counts at once from the multinomial distribution, is the same.
    `width` is how many numbers the caller makes of one resample.
    """
    generator, rows = _generator(seed, "cells"), int(sizes.sum())
    for size in _blocks(resamples, max(width, len(sizes))):
        yield generator.multinomial(rows, sizes / rows, size=size)


def leave_out(rows: int, seed: int, groups: Array | None = None) -> Iterator[Array]:
    """Yield blocks of counts of shape (some parts, rows) in which each row, or group, is left out once: the jackknife.

    Of more than 200 rows or groups parts of them, made at random, are left out together. Of more than 100,000 none is:
    the acceleration that the jackknife is for shrinks with √n, and is below what their noise would add.
    """
    member = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    things = int(member.max()) + 1
    if things > SO_MANY:
        yield np.empty((0, rows), dtype=np.int64)
        return
    if things > PARTS:
        member = (_generator(seed, "parts").permutation(things) % PARTS)[member]
    parts, start = min(things, PARTS), 0
    for size in _blocks(parts, rows):
        yield (member != np.arange(start, start + size)[:, None]).astype(np.int64)
        start += size


def _generator(seed: int, stream: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAMS[stream]])))


def _drawn(generator: np.random.Generator, resamples: int, things: int) -> Array:
    drawn = generator.integers(0, things, size=(resamples, things), dtype=np.int64)
    drawn += (np.arange(resamples) * things)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * things).reshape(resamples, things)


def _blocks(resamples: int, width: int) -> Iterator[int]:
    size = max(1, BLOCK // width)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


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
    models: Sequence[Predictions], metrics: Sequence[Metric], resamples: int, seed: int, groups: Array | None = None
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
    models: Sequence[Predictions], metrics: Sequence[Metric], resamples: int, seed: int, groups: Array | None
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


def _by_cells(
    models: Sequence[Predictions], metrics: Sequence[Metric], resamples: int, seed: int
) -> dict[str, Replicates]:
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
