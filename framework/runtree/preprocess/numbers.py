"""Reading columns as numbers, however they were stored."""

import math
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError
from runtree.preprocess.labels import distinct

NUMBERS_IN_OBJECTS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"})
WORDS = {"true": 1.0, "false": 0.0, "": math.nan}


def holds_numbers(column: "pd.Series[Any]") -> bool:
    """Tell whether every value that is there is a number, a truth value or a duration; text never is one."""
    dtype = column.dtype
    if types.is_object_dtype(dtype):
        return types.infer_dtype(column, skipna=True) in NUMBERS_IN_OBJECTS
    return _is_number(dtype) or types.is_timedelta64_dtype(dtype)


def content(column: "pd.Series[Any]") -> str:
    """Say in a word what a column holds, for messages."""
    if holds_numbers(column):
        return "numbers"
    if types.is_datetime64_any_dtype(column.dtype):
        return "dates"
    return "categories" if isinstance(column.dtype, pd.CategoricalDtype) else "text"


def check_numbers(table: pd.DataFrame, choice: str) -> None:
    """Refuse a table to learn from in which a column is not of numbers."""
    for name, column in table.items():
        if not holds_numbers(column):
            message = f"preprocess={choice} takes numbers only; column '{name}' holds {content(column)}"
            raise DataError(message, "use preprocess=tabular")


def to_numbers(table: pd.DataFrame) -> "np.ndarray[Any, Any]":
    """Return float64 of shape (rows, columns) with NaN for what is missing.

    Raises
    ------
    DataError
        If a value is text that is no number, or infinite.
    """
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iufb" for dtype in table.dtypes):
        values = table.to_numpy(dtype=np.float64)  # keeps the layout scikit-learn would see: sums are equal to the bit
    else:
        values = np.empty(table.shape, order="F")
        for position, (_, column) in enumerate(table.items()):
            values[:, position] = _read(column)
    _check_finite(values, table)
    return values


def _is_number(dtype: Any) -> bool:
    return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)


def _read(column: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    if types.is_timedelta64_dtype(column.dtype):
        column = column.dt.total_seconds()
    if _is_number(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if types.is_datetime64_any_dtype(column.dtype) and column.notna().any():
        raise DataError(f"column '{column.name}' holds dates; the model was trained with numbers")
    positions, texts = distinct(column)
    return np.asarray([*(_parse(text, column.name) for text in texts), math.nan]).take(positions)


def _parse(text: str, name: Any) -> float:
    """Return the number that a text is: a chunk of a file may be read as text where the train part was numbers."""
    try:
        return float(text)
    except ValueError:
        word = text.strip().lower()
        if word in WORDS:
            return WORDS[word]
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    raise DataError(f"column '{name}' holds '{shown}', which is no number; the model was trained with numbers")


def _check_finite(values: "np.ndarray[Any, Any]", table: pd.DataFrame) -> None:
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        name = table.columns[int(np.argmax(infinite))]
        raise DataError(f"column '{name}' holds infinity", "make it a missing value or a large number")
