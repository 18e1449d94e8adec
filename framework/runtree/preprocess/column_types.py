"""What a column is: learned once, from the train part, so that later tables are read alike."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.preprocess.dates import find_format
from runtree.preprocess.numeric import holds_numbers
from runtree.preprocess.table import distinct, spread

Kind = Literal["number", "date", "few", "many", "text", "dropped"]

WORD = re.compile(r"\w+")
SEVERAL = 3.0  # words: a name has two, an address or a sentence has more
SAMPLE = 20_000  # rows


@dataclass(frozen=True)
class ColumnType:
    """What a column is, with its date format where it is a date written as text, or the reason why it is dropped."""

    kind: Kind
    detail: str = ""


def infer_column_type(column: "pd.Series[Any]", max_levels: int) -> ColumnType:
    """Tell what a column of the train part is.

    Parameters
    ----------
    column
        One column, named.
    max_levels
        A category with more distinct values than this is one of "many" levels.
    """
    missing = int(column.isna().sum())
    if missing == len(column):
        return ColumnType("dropped", "entirely missing")
    if holds_numbers(column) or types.is_datetime64_any_dtype(column.dtype):
        kind: Kind = "number" if holds_numbers(column) else "date"
        return ColumnType("dropped", "constant") if _is_constant(column) else ColumnType(kind)
    return _learn_written(column, max_levels) or _learn_category(column, max_levels)


def _learn_written(column: "pd.Series[Any]", max_levels: int) -> ColumnType | None:
    """Tell dates and sentences, which a sample shows; all distinct texts of a large table are many."""
    positions, texts = distinct(spread(column, SAMPLE))
    if len(texts) == 1 and _is_constant(column):
        return ColumnType("dropped", "constant")
    form = find_format(texts, np.bincount(positions[positions >= 0], minlength=len(texts)))
    if form:
        return ColumnType("date", form)
    return ColumnType("text") if len(texts) > max_levels and _are_sentences(texts) else None


def _learn_category(column: "pd.Series[Any]", max_levels: int) -> ColumnType:
    positions, texts = distinct(column)
    if len(texts) <= max_levels:
        return ColumnType("few")
    if np.bincount(positions[positions >= 0]).max() == 1:
        return ColumnType("dropped", "every value is different, as in an identifier")
    return ColumnType("many")


def _is_constant(column: "pd.Series[Any]") -> bool:
    """Tell whether all rows are equal; with holes they are not, for a hole tells something too."""
    return not column.isna().any() and bool((column == column.iloc[0]).all())


def _are_sentences(texts: list[str]) -> bool:
    words = [sum(bool(WORD.search(part)) for part in text.split()) for text in texts]
    return float(np.mean(words)) >= SEVERAL
