"""The table as it comes in: a frame whose columns are found by name."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError

SHOWN = 10

Rows = TypeVar("Rows", pd.DataFrame, "pd.Series[Any]")


def as_table(X: Any) -> pd.DataFrame:
    """Return X as a frame with distinct text names; the columns of an array are called x0, x1, …"""
    table = X if isinstance(X, pd.DataFrame) else _from_array(X)
    names = [str(name) for name in table.columns]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise DataError(f"{_called(repeated)} more than once in the table", "give every column a name of its own")
    return table if list(table.columns) == names else table.set_axis(names, axis=1)


def pick(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the columns `names` in this order, whatever else the table holds.

    A table that is these columns already is handed back untouched: choosing columns can change the memory layout,
    and sums over another layout differ in their last bits.
    """
    check_columns(table, names)
    return table if list(table.columns) == list(names) else table[list(names)]


def check_columns(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a table that has the columns `names`."""
    there = set(table.columns)
    missing = [name for name in names if name not in there]
    if missing:
        them = "it" if len(missing) == 1 else "them"
        raise DataError(f"{_called(missing)} missing; the model was trained with {them}")
    return table


def check_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that something can be learned from."""
    if not len(table):
        raise DataError("the table has no rows to learn from")
    if not table.shape[1]:
        raise DataError("the table has no columns to learn from")
    return table


def spread(rows: Rows, count: int) -> Rows:
    """Return at most `count` rows, evenly spaced: all of them where there are no more."""
    return rows.iloc[:: max(1, -(-len(rows) // count))]


def distinct_names(names: Iterable[str]) -> "np.ndarray[Any, Any]":
    """Return `names` as scikit-learn hands them out, told apart where two columns arrive at the same one."""
    taken: dict[str, None] = {}
    for name in names:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken[unique] = None
    return np.asarray(list(taken), dtype=object)


def _from_array(X: Any) -> pd.DataFrame:
    array = np.asarray(X)
    if array.ndim != 2:
        raise DataError(f"a table has rows and columns; this has the shape {array.shape}")
    return pd.DataFrame(array, columns=[f"x{position}" for position in range(array.shape[1])])


def _called(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    more = f", … ({len(names)} in all)" if len(names) > SHOWN else ""
    return f"column {shown} is" if len(names) == 1 else f"columns {shown}{more} are"


# --- Values as text: the one form in which a category met as 3, 3.0 or "3" is the same category.


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
