"""Date columns: recognising formats, reading dates, and turning them into numeric parts."""

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
from runtree.preprocess.numeric import is_numeric
from runtree.preprocess.table import factorize_texts

Array = np.ndarray[Any, Any]

MIN_DATE_SHARE = 0.95  # of the values that are present; the rest counts as typing errors
SAMPLE_TEXTS = 50
ISO = re.compile(r"\d{4}-\d\d-\d\d")
FULL_DATE = (("%Y",), ("%m", "%b", "%B"), ("%d",))
EPOCH = pd.Timestamp("1970-01-01")
PARTS = ("year", "month", "day", "weekday", "hour")  # minutes and seconds are in the days, which have a fraction
PANDAS_NAMES = {"weekday": "day_of_week"}  # the other spelling is deprecated


def find_format(texts: Sequence[str], counts: Array) -> str | None:
    """Return the format in which nearly all texts are dates, or None.

    A date needs a year, a month and a day, and never consists of digits alone: 2024 and 20240102 stay codes. If day
    and month are ambiguous the month comes first.
    """
    total, best, most = counts.sum(), None, 0
    # formats are guessed from a few texts and counted on all: guessing is slow, parsing by a format is not
    for candidate in _candidate_formats(texts[:: max(1, len(texts) // SAMPLE_TEXTS)]):
        parsed = int(counts[~np.isnat(parse_dates(texts, candidate))].sum())
        # strictly more: of formats that read equally many, the one with the month first is kept
        if parsed > most:
            best, most = candidate, parsed
    return best if most >= MIN_DATE_SHARE * total else None


def _candidate_formats(texts: Sequence[str]) -> list[str]:
    """Return the formats that a text may have, those with the month first before those with the day first."""
    spelled = [text for text in texts if not text.isdigit()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns about each text whose order is not the requested one
        guesses = [guess_datetime_format(text, dayfirst) for dayfirst in (False, True) for text in spelled]
    formats = [guess for guess in dict.fromkeys(guesses) if guess]
    return [guess for guess in formats if all(any(part in guess for part in parts) for parts in FULL_DATE)]


def read_dates(column: "pd.Series[Any]", date_format: str) -> pd.DatetimeIndex:
    """Return the dates of a column in UTC without a time zone, NaT for other values; format "" reads ISO dates only."""
    # in UTC: parts such as the hour must not depend on the time zone that a later file happens to be in
    if types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(pd.to_datetime(column, utc=True)).tz_localize(None)
    if is_numeric(column) and column.notna().any():
        raise DataError(f"column '{column.name}' holds numbers; the model was trained with dates")
    positions, texts = factorize_texts(column)
    # the empty text, which no format reads, gives NaT to missing values: their position is -1, the last one
    return pd.DatetimeIndex(parse_dates([*texts, ""], date_format)[positions])


def parse_dates(texts: Sequence[str], date_format: str) -> Array:
    """Return datetime64[us] in UTC: by the format, else by ISO 8601 as JSON and pandas write it, else NaT."""
    text = np.asarray(texts, dtype=object)
    # a model trained on one spelling also reads ISO dates: a service gets JSON, and a Parquet file has real dates
    iso = np.asarray([bool(ISO.match(each)) for each in texts], dtype=bool)
    dates = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[us]")
    for known, candidates in ((date_format, np.ones_like(iso)), ("ISO8601", iso)):
        rows = candidates & np.isnat(dates)
        if known and rows.any():
            parsed = pd.to_datetime(text[rows], format=known, errors="coerce", utc=True)
            dates[rows] = parsed.tz_localize(None).to_numpy()
    return dates


class DateParts(BaseEstimator):  # type: ignore[misc]
    """Turn date columns into their parts, those that vary in the train split, scaled.

    Missing and unreadable dates get the median of each part and an indicator column.

    Parameters
    ----------
    formats : mapping of str to str
        The format of each column; "" for a column of dates rather than text.

    Attributes
    ----------
    parts_ : list of (str, str)
        Column and part of each feature.
    medians_ : ndarray
        The median of each feature.
    scaler_ : StandardScaler
        Fitted on the filled parts.
    """

    def __init__(self, formats: Mapping[str, str]) -> None:
        self.formats = formats

    def fit(self, table: pd.DataFrame) -> Self:
        self.parts_ = [(name, part) for name, dates in self._read(table) for part in _varying_parts(dates)]
        values = self._extract(table)
        # column by column: nanmedian of the whole array would copy it
        self.medians_ = np.asarray([np.nanmedian(column) for column in values.T])
        self.scaler_ = StandardScaler(copy=False).fit(self._fill(values))
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        return np.asarray(self.scaler_.transform(self._fill(self._extract(table))))

    def get_feature_names_out(self) -> list[str]:
        """Return ``signed_up_month``, ``signed_up_days``, …"""
        return [f"{name}_{part}" for name, part in self.parts_]

    def _read(self, table: pd.DataFrame) -> list[tuple[str, pd.DatetimeIndex]]:
        return [(name, read_dates(table[name], date_format)) for name, date_format in self.formats.items()]

    def _extract(self, table: pd.DataFrame) -> Array:
        dates = dict(self._read(table))
        values = np.empty((len(table), len(self.parts_)), order="F")
        for position, (name, part) in enumerate(self.parts_):
            values[:, position] = _extract_part(dates[name], part)
        return values

    def _fill(self, values: Array) -> Array:
        """Replace NaN by medians in place, which `SimpleImputer` cannot do without copies."""
        np.copyto(values, self.medians_, where=np.isnan(values))
        return values


def _varying_parts(dates: pd.DatetimeIndex) -> list[str]:
    """Return the parts that become features: those that vary, the days, and an indicator if dates are missing."""
    # a part that does not vary in the train split carries nothing, and would become noise in later years
    parts = [part for part in PARTS if len(np.unique(_extract_part(dates.dropna(), part))) > 1]
    return [*parts, "days", *(["missing"] if dates.hasnans else [])]


def _extract_part(dates: pd.DatetimeIndex, part: str) -> Array:
    if part == "missing":
        return np.asarray(dates.isna(), dtype=np.float64)
    if part == "days":
        return np.asarray((dates - EPOCH) / pd.Timedelta(days=1), dtype=np.float64)
    return np.asarray(getattr(dates, PANDAS_NAMES.get(part, part)), dtype=np.float64)
