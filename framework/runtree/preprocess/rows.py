"""Fitted preprocessing for a few rows of plain values, as a service has them: no table is made where none is needed.

The numbers are those of `transform`: the same operations in the same order, with categories looked up in a table of
encoded levels. A fit is not touched.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from runtree.contract.feature_blocks import LevelBlock, NumberBlock
from runtree.preprocess.categories import UNKNOWN_CODE, NativeCodes, OneHot, TargetEncoding, stored_form
from runtree.tables.table import as_text

Array = np.ndarray[Any, Any]
Rows = Sequence[Sequence[Any]]  # numbers, texts and None, in the order of the columns of the fit
Encode = Callable[[Rows], Array]


def number_block(encoder: Any, names: Sequence[str]) -> NumberBlock:
    """Return what fills and scales numbers."""
    # the imputer itself says what it fills in, also for a column that was empty
    fill = encoder.imputer_.transform(np.full((1, len(names)), np.nan))[0, : len(names)]
    return NumberBlock(
        names, fill, encoder.imputer_.indicator_.features_, encoder.scaler_.mean_, encoder.scaler_.scale_
    )


def encode_numbers(block: NumberBlock, positions: Sequence[int], width: int) -> Encode:
    """Return what fills and scales the numbers at some positions of rows of `width` values."""
    fill: Any = block.fill
    flagged, mean, scale = block.flagged, block.mean, block.scale
    take = take_numbers(positions, width)

    def encode(rows: Rows) -> Array:
        values = take(rows)
        absent = np.isnan(values)
        if absent.any():
            values = np.where(absent, fill, values)
        if len(flagged):
            values = np.concatenate([values, absent[:, flagged]], axis=1)
        values -= mean
        values /= scale
        return values

    return encode


def take_numbers(positions: Sequence[int], width: int) -> Encode:
    """Return what makes float64 of shape (rows, positions) of rows, NaN for None."""
    if list(positions) == list(range(width)):
        return lambda rows: np.array(rows, dtype=np.float64)
    return lambda rows: np.array([[row[place] for place in positions] for row in rows], dtype=np.float64)


def level_blocks(encoder: NativeCodes | OneHot | TargetEncoding) -> list[LevelBlock]:
    """Return the encoded levels of each category."""
    codes, widths = encoder.codes_, encoder.widths()
    places = [slice(start, end) for start, end in pairwise(np.cumsum([0, *widths]))]
    blocks = []
    for column, levels in enumerate(codes.levels_):
        size = len(levels) + codes.missing_[column]
        # every level of the column once, the last row unknown; the other columns stand still
        every = np.full((size + 1, len(places)), UNKNOWN_CODE, dtype=np.int64)
        every[:size, column] = np.arange(size)
        table = encoder.encode(every)[:, places[column]]
        blocks.append(LevelBlock(codes.names_[column], levels.tolist(), table, isinstance(encoder, NativeCodes)))
    return blocks


def encode_categories(blocks: Sequence[LevelBlock], positions: Sequence[int]) -> Encode:
    """Return what looks up the encoded level of each category."""
    ends = np.cumsum([0, *(block.table.shape[1] for block in blocks)])
    places = [slice(start, end) for start, end in pairwise(ends)]
    tables = [block.table for block in blocks]
    lookups = [{name: code for code, name in enumerate(block.levels)} for block in blocks]
    absent = [len(lookup) for lookup in lookups]  # known or not: the code of "missing", else the last row

    def encode(rows: Rows) -> Array:
        block = np.empty((len(rows), ends[-1]))
        for position, place, table, lookup, missing in zip(positions, places, tables, lookups, absent, strict=True):
            unknown = len(table) - 1
            found = [
                missing if (value := row[position]) is None else lookup.get(stored_form(as_text(value)), unknown)
                for row in rows
            ]
            block[:, place] = table[found]
        return block

    return encode


def encode_table(encoder: Any, names: Sequence[str], positions: Sequence[int]) -> Encode:
    """Return what makes a small table for an encoder that takes nothing else: dates and texts."""

    def encode(rows: Rows) -> Array:
        columns = {
            name: pd.Series([row[place] for row in rows], dtype=object)
            for name, place in zip(names, positions, strict=True)
        }
        return np.asarray(encoder.transform(pd.DataFrame(columns)))

    return encode


def join_blocks(blocks: Sequence[tuple[Encode, slice]], width: int) -> Encode:
    """Return what writes the block of each encoder to its place."""
    if len(blocks) == 1:
        return blocks[0][0]

    def encode(rows: Rows) -> Array:
        values = np.empty((len(rows), width))
        for block, place in blocks:
            values[:, place] = block(rows)
        return values

    return encode
