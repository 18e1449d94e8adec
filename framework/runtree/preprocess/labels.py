"""Values as text: the one form in which a category met as 3, 3.0 or "3" is the same category."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError


def distinct(column: "pd.Series[Any]") -> "tuple[np.ndarray[Any, Any], list[str]]":
    """Return the distinct values of a column as text, and for each row the position of its value.

    Everything slow is done once a distinct value rather than once a row.

    Returns
    -------
    positions
        int64 of shape (rows,), -1 where the value is missing.
    texts
        The distinct values, in the order in which they were met.
    """
    positions, values = pd.factorize(_hashable(column))
    texts = [as_text(value) for value in np.asarray(values, dtype=object)]
    unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(unique) < len(texts):  # categories 3 and "3"
        positions = np.asarray([*(unique[text] for text in texts), -1]).take(positions)
    return positions.astype(np.int64, copy=False), list(unique)


def as_text(value: Any) -> str:
    """Return the text form of a value; a whole number is the same text whether it came as int or as float."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def texts_of(column: "pd.Series[Any]", missing: str = "") -> "np.ndarray[Any, Any]":
    """Return each row's value as text, `missing` where there is none."""
    positions, texts = distinct(column)
    return np.asarray([*texts, missing], dtype=object).take(positions)


def _hashable(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column whose equal values are equal as text: to Python False is 0 as well."""
    if column.dtype != object or types.infer_dtype(column, skipna=True) == "string":
        return column
    held = next((kind for kind in {type(value) for value in column} if kind.__hash__ is None), None)
    if held is not None:
        message = f"column '{column.name}' holds values of type {held.__name__}"
        raise DataError(message, "make numbers, text or dates of them first, or leave the column out")
    return column.map(as_text, na_action="ignore")
