"""Date columns as numeric parts."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

from runtree.contract.feature_blocks import DateBlock
from runtree.tables.dates import read_dates

Array = np.ndarray[Any, Any]

EPOCH = pd.Timestamp("1970-01-01")
PARTS = ("year", "month", "day", "weekday", "hour")  # minutes and seconds are in the days, which have a fraction
PANDAS_NAMES = {"weekday": "day_of_week"}  # the other spelling is deprecated


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

    def block(self) -> DateBlock:
        """Return the parts as plain arrays."""
        return DateBlock(self.formats, self.parts_, self.medians_, self.scaler_.mean_, self.scaler_.scale_)

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
