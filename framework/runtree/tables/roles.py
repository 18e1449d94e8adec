"""The columns with a role in a run, the target, the groups and the times: each read and checked once for all."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError
from runtree.tables.dates import find_time_formats, find_unix, read_dates
from runtree.tables.declared import type_override
from runtree.tables.numbers import is_numeric, parse_number, shorten
from runtree.tables.table import factorize_texts, to_texts

Array = np.ndarray[Any, Any]

MAX_EXAMPLES = 3


def read_target(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the target; refuse missing and infinite values. A category that no row has is no class."""
    column = without_unused(column)
    _refuse_missing(column, "data.target")
    if is_numeric(column) and not types.is_timedelta64_dtype(column.dtype):
        infinite = int(np.isinf(column.to_numpy(dtype=np.float64)).sum())
        if infinite:
            raise DataError(
                f"data.target: column '{column.name}' holds infinity in {infinite} of {len(column)} rows",
                "drop those rows, or replace the values, before training",
            )
    return column


def read_groups(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the group of each row; refuse missing values: such a row could be of any group."""
    column = without_unused(column)
    _refuse_missing(column, "data.group")
    # in text form 3, 3.0 and "3" are one group; as Python objects they would have no order either
    return (
        pd.Series(to_texts(column), column.index, name=column.name, dtype="str") if column.dtype == object else column
    )


def read_times(column: "pd.Series[Any]") -> "tuple[pd.Series[Any], str]":
    """Return times that sort as time does, and the type that reads them so; "" if they are dates or plain numbers.

    Raises
    ------
    DataError
        Missing or infinite values, and text that is no number and no date, or may be two different dates.
    """
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    _refuse_missing(column, "data.time")
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _read_time_categories(column)
    if types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True).dt.tz_localize(None), ""
    if unix := find_unix(column):
        return pd.Series(read_dates(column, unix), column.index, name=column.name), unix
    if is_numeric(column):
        return _finite(column if column.dtype != object else column.astype(np.float64)), ""
    return _read_time_texts(column)


def _read_time_categories(column: "pd.Series[Any]") -> "tuple[pd.Series[Any], str]":
    try:
        return read_times(without_unused(column))
    except DataError:
        # categories that are no times may still be declared in their order
        if not column.cat.ordered:
            raise
        return pd.Series(column.cat.codes, column.index, name=column.name), ""


def _read_time_texts(column: "pd.Series[Any]") -> "tuple[pd.Series[Any], str]":
    positions, texts = factorize_texts(column)
    numbers = [parse_number(text) for text in texts]
    if all(number is not None and number == number for number in numbers):
        # as whole numbers if they are: nanoseconds since 1970 are too many for a float
        whole = all(text.strip().lstrip("+-").isdigit() for text in texts)
        values = np.asarray([int(text) for text in texts] if whole else numbers)
        return _finite(pd.Series(values[positions], column.index, name=column.name)), "number"
    formats = find_time_formats(texts)
    if not formats:
        raise DataError(
            f"data.time: column '{column.name}' holds text that is no time: {_examples(texts)}",
            f"say how it is written, such as: {type_override(str(column.name), '%d/%m/%Y')}",
            "or make it dates or numbers before training",
        )
    date_format, dates = formats[0]
    unread = np.isnat(dates)
    if unread.any():
        rows = int(unread[positions].sum())
        raise DataError(
            f"data.time: column '{column.name}' holds no time in {rows} of {len(column)} rows: "
            + _examples(text for text, bad in zip(texts, unread, strict=True) if bad),
            f"the others are read as {date_format}; drop those rows, or repair them, before training",
        )
    # two formats that put the rows into one order are no different times for a split
    orders = {np.argsort(other, kind="stable").tobytes() for _, other in formats}
    if len(orders) > 1:
        example = next(text for text, one, two in zip(texts, dates, formats[1][1], strict=True) if one != two)
        raise DataError(
            f"data.time: column '{column.name}': '{example}' may be {date_format} or {formats[1][0]}",
            f"type: {type_override(str(column.name), formats[1][0])}",
            f"or:   {type_override(str(column.name), date_format)}",
        )
    return pd.Series(dates[positions], column.index, name=column.name), date_format


def spelling_notes(*columns: "pd.Series[Any] | None") -> list[str]:
    """Return a note for each column, of classes or groups, in which two values differ only in spaces or capitals."""
    notes = []
    for column in columns:
        if column is None or not types.is_string_dtype(column.dtype):
            continue
        seen: dict[str, str] = {}
        for text in map(str, column.unique()):
            other = seen.setdefault(" ".join(text.split()).casefold(), text)
            if other != text:
                pair = f"column '{column.name}': {other!r} and {text!r}"
                notes.append(f"{pair} are two values; if they mean the same, make them one before training")
                break
    return notes


def without_unused(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of categories as its values: what was declared and occurs in no row must not count."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    # whole numbers with holes have no dtype of their own in NumPy
    return column.astype(column.cat.categories.dtype if column.notna().all() else object)


def _refuse_missing(column: "pd.Series[Any]", path: str) -> None:
    missing = int(column.isna().sum())
    if missing:
        # NA in a text file is a missing value, but may be a class or a country
        words = path != "data.time" and (missing == len(column) or not is_numeric(column))
        raise DataError(
            f"{path}: column '{column.name}' is missing in {missing} of {len(column)} rows",
            "drop those rows, or fill them, before training",
            f"if NA or None is a value there, type: {type_override(str(column.name), 'category')}" if words else "",
        )


def _finite(column: "pd.Series[Any]") -> "pd.Series[Any]":
    if column.dtype.kind == "f" and not np.isfinite(column.to_numpy(dtype=np.float64)).all():
        infinite = int(np.isinf(column).sum())
        raise DataError(f"data.time: column '{column.name}' holds infinity in {infinite} of {len(column)} rows")
    return column


def _examples(texts: Iterable[str]) -> str:
    listed = [f"'{shorten(text)}'" for text in texts]
    more = ", …" if len(listed) > MAX_EXAMPLES else ""
    return ", ".join(listed[:MAX_EXAMPLES]) + more


# --- Borders in time.


def sort_by_time(times: "pd.Series[Any]", rows: Array) -> Array:
    """Return rows in the order of their times; rows of one time stay in their order."""
    # a stable sort, so that rows of equal time keep the order of the table on every platform
    return rows[times.iloc[rows].argsort(kind="stable").to_numpy()]


def time_borders(times: "pd.Series[Any]", rows: Array) -> Array:
    """Return the places in rows that are sorted by time at which a later time begins: a split may be cut there."""
    codes = pd.factorize(times.iloc[rows], sort=True)[0]
    return np.flatnonzero(np.diff(codes)) + 1


def nearest_border(borders: Array, place: int) -> int:
    """Return the border that is nearest to a place; of two the earlier one."""
    return int(borders[np.abs(borders - place).argmin()])
