"""The table as it comes in: a frame whose columns are found by name."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

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
