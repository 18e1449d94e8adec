"""Reading columns as dates, and telling which text is a date."""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.tseries.api import guess_datetime_format

from runtree.contract.errors import DataError
from runtree.preprocess.labels import distinct
from runtree.preprocess.numbers import holds_numbers

SHARE = 0.95  # of the values that are there; the rest is taken for slips of the pen
SAMPLE = 50
ISO = re.compile(r"\d{4}-\d\d-\d\d")
WHOLE = (("%Y",), ("%m", "%b", "%B"), ("%d",))


def find_format(texts: Sequence[str], counts: "np.ndarray[Any, Any]") -> str | None:
    """Return the one format in which nearly all texts are dates, or None.

    Only what has a year, a month and a day is a date, and digits alone never are: 2024 and 20240102 stay codes.
    Where days and months cannot be told apart the month comes first.
    """
    total, best, most = counts.sum(), None, 0
    for candidate in _candidates(texts[:: max(1, len(texts) // SAMPLE)]):
        parsed = int(counts[~np.isnat(parse(texts, candidate))].sum())
        if parsed > most:
            best, most = candidate, parsed
    return best if most >= SHARE * total else None


def read_dates(column: "pd.Series[Any]", form: str) -> pd.DatetimeIndex:
    """Return a column's dates in UTC without saying so; what is no date is NaT. `form` is "" for ISO dates alone."""
    if types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(pd.to_datetime(column, utc=True)).tz_localize(None)
    if holds_numbers(column) and column.notna().any():
        raise DataError(f"column '{column.name}' holds numbers; the model was trained with dates")
    positions, texts = distinct(column)
    return pd.DatetimeIndex(parse([*texts, ""], form)[positions])


def parse(texts: Sequence[str], form: str) -> "np.ndarray[Any, Any]":
    """Return UTC dates (datetime64[us]): by the format `form`, else ISO 8601, as JSON and pandas write it, else NaT."""
    text = np.asarray(texts, dtype=object)
    iso = np.asarray([bool(ISO.match(each)) for each in texts], dtype=bool)
    dates = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[us]")
    for known, among in ((form, np.ones_like(iso)), ("ISO8601", iso)):
        rows = among & np.isnat(dates)
        if known and rows.any():
            read = pd.to_datetime(text[rows], format=known, errors="coerce", utc=True)
            dates[rows] = read.tz_localize(None).to_numpy()
    return dates


def _candidates(texts: Sequence[str]) -> list[str]:
    """Return the formats that some text could have, those with the month first before those with the day first."""
    spelled = [text for text in texts if not text.isdigit()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns of each text whose order is not the one asked for
        guesses = [guess_datetime_format(text, dayfirst) for dayfirst in (False, True) for text in spelled]
    return [form for form in dict.fromkeys(guesses) if form and _is_whole(form)]


def _is_whole(form: str) -> bool:
    return all(any(part in form for part in parts) for parts in WHOLE)
