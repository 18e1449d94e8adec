"""Columns as numbers, however they are stored."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError
from runtree.tables.table import factorize_texts

Array = np.ndarray[Any, Any]

NUMERIC_OBJECTS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"})
WORDS = {"true": 1.0, "false": 0.0, "": math.nan}
MAX_SHOWN_CHARACTERS = 40
# 1,257 and 12,345.5, whose commas group the digits by three; 0.12%
GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
PERCENT = re.compile(r"(.*\d\.?)\s*%")
# $5, -$5, $ -5, 5 €, EUR 5
MONEY = r"(?:[$€£¥₹]|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|INR|JPY|KRW|MXN|NOK|PLN|SEK|USD|ZAR)"
CURRENCY = re.compile(rf"(?P<sign>[+-]?)\s*{MONEY}\s*(?P<amount>[+-]?[\d.,].*)|(?P<before>.*\d[.,]?)\s*{MONEY}")
# negative numbers of accounts: (1,257.50), and 1,257.50- as some systems write them
NEGATIVE = re.compile(r"\((?P<inside>[^()+-]+)\)|(?P<before>[^()+-]*\d)\s*-")
MINUS = str.maketrans({"\u2212": "-"})  # the sign of typesetters
# 12'345 in Switzerland, with either apostrophe, and spaces that do not break
OTHER_GROUPS = re.compile(r"(?<=\d)['\u2019\u00a0\u202f](?=\d{3}(?!\d))")
SPACE_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d*)?")
DIGIT = re.compile(r"\d")


def is_numeric(column: "pd.Series[Any]") -> bool:
    """Whether all values that are present are numbers, booleans or durations; text never counts as a number."""
    dtype = column.dtype
    # objects are what pandas makes of mixed or missing values: the values decide, not the dtype
    if types.is_object_dtype(dtype):
        return types.infer_dtype(column, skipna=True) in NUMERIC_OBJECTS
    return _is_real(dtype) or types.is_timedelta64_dtype(dtype)


def to_numbers(table: pd.DataFrame) -> Array:
    """Return float64 of shape (rows, columns) with NaN for missing values.

    Raises
    ------
    DataError
        If a value is infinite, or text that is not a number.
    """
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iufb" for dtype in table.dtypes):
        values = table.to_numpy(dtype=np.float64)  # keeps the layout scikit-learn would see: sums are equal to the bit
    else:
        # filled column by column: `DataFrame.to_numpy` of mixed dtypes may go through an array of Python objects
        values = np.empty(table.shape, order="F")
        for position, (_, column) in enumerate(table.items()):
            values[:, position] = _read_column(column)
    # refused here with the name of the column: scikit-learn only says that some value is infinite
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        name = table.columns[int(np.argmax(infinite))]
        raise DataError(
            f"column '{name}' holds infinity",
            "to take it as missing, type: data.missing=[auto,inf,-inf], or replace it by a large number",
        )
    return values


def _is_real(dtype: Any) -> bool:
    return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)


def _read_column(column: "pd.Series[Any]") -> Array:
    if types.is_timedelta64_dtype(column.dtype):
        column = column.dt.total_seconds()
    if _is_real(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if types.is_datetime64_any_dtype(column.dtype) and column.notna().any():
        raise DataError(f"column '{column.name}' holds dates; the model was trained with numbers")
    positions, texts = factorize_texts(column)
    return np.asarray([*(_parse(text, column.name) for text in texts), math.nan]).take(positions)


def _parse(text: str, name: Any) -> float:
    """Return a text as a number: a chunk of a file may be read as text where the train split had numbers."""
    number = parse_number(text)
    if number is None:
        message = f"column '{name}' holds '{shorten(text)}', which is not a number; the model was trained with numbers"
        raise DataError(message)
    return number


def parse_number(text: str, decimal: str = ".") -> float | None:
    """Return a text as a number, NaN for an empty one; None if it is no number."""
    # Python reads 1_000 as a number, a spelling that no table has; with a decimal comma, a point groups digits
    if "_" not in text and (decimal == "." or "." not in text):
        try:
            return float(text.replace(decimal, "."))
        except ValueError:
            pass
    return WORDS.get(text.strip().lower())


def parse_declared_number(text: str, decimal: str = ".") -> float | None:
    """Return the number of a text in a column that is declared as numbers: 1,257, $5, (5) and 12 % are read, too."""
    number = parse_number(text, decimal)
    if number is not None or not DIGIT.search(text):
        return number
    text = text.translate(MINUS)
    negative = NEGATIVE.fullmatch(text.strip())
    if negative:
        amount = parse_declared_number(negative["inside"] or negative["before"], decimal)
        return None if amount is None else -amount
    percent = PERCENT.fullmatch(text.strip())
    if percent:
        share = parse_declared_number(percent[1], decimal)
        return None if share is None else share / 100
    money = CURRENCY.fullmatch(text.strip())
    if money:
        return parse_declared_number(money["before"] or money["sign"] + money["amount"], decimal)
    text = OTHER_GROUPS.sub("", text)
    text = text.replace(" ", "") if SPACE_GROUPS.fullmatch(text.strip()) else text
    number = parse_number(text, decimal)
    if number is not None:
        return number
    plain = text.strip() if decimal == "." else text.strip().translate(str.maketrans(",.", ".,"))
    return float(plain.replace(",", "")) if GROUPED.fullmatch(plain) else None


def shorten(text: str) -> str:
    """Return a value as it is shown in a message."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"
