"""Dates as numbers: their parts, and how many days they lie after an epoch."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

from runtree.preprocess.dates import read_dates

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
