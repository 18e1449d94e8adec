"""Resamples with replacement, as counts: how often each row, or each kind of row, was drawn.

Counts come in blocks of some megabytes, so that memory is the same for any number of resamples. A seed gives the same
counts whatever is computed from them (NumPy's PCG64; rows, groups and kinds of rows each have a stream of their own).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

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
