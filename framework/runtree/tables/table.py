"""Reading tables by column name, and their values in one text form.

In the text form a category is the same whether it came as 3, 3.0 or "3": a chunk of a CSV file may be read with another
dtype than the train split was.
"""

import weakref
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError

MAX_LISTED_COLUMNS = 10  # in messages
KEPT_ROWS = 500  # of a column from which on its levels are kept
KEPT_BYTES = 64 << 20  # of all that is kept
TEXT_BYTES = 64  # about what a short text of Python takes

Rows = TypeVar("Rows", pd.DataFrame, "pd.Series[Any]")


def as_table(X: Any, expected: int | None = None, reader: str = "") -> pd.DataFrame:
    """Return X as a frame with distinct text names; the columns of an array are named x0, x1, …

    An array has no names to find its columns by: `reader` refuses one with another number than the `expected` one.
    """
    table = X if isinstance(X, pd.DataFrame) else _from_array(X)
    if expected is not None and table is not X and table.shape[1] != expected:
        # scikit-learn's own words, which its checks look for, here and below
        raise DataError(f"X has {table.shape[1]} features, but {reader} is expecting {expected} features as input")
    if any(dtype.kind == "c" for dtype in table.dtypes):
        raise DataError("Complex data not supported", "use the real and the imaginary part as two columns")
    # as text: the columns of a frame may be integers, and those of a saved model are read from JSON as texts
    names = [str(name) for name in table.columns]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise DataError(f"{_quoted(repeated)} more than once in the table", "give each column its own name")
    return table if list(table.columns) == names else table.set_axis(names, axis=1)


def pick(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the columns `names` in this order.

    A table with exactly these columns is returned as it is: selecting columns can change the memory layout, and sums
    over another layout differ in their last bits.
    """
    check_columns(table, names)
    return table if list(table.columns) == list(names) else table[list(names)]


def check_columns(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the table; raise `DataError` if a column is missing."""
    present = set(table.columns)
    missing = [name for name in names if name not in present]
    if missing:
        raise DataError(
            f"{_quoted(missing)} missing; the model was trained with {'it' if len(missing) == 1 else 'them'}"
        )
    return table


def check_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table; raise `DataError` if there is nothing to learn from."""
    if not len(table):
        raise DataError("the table has no rows to learn from")
    if not table.shape[1]:
        shape = f"0 feature(s) (shape={table.shape}) while a minimum of 1 is required."
        raise DataError(f"the table has no columns to learn from: {shape}")
    return table


def sample_evenly(rows: Rows, count: int) -> Rows:
    """Return at most `count` evenly spaced rows."""
    if len(rows) <= count:
        return rows
    # rounded up, or there would be more than `count` rows
    return rows.iloc[:: max(1, -(-len(rows) // count))]


def distinct_names(names: Iterable[str]) -> "np.ndarray[Any, Any]":
    """Return feature names as scikit-learn does, equal ones numbered: two columns may lead to the same name."""
    taken: dict[str, None] = {}
    for name in names:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken[unique] = None
    return np.asarray(list(taken), dtype=object)


# Types, hashes and counts of a column of text each begin with its distinct values: they are found once while it lives.
# Arrays of pyarrow never change, so that the array behind a column stands for its values.
_kept: "dict[int, tuple[weakref.ref[Any], np.ndarray[Any, Any], list[str]]]" = {}


def factorize_texts(column: "pd.Series[Any]") -> "tuple[np.ndarray[Any, Any], list[str]]":
    """Return the distinct values of a column in text form, and for each row the position of its value.

    Converting distinct values and not rows keeps long columns quick.

    Returns
    -------
    positions
        int64 of shape (rows,), -1 for a missing value; not to be written to.
    texts
        The distinct values in order of appearance.
    """
    values = column.array.__arrow_array__() if len(column) >= KEPT_ROWS and holds_arrow_texts(column) else None
    if values is None:
        return _factorize(column)
    key = id(values)
    known = _kept.get(key)
    if known is None:
        positions, texts = _factorize(column)
        positions.flags.writeable = False
        known = _kept[key] = (weakref.ref(values, lambda _: _kept.pop(key, None)), positions, texts)
        kept = sum(each.nbytes + TEXT_BYTES * len(some) for _, each, some in list(_kept.values()))
        for oldest in list(_kept):
            if kept <= KEPT_BYTES:
                break
            _, each, some = _kept.pop(oldest, known)
            kept -= each.nbytes + TEXT_BYTES * len(some)
    return known[1], list(known[2])


def holds_arrow_texts(column: "pd.Series[Any]") -> bool:
    """Return whether the values of a column are texts in an array of pyarrow."""
    return isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "pyarrow"


def count_distinct(column: "pd.Series[Any]") -> int:
    """Return the number of distinct values, without missing ones."""
    return len(factorize_texts(column)[1]) if holds_arrow_texts(column) else int(column.nunique())


def _factorize(column: "pd.Series[Any]") -> "tuple[np.ndarray[Any, Any], list[str]]":
    positions, values = pd.factorize(_hashable(column))
    texts = [as_text(value) for value in np.asarray(values, dtype=object)]
    unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(unique) < len(texts):  # the categories 3 and "3"
        # a last item of -1: a missing value has the position -1, which takes it
        positions = np.asarray([*(unique[text] for text in texts), -1]).take(positions)
    return positions.astype(np.int64, copy=False), list(unique)


def as_text(value: Any) -> str:
    """Return the text form of a value: a whole number has the same as int and as float."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def to_texts(column: "pd.Series[Any]", missing: str = "") -> "np.ndarray[Any, Any]":
    """Return the text form of each row, `missing` for missing values."""
    positions, texts = factorize_texts(column)
    return np.asarray([*texts, missing], dtype=object).take(positions)


def _hashable(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column that pandas can factorize by text form; as Python objects False and 0 would be equal."""
    if column.dtype != object or types.infer_dtype(column, skipna=True) == "string":
        return column
    unhashable = next((kind for kind in {type(value) for value in column} if kind.__hash__ is None), None)
    if unhashable is not None:
        message = f"column '{column.name}' holds values of type {unhashable.__name__}"
        raise DataError(message, "convert them to numbers, text or dates, or leave the column out")
    return column.map(as_text, na_action="ignore")


def _from_array(X: Any) -> pd.DataFrame:
    if hasattr(X, "toarray"):  # a matrix of scipy, which is imported only by who has one
        raise DataError("sparse input is not supported: a table is dense", "convert it: X.toarray()")
    array = np.asarray(X)
    if array.ndim != 2:
        remedy = "Reshape your data: X.reshape(1, -1) is one row"
        raise DataError(f"a table needs two dimensions, got an array of shape {array.shape}. {remedy}")
    return pd.DataFrame(array, columns=[f"x{position}" for position in range(array.shape[1])])


def _quoted(names: Sequence[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:MAX_LISTED_COLUMNS])
    more = f", … ({len(names)} in total)" if len(names) > MAX_LISTED_COLUMNS else ""
    return f"column {listed} is" if len(names) == 1 else f"columns {listed}{more} are"
