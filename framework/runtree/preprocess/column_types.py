"""The type of a column, inferred once from the train split so that later tables are read in the same way."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.tables.dates import find_format
from runtree.tables.numbers import is_numeric
from runtree.tables.table import factorize_texts, sample_evenly

Kind = Literal["number", "date", "few", "many", "text", "dropped"]

WORD = re.compile(r"\w+")
MIN_TEXT_WORDS = 3.0  # on average: a name has two words, an address or a sentence has more
MIN_NAME_WORDS = 1.5  # names of persons, of which nearly each row has another one, are read as text, too
MIN_NAME_SHARE = 0.2  # distinct ones among the rows: of fewer each has rows enough for a mean of its own
SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class ColumnType:
    """The kind of a column; `detail` is the format of a date written as text, or the reason for dropping it."""

    kind: Kind
    detail: str = ""


def infer_column_type(column: "pd.Series[Any]", max_levels: int) -> ColumnType:
    """Return the type of a named column of the train split.

    Parameters
    ----------
    max_levels
        A category with more distinct values is of kind "many".
    """
    missing = int(column.isna().sum())
    if missing == len(column):
        return ColumnType("dropped", "entirely missing")
    if is_numeric(column) or types.is_datetime64_any_dtype(column.dtype):
        if _is_constant(column):
            return ColumnType("dropped", "constant")
        return ColumnType("number" if is_numeric(column) else "date")
    return _infer_text(column, max_levels) or _infer_category(column, max_levels)


def _infer_text(column: "pd.Series[Any]", max_levels: int) -> ColumnType | None:
    """Recognise dates and free text by a sample: distinct texts of a large table are many."""
    # evenly spaced and not at random: the type of a column must not depend on a seed
    positions, texts = factorize_texts(sample_evenly(column, SAMPLE_ROWS))
    # one text in the sample may be one of two in the column, hence the second test on all rows
    if len(texts) == 1 and _is_constant(column):
        return ColumnType("dropped", "constant")
    date_format = find_format(texts, np.bincount(positions[positions >= 0], minlength=len(texts)))
    if date_format:
        return ColumnType("date", date_format)
    words = MIN_NAME_WORDS if len(texts) >= MIN_NAME_SHARE * len(positions) else MIN_TEXT_WORDS
    return ColumnType("text") if len(texts) > max_levels and _mean_words(texts) >= words else None


def _infer_category(column: "pd.Series[Any]", max_levels: int) -> ColumnType:
    positions, texts = factorize_texts(column)
    if len(texts) <= max_levels:
        return ColumnType("few")
    # an identifier: a level with a single row says nothing about later rows
    if np.bincount(positions[positions >= 0]).max() == 1:
        return ColumnType("dropped", "every value is different, as in an identifier")
    return ColumnType("many")


def _is_constant(column: "pd.Series[Any]") -> bool:
    """Whether all rows are equal; a column with missing values is not constant, as they may be informative."""
    return not column.isna().any() and bool((column == column.iloc[0]).all())


def _mean_words(texts: list[str]) -> float:
    return float(np.mean([sum(bool(WORD.search(part)) for part in text.split()) for text in texts]))
