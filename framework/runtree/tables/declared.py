"""The declared types of columns, and values that do not fit: in the table of a run and in later rows alike."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import ConfigError, DataError, possible
from runtree.tables.csv_files import AUTO, Reading
from runtree.tables.dates import UNIX, find_time_formats, find_unix, parse_dates, read_dates
from runtree.tables.numbers import is_numeric, parse_declared_number, parse_number, shorten
from runtree.tables.table import as_text, factorize_texts

Array = np.ndarray[Any, Any]

TYPES = ("number", "decimal_comma", "category", "text", "date", "a format such as '%d/%m/%Y'", *UNIX, "drop")
READABLE = ("number", "date")


@dataclass(frozen=True)
class Misfits:
    """The values of a column that are not what it should hold; `rows` is a mask."""

    name: str
    rows: Array
    example: str
    expected: str

    @property
    def count(self) -> int:
        """The number of these values."""
        return int(self.rows.sum())

    def but_for(self, column: "pd.Series[Any]", known: Sequence[str]) -> "Misfits | None":
        """Return those that are not among some texts; None if all are."""
        rows = self.rows & ~column.isin(list(known)).to_numpy() if len(known) else self.rows
        if not rows.any():
            return None
        return replace(self, rows=rows, example=shorten(as_text(column.iloc[int(np.argmax(rows))])))

    def describe(self, first: int = 1, several: bool = True) -> str:
        """Return ``column 'ts' holds 'soon' in row 3 (2 such rows), which is not a date``; `first` numbers row 1."""
        row = int(np.argmax(self.rows)) + first
        others = f" ({self.count:,} such rows)" if several and self.count > 1 else ""
        return f"column '{self.name}' holds '{self.example}' in row {row:,}{others}, which is not a {self.expected}"


def check_types(declared: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Refuse types of columns that the table does not have, and unknown types."""
    from runtree.contract.errors import unknown

    for name, kind in declared.items():
        if name not in columns:
            raise unknown("column at data.types:", name, columns, error=DataError)
        if not isinstance(kind, str) or (kind not in TYPES and not is_date_format(kind)):
            raise ConfigError(f"data.types.{name}: '{kind}' is no type", possible(TYPES))


def is_date_format(kind: str) -> bool:
    """Return whether a declared type is the format of a date."""
    return kind in UNIX or bool(re.search(r"%[YymbBdHjfS]", kind))


def settle_dates(frame: pd.DataFrame, declared: Mapping[str, str], date_format: str) -> dict[str, str]:
    """Return declared types in which "date" is the format that all values of the column have.

    Parameters
    ----------
    date_format
        `data.date_format`, or "".
    """
    settled = dict(declared)
    for name, kind in declared.items():
        if kind == "date" and name in frame.columns:
            column = frame[name]
            fits = bool(date_format) and find_misfits(column, "date", date_format) is None
            settled[name] = (date_format if fits else find_unix(column)) or kind
    return settled


def apply_missing(frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Return a table in which the words of `data.missing` are missing values; for sources that do not read text."""
    words = [word for word in reading.missing if word != AUTO]
    if not words:
        return frame
    numbers = [number for word in words if (number := parse_number(word)) is not None]
    changed: dict[str, pd.Series[Any]] = {}
    for name, column in frame.items():
        found = column.isin(numbers if is_numeric(column) else words)
        if found.any():
            changed[str(name)] = column.mask(found)
    return frame.assign(**changed)


def apply_types(frame: pd.DataFrame, declared: Mapping[str, str], decimal: str = ".") -> pd.DataFrame:
    """Return a table with the declared types: float64, text or dates.

    Raises
    ------
    DataError
        A value that does not fit, with its row.
    """
    converted = {}
    for name, kind in declared.items():
        if name in frame.columns and kind != "drop":
            values, misfits = read_as(frame[name], kind, decimal)
            if misfits is not None:
                since = kind == "date" and parse_number(misfits.example) is not None
                raise DataError(
                    f"data.types.{name}: {misfits.describe()}",
                    f"to take it as missing, type: {missing_override([misfits.example])}",
                    f"if it is seconds since 1970, type: {type_override(name, 'unix')}, else unix_ms" if since else "",
                )
            converted[name] = values
    return frame.assign(**converted) if converted else frame


def read_as(column: "pd.Series[Any]", kind: str, decimal: str = ".") -> "tuple[pd.Series[Any], Misfits | None]":
    """Return a column as its declared type, missing where a value does not fit, and these values."""
    if kind in ("category", "text"):
        positions, texts = factorize_texts(column)
        values = np.asarray([*texts, None], dtype=object).take(positions)
        return pd.Series(values, index=column.index, name=column.name, dtype="str"), None
    if kind in ("number", "decimal_comma"):
        decimal = "," if kind == "decimal_comma" else decimal
        misfits = find_misfits(column, "number", decimal=decimal, read=parse_declared_number)
        return as_numbers(column, decimal, parse_declared_number), misfits
    date_format = kind if is_date_format(kind) else _only_format(column)
    misfits = find_misfits(column, "date", date_format)
    kept = column if misfits is None else column.mask(misfits.rows)
    dates = pd.Series(read_dates(kept, date_format), index=column.index, name=column.name)
    return dates, misfits


def as_numbers(
    column: "pd.Series[Any]", decimal: str = ".", read: Callable[[str, str], float | None] = parse_number
) -> "pd.Series[Any]":
    """Return a column that was read as text as float64, NaN for what is no number; any other column as it is."""
    if is_numeric(column) and not types.is_object_dtype(column.dtype):
        return column
    positions, texts = factorize_texts(column)
    numbers = [read(text, decimal) for text in texts]
    values = np.asarray([*(np.nan if number is None else number for number in numbers), np.nan]).take(positions)
    return pd.Series(values, index=column.index, name=column.name)


def _only_format(column: "pd.Series[Any]") -> str:
    """Return the format in which a column's texts are dates; refuse two that read different dates."""
    if types.is_datetime64_any_dtype(column.dtype) or (unix := find_unix(column)) or is_numeric(column):
        return "" if types.is_datetime64_any_dtype(column.dtype) else unix
    _, texts = factorize_texts(column)
    formats = find_time_formats(texts)
    if len({dates.tobytes() for _, dates in formats}) > 1:
        (first, _), (second, _) = formats[:2]
        raise DataError(
            f"column '{column.name}': '{shorten(texts[0])}' may be {first} or {second}",
            f"type: {type_override(str(column.name), second)}, or {first}",
        )
    return formats[0][0] if formats else ""


def find_misfits(
    column: "pd.Series[Any]",
    kind: str,
    date_format: str = "",
    decimal: str = ".",
    read: Callable[[str, str], float | None] = parse_number,
) -> Misfits | None:
    """Return the values of a column that are no numbers (kind "number") or no dates in a format (kind "date").

    Of any other kind, every value fits.
    """
    dates = types.is_datetime64_any_dtype(column.dtype)
    if kind not in READABLE or (is_numeric(column) if kind == "number" else dates):
        return None
    positions, texts = factorize_texts(column)
    if not texts:
        return None
    if kind == "number":
        bad = np.asarray([dates or read(text, decimal) is None for text in texts])
    else:
        bad = np.isnat(parse_dates(texts, date_format)) | (is_numeric(column) and date_format not in UNIX)
    if not bad.any():
        return None
    # missing values have the position -1, which takes the last item
    rows = np.append(bad, False).take(positions)
    return Misfits(str(column.name), rows, shorten(texts[positions[int(np.argmax(rows))]]), kind)


def type_override(name: str, kind: str) -> str:
    """Return the override that declares the type of a column, as one types it in a shell."""
    value = kind if re.fullmatch(r"[\w%/.: -]+", kind) else f'"{kind}"'
    simple = re.fullmatch(r"[A-Za-z_]\w*", name)
    return shlex.quote(f"data.types.{name}={value}" if simple else f"+data.types={{{name}: {value}}}")


def missing_override(words: Sequence[str]) -> str:
    """Return the override that adds words for a missing value, as one types it in a shell."""
    return shlex.quote(f"data.missing=[{','.join(['auto', *map(_item, words)])}]")


def _item(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z_][\w/.-]*", word) else "'" + word.replace("'", "\\'") + "'"
