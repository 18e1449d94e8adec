"""Reading columns as dates, and telling which text is a date."""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.tseries.api import guess_datetime_format
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

from runtree.contract.errors import DataError
from runtree.preprocess.numeric import holds_numbers
from runtree.preprocess.table import distinct

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


# --- Dates as numbers: their parts, and how many days they lie after an epoch.

Array = np.ndarray[Any, Any]

EPOCH = pd.Timestamp("1970-01-01")
PARTS = ("year", "month", "day", "weekday", "hour")  # what is finer is in the days, which have a fraction
SPELLED = {"weekday": "day_of_week"}  # pandas is giving up the other spelling


class DateParts(BaseEstimator):  # type: ignore[misc]
    """Turn columns of dates into their parts: of each column those that vary in the train part.

    Missing and unreadable dates are filled with the median of each part, and marked in a column of their own.

    Parameters
    ----------
    formats : mapping of str to str
        The format of each column; "" where it holds dates rather than text.

    Attributes
    ----------
    parts_ : list of (str, str)
        Column and part of each feature.
    medians_ : ndarray
        What is usual for each feature.
    scaler_ : StandardScaler
        Fitted on the filled parts.
    """

    def __init__(self, formats: Mapping[str, str]) -> None:
        self.formats = formats

    def fit(self, table: pd.DataFrame) -> Self:
        """Learn which parts vary, and what is usual for them."""
        self.parts_ = [(name, part) for name, dates in self._read(table) for part in _varying(dates)]
        values = self._take(table)
        self.medians_ = np.asarray([np.nanmedian(column) for column in values.T])
        self.scaler_ = StandardScaler(copy=False).fit(self._fill(values))
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        return np.asarray(self.scaler_.transform(self._fill(self._take(table))))

    def get_feature_names_out(self) -> list[str]:
        """Return ``signed_up_month``, ``signed_up_days``, …"""
        return [f"{name}_{part}" for name, part in self.parts_]

    def _read(self, table: pd.DataFrame) -> list[tuple[str, pd.DatetimeIndex]]:
        return [(name, read_dates(table[name], form)) for name, form in self.formats.items()]

    def _take(self, table: pd.DataFrame) -> Array:
        dates = dict(self._read(table))
        values = np.empty((len(table), len(self.parts_)), order="F")
        for position, (name, part) in enumerate(self.parts_):
            values[:, position] = _part(dates[name], part)
        return values

    def _fill(self, values: Array) -> Array:
        """Put medians where there is no date; in place, which `SimpleImputer` cannot do without copies."""
        np.copyto(values, self.medians_, where=np.isnan(values))
        return values


def _varying(dates: pd.DatetimeIndex) -> list[str]:
    """Return the parts worth a feature: those that vary, the days, and whether the date is missing where some are."""
    parts = [part for part in PARTS if len(np.unique(_part(dates.dropna(), part))) > 1]
    return [*parts, "days", *(["missing"] if dates.hasnans else [])]


def _part(dates: pd.DatetimeIndex, part: str) -> Array:
    if part == "missing":
        return np.asarray(dates.isna(), dtype=np.float64)
    if part == "days":
        return np.asarray((dates - EPOCH) / pd.Timedelta(days=1), dtype=np.float64)
    return np.asarray(getattr(dates, SPELLED.get(part, part)), dtype=np.float64)
