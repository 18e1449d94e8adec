"""Resampling of rows with replacement, and metrics on each resample.

A resample is kept as counts: how often each row, or each cell of a confusion matrix, was drawn. Counts come in blocks
of a megabyte, so that memory does not depend on the number of resamples. The counts depend on the seed alone and not
on what is computed from them (NumPy's PCG64 with a stream each for rows, groups and cells).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.fast_metrics import CONFUSION_METRICS, builtin_name, make_scorer

Array = np.ndarray[Any, Any]

BLOCK_COUNTS = 2**17  # 1 MB, which fits into a processor's cache
JACKKNIFE_PARTS = 200
MAX_JACKKNIFE_ROWS = 100_000
MAX_ROWS_DRAWN = 200_000_000  # over all resamples: 10,000 resamples up to 20,000 rows, 2,000 up to 100,000
MAX_ROWS_CALLED = 20_000_000  # the same where a plugin's metric is called on each resample
# fewer leave the limits of a 95 % interval to a handful of replicates
MIN_RESAMPLES = 200
# Below, intervals from groups are too narrow: see docs/statistics.md (Cameron, Gelbach & Miller 2008,
# doi:10.1162/rest.90.3.414).
TRUSTED_GROUPS = 20
# a stream for each purpose, so that adding a metric of another kind changes no interval of the others
STREAMS = {"rows": 0, "groups": 1, "cells": 2, "parts": 3}


@dataclass(frozen=True)
class Replicates:
    """Values of a metric on resamples; NaN where it is not defined.

    Attributes
    ----------
    drawn
        Of shape (models, resamples); all models are scored on the same resamples.
    left_out
        Of shape (models, parts): the jackknife values, each without one part of the rows.
    sizes
        Of shape (parts,): the weight of each part.
    """

    drawn: Array
    left_out: Array
    sizes: Array

    def difference(self) -> "Replicates":
        """Return the replicates of the first model minus the second."""
        return Replicates(-np.diff(self.drawn, axis=0), -np.diff(self.left_out, axis=0), self.sizes)


def too_few_units(rows: int, groups: Array | None, level: float) -> str:
    """Return why so few rows, or groups, have no interval; empty if they are enough.

    n units have C(2n - 1, n) different resamples, and an interval at 95 % needs 40 of them for each tail to hold one:
    5 units have 126, 4 have 35. One unit has a single resample, which suggested certainty.
    """
    units = rows if groups is None else len(np.unique(groups))
    if units and math.comb(2 * units - 1, units) >= 2 / (1 - level):
        return ""
    noun = "row" if groups is None else "group"
    return f"{units} {noun}{' is' if units == 1 else 's are'} too few to resample"


def replicate(
    models: Sequence[Predictions], metrics: Sequence[Metric], resamples: int, seed: int, groups: Array | None = None
) -> Mapping[str, Replicates]:
    """Return the replicates of each metric; metrics of probabilities are left out where a model has none.

    Parameters
    ----------
    models
        Predictions of each model for the same rows in the same order.
    resamples
        The number wanted. With n rows at most 2·10⁸ / n are drawn, for a plugin's metric 2·10⁷ / n, and at least 200.
        Confusion matrices are always drawn in full.
    groups
        Group of each row, of shape (rows,): whole groups are drawn.
    """
    possible = [
        metric for metric in metrics if metric.needs == "prediction" or all(model.score is not None for model in models)
    ]
    by_matrix = [metric for metric in possible if groups is None and builtin_name(metric) in CONFUSION_METRICS]
    # the cost of a matrix does not depend on the rows, hence no limit there
    replicates = _replicate_matrices(models, by_matrix, resamples, seed) if by_matrix else {}
    rows = max(len(models[0].y_true), 1)
    for builtin, max_rows in ((True, MAX_ROWS_DRAWN), (False, MAX_ROWS_CALLED)):
        by_rows = [metric for metric in possible if metric not in by_matrix and bool(builtin_name(metric)) is builtin]
        if by_rows:
            count = min(resamples, max(MIN_RESAMPLES, max_rows // rows))
            replicates |= _replicate_rows(models, by_rows, count, seed, groups)
    return {metric.name: replicates[metric.name] for metric in possible}


def _replicate_rows(
    models: Sequence[Predictions], metrics: Sequence[Metric], resamples: int, seed: int, groups: Array | None
) -> dict[str, Replicates]:
    """Draw rows, or groups of rows, once for all metrics."""
    rows = len(models[0].y_true)
    scorers = [[make_scorer(model, metric) for model in models] for metric in metrics]

    def score(blocks: Iterable[Array]) -> list[Array]:
        values = [[np.stack([scorer(counts) for scorer in of_metric]) for of_metric in scorers] for counts in blocks]
        return [np.concatenate(of_metric, axis=1) for of_metric in zip(*values, strict=True)]

    drawn = score(draw_rows(rows, resamples, seed) if groups is None else draw_groups(groups, resamples, seed))
    left_out = score(leave_out(rows, seed, groups))
    return {
        metric.name: Replicates(values, without, np.ones(without.shape[1]))
        for metric, values, without in zip(metrics, drawn, left_out, strict=True)
    }


def _replicate_matrices(
    models: Sequence[Predictions], metrics: Sequence[Metric], resamples: int, seed: int
) -> dict[str, Replicates]:
    """Draw confusion matrices instead of rows: metrics of the matrix depend on nothing else.

    A cell is one combination of the true class and the predictions of every model, so that the models stay paired.
    """
    classes = len(models[0].classes)
    combinations = np.stack([models[0].y_true, *(model.y_pred for model in models)])
    cells, sizes = np.unique(combinations, axis=1, return_counts=True)
    # one matrix for each model that adds every cell up at its place in the model's confusion matrix
    sums = [np.eye(classes**2, dtype=np.int64)[cells[0] * classes + predicted] for predicted in cells[1:]]

    def score(blocks: Iterable[Array]) -> list[Array]:
        values = []
        for counts in blocks:
            matrices = [(counts @ place).reshape(-1, classes, classes) for place in sums]
            values.append(
                [np.stack([CONFUSION_METRICS[builtin_name(metric)](own) for own in matrices]) for metric in metrics]
            )
        return [np.concatenate(of_metric, axis=1) for of_metric in zip(*values, strict=True)]

    drawn = score(draw_cells(sizes, classes**2, resamples, seed))
    # leaving out one row of a cell is the same for all its rows: one value for the cell, weighted by its size
    left_out = score(sizes - single[None, :] for single in np.eye(len(sizes), dtype=np.int64))
    together = zip(metrics, drawn, left_out, strict=True)
    return {metric.name: Replicates(values, without, sizes) for metric, values, without in together}


def draw_rows(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield blocks of counts of shape (some resamples, rows); each resample has as many rows as the data."""
    generator = _generator(seed, "rows")
    for size in _block_sizes(resamples, rows):
        yield _draw(generator, size, rows)


def draw_groups(groups: Array, resamples: int, seed: int) -> Iterator[Array]:
    """Yield blocks of counts of shape (some resamples, rows), drawing whole groups (the cluster bootstrap).

    Davison & Hinkley 1997, Bootstrap Methods and their Application, §3.8: groups are resampled, and all rows of each.
    """
    # labels become positions, so that counts of groups can be spread over their rows by indexing
    _, group = np.unique(groups, return_inverse=True)
    generator, count = _generator(seed, "groups"), int(group.max()) + 1
    for size in _block_sizes(resamples, len(groups)):
        yield _draw(generator, size, count)[:, group]


def draw_cells(sizes: Array, width: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield blocks of counts of shape (some resamples, cells) for cells that hold `sizes` rows.

    Drawing rows and counting their cells is drawing from the multinomial distribution. `width` is the number of values
    that the caller makes of each resample.
    """
    generator, rows = _generator(seed, "cells"), int(sizes.sum())
    for size in _block_sizes(resamples, max(width, len(sizes))):
        yield generator.multinomial(rows, sizes / rows, size=size)


def leave_out(rows: int, seed: int, groups: Array | None = None) -> Iterator[Array]:
    """Yield blocks of counts of shape (some parts, rows) that leave out each row, or group, once: the jackknife.

    More than 200 rows or groups are divided into 200 random parts. Beyond 100,000 nothing is left out: the acceleration
    that the jackknife estimates shrinks with √n, below the noise that the parts would add.
    """
    part = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(part.max()) + 1
    if count > MAX_JACKKNIFE_ROWS:
        yield np.empty((0, rows), dtype=np.int64)
        return
    if count > JACKKNIFE_PARTS:
        # parts are random, because neighbouring rows may be alike, and differ by at most one row in size
        part = (_generator(seed, "parts").permutation(count) % JACKKNIFE_PARTS)[part]
    parts, start = min(count, JACKKNIFE_PARTS), 0
    for size in _block_sizes(parts, rows):
        yield (part != np.arange(start, start + size)[:, None]).astype(np.int64)
        start += size


def _generator(seed: int, stream: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAMS[stream]])))


def _draw(generator: np.random.Generator, resamples: int, items: int) -> Array:
    drawn = generator.integers(0, items, size=(resamples, items), dtype=np.int64)
    drawn += (np.arange(resamples) * items)[:, None]  # one bincount for all resamples
    return np.bincount(drawn.ravel(), minlength=resamples * items).reshape(resamples, items)


def _block_sizes(resamples: int, width: int) -> Iterator[int]:
    # at least one resample, even if a single one exceeds the block
    size = max(1, BLOCK_COUNTS // width)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
