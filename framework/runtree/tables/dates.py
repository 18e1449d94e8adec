"""Dates written as text or as numbers since 1970: recognising formats, and reading them in a table and later rows."""

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.tseries.api import guess_datetime_format

from runtree.contract.errors import DataError
from runtree.tables.numbers import DIGIT, is_numeric
from runtree.tables.table import factorize_texts

Array = np.ndarray[Any, Any]

MIN_DATE_SHARE = 0.95  # of the values that are present; the rest counts as typing errors
SAMPLE_TEXTS = 50
AMBIGUOUS_SAMPLE = 1000
ISO = re.compile(r"\d{4}-\d\d-\d\d")
FULL_DATE = (("%Y",), ("%m", "%b", "%B"), ("%d",))
# day and month exchanged; no one writes 2024-31-01
DAY_FIRST_AFTER_YEAR = re.compile(r"%Y.%d")
# Formats that pandas does not guess: years of two digits, and the clock of twelve hours.
CLOCKS, HALVES = ("", " %H:%M", " %H:%M:%S"), (" %I:%M %p", " %I:%M:%S %p")
NUMERIC = tuple(f"{one}{mark}{two}{mark}" for mark in "./-" for one, two in (("%m", "%d"), ("%d", "%m")))
SHORT_YEARS = (*(f"{day}%y" for day in NUMERIC), "%d-%b-%y", "%d %b %y", "%d-%B-%y", "%d %B %y")
LONG_YEARS = (*(f"{day}%Y" for day in NUMERIC), "%Y-%m-%d", "%Y/%m/%d", "%d-%b-%Y", "%d %b %Y", "%b %d %Y", "%b %d, %Y")
RARE_FORMATS = (
    *(f"{day}{clock}" for day in SHORT_YEARS for clock in (*CLOCKS, *HALVES)),
    *(f"{day}{clock}" for day in LONG_YEARS for clock in HALVES),
)
# codes such as 10-12-11 look alike
FEATURE_FORMATS = tuple(each for each in RARE_FORMATS if "-%y" not in each or "%b" in each or "%B" in each)
# a text that one of them may read; most columns of text have none, and each format that is tried takes time
LIKE_RARE = re.compile(r"\d{1,2}[./ -](?:\d{1,2}|[A-Za-z]{3,9})[./ -]\d\d(?:$|\s+\d)|:\d\d\s*[AaPp][Mm]$")
# A feature is not read by those, a column that is declared as the time is.
TIME_FORMATS = (
    *RARE_FORMATS,
    *(f"%m{mark}%Y" for mark in "./-"),
    *(f"{month}{mark}{year}" for month in ("%b", "%B") for mark in "- " for year in ("%Y", "%y")),
)
UNIX = {"unix": 1, "unix_ms": 1000}  # formats of numbers since 1970, and how many make a second
UNIX_NAMES = {"unix": "seconds", "unix_ms": "milliseconds"}
PLAUSIBLE = (631_152_000, 4_102_444_800)  # seconds: from 1990 to 2100
LAST_SECOND = 253_402_300_799  # of the year 9999
TIME_WORDS = frozenset({"time", "timestamp", "ts", "date", "datetime", "epoch", "unixtime"})
NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


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
    formats = _guess_formats(text for text in texts if not text.isdigit())
    whole = [guess for guess in formats if all(any(part in guess for part in parts) for parts in FULL_DATE)]
    rare = [text for text in texts if LIKE_RARE.search(text)]
    return [*whole, *(each for each in FEATURE_FORMATS if _count_dates(rare, each))] if rare else whole


def _guess_formats(texts: Iterable[str]) -> list[str]:
    spelled = [text for text in texts if DIGIT.search(text)]  # guessing is slow, and a day or a year has a digit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns about each text whose order is not the requested one
        guesses = [guess_datetime_format(text, dayfirst) for dayfirst in (False, True) for text in spelled]
    return [guess for guess in dict.fromkeys(guesses) if guess and not DAY_FIRST_AFTER_YEAR.match(guess)]


def find_time_formats(texts: Sequence[str]) -> list[tuple[str, Array]]:
    """Return the formats in which most texts are times, and what each reads; several only if they read equally many.

    Unlike `find_format`, years of two digits and months without a day are read too.
    """
    sample = texts[:: max(1, len(texts) // SAMPLE_TEXTS)]
    # on a sample first: most formats read nothing
    candidates = [each for each in (*_guess_formats(sample), *TIME_FORMATS) if _count_dates(sample, each)]
    read = [(each, parse_dates(texts, each)) for each in dict.fromkeys(candidates)]
    most = max((int((~np.isnat(dates)).sum()) for _, dates in read), default=0)
    return [(each, dates) for each, dates in read if (~np.isnat(dates)).sum() == most]


def says_time(name: str) -> bool:
    """Return whether a name is one of times: ``created_at``, ``eventTime``, ``ts``."""
    words = [word.lower() for word in NAME_WORD.findall(name)]
    return not TIME_WORDS.isdisjoint(words) or (len(words) > 1 and words[-1] == "at")


def find_unix(column: "pd.Series[Any]") -> str:
    """Return the format by which a column holds only times from 1990 to 2100, as whole numbers since 1970, or ""."""
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype) or column.isna().all():
        return ""
    if not is_numeric(column):
        _, texts = factorize_texts(column)
        if not all(text.isdigit() and not text.startswith("0") for text in texts):
            return ""
        column = pd.Series([float(text) for text in texts])
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    low, high = np.nanmin(values), np.nanmax(values)
    if not (np.isfinite(high) and (values[~np.isnan(values)] % 1 == 0).all()):
        return ""
    return next((kind for kind, per in UNIX.items() if PLAUSIBLE[0] * per <= low and high <= PLAUSIBLE[1] * per), "")


def _from_unix(values: Array, kind: str) -> Array:
    """Return datetime64[us] of numbers since 1970, NaT for what is no number or after the year 9999."""
    with np.errstate(invalid="ignore"):
        known = np.abs(values) <= LAST_SECOND * UNIX[kind]
    microseconds = np.where(known, values, 0.0) * (1_000_000 // UNIX[kind])
    return np.where(known, np.round(microseconds).astype("datetime64[us]"), np.datetime64("NaT"))


def is_ambiguous(texts: Sequence[str], date_format: str) -> bool:
    """Return whether all texts that a format reads as dates are dates with day and month exchanged, too."""
    swapped = swap_day_and_month(date_format)
    if swapped is None:
        return False
    # a sample first: a single day above 12 shows that it is not
    for some in (texts[:: max(1, len(texts) // AMBIGUOUS_SAMPLE)], texts):
        dates, others = parse_dates(some, date_format), parse_dates(some, swapped)
        known = ~np.isnat(dates)
        if np.isnat(others[known]).any():
            return False
    return bool((dates[known] != others[known]).any())


def swap_day_and_month(date_format: str) -> str | None:
    """Return a format with day and month exchanged; None if it cannot be taken for the other."""
    if "%d" not in date_format or "%m" not in date_format:
        return None
    swapped = date_format.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    return None if DAY_FIRST_AFTER_YEAR.match(swapped) else swapped


def _count_dates(texts: Sequence[str], date_format: str) -> int:
    return int((~np.isnat(parse_dates(texts, date_format))).sum())


def read_dates(column: "pd.Series[Any]", date_format: str) -> pd.DatetimeIndex:
    """Return the dates of a column in UTC without a time zone, NaT for other values; format "" reads ISO dates only."""
    # in UTC: parts such as the hour must not depend on the time zone that a later file happens to be in
    if types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(pd.to_datetime(column, utc=True)).tz_localize(None)
    if is_numeric(column) and date_format in UNIX:
        return pd.DatetimeIndex(_from_unix(column.to_numpy(dtype=np.float64, na_value=np.nan), date_format))
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
        if known in UNIX and rows.any():
            numbers = pd.to_numeric(pd.Series(text[rows]), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            dates[rows] = _from_unix(numbers, known)
        elif known and rows.any():
            parsed = pd.to_datetime(text[rows], format=known, errors="coerce", utc=True)
            dates[rows] = parsed.tz_localize(None).to_numpy()
    return dates
