"""What splits and folds have in common: strata of the target, rows that repeat each other, and given splits."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from runtree.contract.durations import parse_duration
from runtree.contract.errors import ConfigError, DataError
from runtree.contract.types import SPLITS

Array = np.ndarray[Any, Any]

MAX_BINS = 10  # of a numeric target
MIN_BIN_ROWS = 5  # a bin of fewer rows cannot be shared out to five folds


def strata(target: "pd.Series[Any]", is_classification: bool, least: int = MIN_BIN_ROWS) -> "pd.Series[Any]":
    """Return the stratum of each row: its class, or the bin of a numeric target.

    Bins hold equally many rows, at least `least`; equal values are in one bin, so there may be fewer than `MAX_BINS`.
    """
    if is_classification:
        return target.cat.codes if isinstance(target.dtype, pd.CategoricalDtype) else target
    bins = min(MAX_BINS, max(len(target) // max(least, 1), 1))
    ranks = target.rank(method="min").to_numpy() - 1
    codes = (ranks * bins // len(target)).astype(int)
    # a bin that many equal values have emptied or thinned out joins the one before it
    counts = np.bincount(codes, minlength=bins)
    joined, place, size = np.zeros(bins, dtype=int), 0, 0
    for code, count in enumerate(counts):
        if size >= least and counts[code:].sum() >= least:
            place, size = place + 1, 0
        joined[code], size = place, size + count
    return pd.Series(joined[codes], target.index)


def share_rare(sides: Array, stratum: Array, remaining: int) -> Array:
    """Return sides of a hold-out, 0 and 1, that both have each class which has enough rows.

    Shares are rounded: of a class of three rows in a thousand none would be held out. Rows of the commonest class move
    the other way.

    Parameters
    ----------
    stratum
        The class of each row by its number, of shape (rows,).
    remaining
        The rows of a class that stay on the side 0 at least.
    """
    counts = np.bincount(stratum)
    held = np.bincount(stratum, weights=sides).astype(int)
    commonest, moved = int(counts.argmax()), sides.copy()
    for code in np.flatnonzero((counts > remaining) & ((held == 0) | (counts - held < remaining))).tolist():
        lacking = 1 if held[code] == 0 else 0
        for _ in range(1 if lacking else int(remaining - (counts[code] - held[code]))):
            for mover, side in ((code, lacking), (commonest, 1 - lacking)):
                moved[np.flatnonzero((stratum == mover) & (moved != side))[0]] = side
    return moved


# --- Rows that repeat each other.

MAX_REPEATED = 0.2  # where more rows repeat others, equal rows are what the table is made of


def repeated_rows(hashes: Array) -> Array:
    """Return for each row the first row with the same features, of shape (rows,), by 64-bit hashes of the values."""
    ordered = np.sort(hashes)
    rows = np.arange(len(hashes))
    if (ordered[1:] != ordered[:-1]).all():  # takes less memory than a table of hashes
        return rows
    codes, distinct = pd.factorize(hashes)
    first = np.zeros(len(distinct), dtype=np.int64)
    first[codes[::-1]] = rows[::-1]  # what is written last stays
    return first[codes]


def keep_together(sides: Array, firsts: Array, stratum: Array, seed: int) -> Array:
    """Return sides on which rows that repeat each other are together, as large as before where that is possible.

    Parameters
    ----------
    sides
        The side of each row, as a small number: 0 and 1 of a hold-out, or the number of a fold.
    firsts
        For each row a number that repeated rows share.
    stratum
        For each row its class or bin: where a row moves to another side, one of the same stratum moves back.
    """
    order = np.argsort(firsts, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(firsts[order]) != 0])
    sizes = np.diff(np.r_[starts, len(order)])
    lowest, highest = np.minimum.reduceat(sides[order], starts), np.maximum.reduceat(sides[order], starts)
    torn = np.flatnonzero(lowest != highest)
    if not len(torn):
        return sides
    sides, shuffled = sides.copy(), np.random.default_rng(seed).permutation(order[starts[sizes == 1]])
    free: dict[tuple[Any, int], list[int]] = {}
    for row in shuffled.tolist():
        free.setdefault((stratum[row], int(sides[row])), []).append(row)
    # rows that each side lacks, where no single row could move back
    lacks: dict[tuple[Any, int], int] = {}
    for at in torn.tolist():
        rows = order[starts[at] : starts[at] + sizes[at]]
        values, counts = np.unique(sides[rows], return_counts=True)
        labels = stratum[rows].tolist()
        owed = [sum(lacks.get((label, side), 0) for label in labels) for side in values.tolist()]
        home = int(values[np.lexsort((-counts, -np.asarray(owed)))[0]])
        for row in rows[sides[rows] != home].tolist():
            back, side = free.get((stratum[row], home)), int(sides[row])
            if back:
                sides[back.pop()] = side
            else:
                lacks[stratum[row], side] = lacks.get((stratum[row], side), 0) + 1
                lacks[stratum[row], home] = lacks.get((stratum[row], home), 0) - 1
            sides[row] = home
    return sides


# --- A split that the table, or a file beside it, gives.

WORDS = {"train": "train", "training": "train", "validation": "validation", "val": "validation", "valid": "validation"}
WORDS |= {"dev": "validation", "test": "test"}
ALWAYS_TRAIN = -1  # as in scikit-learn's PredefinedSplit


def read_given(column: "pd.Series[Any]", path: str) -> "pd.Series[Any]":
    """Return for each row ``train``, ``validation``, ``test``, or the number of its fold as text; ``-1``: train.

    Raises
    ------
    DataError
        A row without a value, or with another one.
    """
    missing = int(column.isna().sum())
    if missing:
        raise DataError(f"{path}: '{column.name}' is missing in {missing:,} of {len(column):,} rows", _values_hint())
    texts = column.map(lambda value: str(value).strip().lower().removesuffix(".0"))
    read = texts.map(lambda text: WORDS.get(text, text if re.fullmatch(r"-1|\d{1,6}", text) else None))
    if read.isna().any():
        bad = column[read.isna()].iloc[0]
        raise DataError(
            f"{path}: '{column.name}' holds {bad!r}, which is no split and no number of a fold", _values_hint()
        )
    return read


def _values_hint() -> str:
    return f"possible: {', '.join(SPLITS)}, or the numbers of folds: 0, 1, 2 …"


def fold_numbers(given: "pd.Series[Any]") -> Array:
    """Return the number of each row's fold; `ALWAYS_TRAIN` where it has none."""
    return given.where(given.str.fullmatch(r"\d+"), str(ALWAYS_TRAIN)).astype(int).to_numpy()


def given_splits(given: "pd.Series[Any]", holds_out: bool) -> tuple[dict[str, Array], list[str]]:
    """Return the rows of each split that is given, and notes; without words the last folds are held out."""
    numbers = fold_numbers(given)
    rows: dict[str, Array] = {name: np.flatnonzero(given == name) for name in SPLITS if (given == name).any()}
    left, notes = sorted(set(numbers.tolist()) - {ALWAYS_TRAIN}), []
    for name in ("test", "validation") if holds_out else ("test",):
        # two at least: one to be held out, and one to learn from
        if name not in rows and (len(left) > 1 or (left and "train" in rows)):
            number = left.pop()
            rows[name] = np.flatnonzero(numbers == number)
            notes.append(f"fold {number} is the {name} split, as no row is '{name}'")
    others = np.flatnonzero(np.isin(numbers, [*left, ALWAYS_TRAIN]) & ~given.isin(SPLITS).to_numpy())
    rows["train"] = np.sort(np.concatenate([rows.get("train", others[:0]), others]))
    return rows, notes


# --- Gaps in time.


def read_gap(gap: Any, path: str) -> "int | pd.Timedelta":
    """Return a gap as a number of rows, or a duration such as ``7d``, ``12h``, ``30min``, ``2w``.

    Raises
    ------
    ConfigError
        It is neither.
    """
    if isinstance(gap, int) and not isinstance(gap, bool) and gap >= 0:
        return gap
    seconds = parse_duration(gap)
    if seconds is None:
        raise ConfigError(
            f"{path}: {gap!r} is neither a number of rows nor a duration", f"such as {path}=100, {path}=7d"
        )
    return pd.Timedelta(seconds=seconds)


def before_gap(times: "pd.Series[Any]", rows: Array, border: int, gap: "int | pd.Timedelta", path: str) -> int:
    """Return the place at which the earlier rows end, with `gap` left out before `border`.

    Parameters
    ----------
    rows
        In the order of their times.
    """
    if isinstance(gap, int):
        return max(border - gap, 0)
    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        raise ConfigError(
            f"{path}: '{times.name}' holds numbers, and {gap} is a duration", f"name a number of rows: {path}=100"
        )
    values = times.iloc[rows].to_numpy()
    return int(np.searchsorted(values[:border], values[border] - gap.to_timedelta64(), side="right"))


def split_size(size: float, total: int) -> int:
    """Return a share of `total` as a count, rounded up as scikit-learn does; a count stays as it is."""
    return math.ceil(size * total) if isinstance(size, float) else size


def shown_classes(labels: Sequence[Any]) -> str:
    """Return some classes for a message."""
    return ", ".join(repr(label) for label in labels[:3]) + (", …" if len(labels) > 3 else "")
