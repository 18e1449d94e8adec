"""The type of a column: what its values show, unless the user says otherwise.

It is decided once, on the table of a run. The preprocessing asks the same functions about its train rows, for what
depends on them: how many levels there are, and which columns vary at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import ConfigError, DataError, possible
from runtree.tables.csv_files import CODE
from runtree.tables.dates import find_format
from runtree.tables.declared import is_date_format
from runtree.tables.numbers import is_numeric
from runtree.tables.stacking import kind_of
from runtree.tables.table import count_distinct, factorize_texts, sample_evenly

Kind = Literal["number", "date", "few", "many", "text", "dropped"]

WORD = re.compile(r"\w+")
MIN_TEXT_WORDS = 3.0  # on average: a name has two words, an address or a sentence has more
MIN_NAME_WORDS = 1.5  # names of persons, of which nearly each row has another one, are read as text, too
MIN_NAME_SHARE = 0.2  # distinct ones among the rows: of fewer each has rows enough for a mean of its own
MAX_LABELS = 255  # distinct texts that repeat: of so few in so many rows, the longest are labels and no sentences
MAX_LABEL_SHARE = 0.05
SAMPLE_ROWS = 20_000
MAX_LEVELS = 10  # the default of `preprocess.max_levels`
CHOICES = ("number", "date", "category", "one_hot", "target", "text", "drop")  # of `preprocess.columns`


@dataclass(frozen=True)
class ColumnType:
    """The kind of a column; `detail` is the format of a date written as text, or the reason for dropping it."""

    kind: Kind
    detail: str = ""


def infer_column_type(column: "pd.Series[Any]", max_levels: int, asked: str = "") -> ColumnType:
    """Return the type of a named column of the train split.

    Parameters
    ----------
    max_levels
        A category with more distinct values is of kind "many".
    asked
        What the user wants it to be, one of `CHOICES`; "" for what its values show.

    Raises
    ------
    DataError
        The column cannot be read as what is asked.
    """
    if asked == "drop":
        return ColumnType("dropped", "preprocess.columns")
    if column.isna().all():
        return ColumnType("dropped", "entirely missing")
    if asked not in ("", "number", "date"):
        return _as_asked(column, max_levels, asked)
    if is_numeric(column) or types.is_datetime64_any_dtype(column.dtype):
        found = "number" if is_numeric(column) else "date"
        if asked not in ("", found):
            raise _not_readable(column, asked, f"{found}s")
        if _is_constant(column):
            return ColumnType("dropped", "constant")
        return ColumnType("number" if found == "number" else "date")
    inferred = _infer_text(column, max_levels) or _infer_category(column, max_levels)
    if asked and inferred.kind not in (asked, "dropped"):
        raise _not_readable(column, asked, "text")
    return inferred


def _as_asked(column: "pd.Series[Any]", max_levels: int, asked: str) -> ColumnType:
    """Return the type of a column that is to be a category or text; it may hold numbers, too."""
    if asked == "text":
        return ColumnType("text")
    if asked != "category":
        return ColumnType("few" if asked == "one_hot" else "many")
    if _is_constant(column):
        return ColumnType("dropped", "constant")
    return ColumnType("few" if count_distinct(column) <= max_levels else "many")


def _not_readable(column: "pd.Series[Any]", asked: str, holds: str) -> DataError:
    return DataError(
        f"preprocess.columns.{column.name}: it holds {holds}, which is not read as {asked}",
        f"type: data.types.{column.name}={asked}, or leave it out",
    )


def check_choices(chosen: Mapping[str, Any]) -> None:
    """Refuse what `preprocess.columns` does not know."""
    for name, asked in chosen.items():
        if asked not in CHOICES:
            raise ConfigError(f"preprocess.columns.{name}: '{asked}' is not known", possible(CHOICES))


def describe_type(column: "pd.Series[Any]", declared: str = "", asked: str = "") -> dict[str, Any]:
    """Return the type of a column and what shows it, as `data.json` says it; `declared` is its type by `data.types`."""
    if declared:
        kind = "date" if is_date_format(declared) else "number" if declared == "decimal_comma" else declared
        return {"type": kind, "why": "data.types" if kind == declared else f"data.types: {declared}"}
    if types.is_bool_dtype(column.dtype) or (column.dtype == object and kind_of(column) == "truth value"):
        return {"type": "boolean", "why": "holds true and false"}
    if types.is_integer_dtype(column.dtype) and not _is_constant(column):
        return {"type": "integer", "why": "holds whole numbers"}
    found = infer_column_type(column, MAX_LEVELS, asked)
    if found.kind == "number":
        return {"type": "number", "why": "holds numbers"}
    if found.kind == "date":
        return {"type": "date", "why": f"texts are dates as {found.detail}" if found.detail else "holds dates"}
    if found.kind == "text":
        return {"type": "text", "why": "holds several words, mostly other ones in each row"}
    if found.kind == "dropped":
        kind = "identifier" if "identifier" in found.detail else "empty" if "missing" in found.detail else "constant"
        return {"type": kind, "why": found.detail}
    if not is_numeric(column):
        _, texts = factorize_texts(column)
        if all(text.isdigit() for text in texts) and any(CODE.fullmatch(text) for text in texts):
            return {"type": "code", "why": "digits, some with leading zeros"}
    return {"type": "category", "why": f"{count_distinct(column):,} distinct texts"}


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
    if len(texts) <= MAX_LABELS and len(texts) < MAX_LABEL_SHARE * len(positions):
        return None
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
