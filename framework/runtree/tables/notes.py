"""Notes on columns whose type was guessed and may be meant otherwise, each with the override that says so."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.tables.csv_files import CODE
from runtree.tables.dates import find_format, is_ambiguous, parse_dates, swap_day_and_month
from runtree.tables.declared import missing_override, type_override
from runtree.tables.numbers import WORDS, is_numeric, parse_declared_number, parse_number, shorten
from runtree.tables.table import factorize_texts, sample_evenly

Array = np.ndarray[Any, Any]

MIN_NUMBERS = 0.5  # share of the rows of a text column, from which its numbers are worth a note
MAX_EXAMPLES = 3
SAMPLE_ROWS = 20_000
SAMPLE_TEXTS = 1000
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


def column_notes(frame: pd.DataFrame, declared: Mapping[str, str], decimal: str = ".") -> list[str]:
    """Return a note for each column of text that seems to hold numbers, or dates that are not all read.

    Parameters
    ----------
    declared
        The types that the user declares: of those columns nothing is guessed.
    """
    texts = (
        (str(name), column)
        for name, column in frame.items()
        if str(name) not in declared and types.is_string_dtype(column.dtype) and not is_numeric(column)
    )
    return [f"column '{name}': {note}" for name, column in texts for note in _notes(name, column, decimal)]


def _notes(name: str, column: "pd.Series[Any]", decimal: str) -> Iterator[str]:
    positions, texts = factorize_texts(column)
    if not texts:
        return
    # most columns of text hold no numbers, and a sample shows it
    sample = texts[:: max(1, len(texts) // SAMPLE_TEXTS)]
    counts = np.bincount(positions[positions >= 0], minlength=len(texts))
    if len(sample) < len(texts) and not any(_look_of(text, decimal) for text in sample):
        yield from _date_notes(name, column)
        return
    looks = [_look_of(text, decimal) for text in texts]
    numbers = np.asarray([bool(look) for look in looks])
    if counts[numbers].sum() < MIN_NUMBERS * counts.sum():
        yield from _date_notes(name, column)
        return
    odd = [text for text, look in zip(texts, looks, strict=True) if look not in ("plain", "")]
    how = _how_to_read(name, {look for look in looks if look})
    if not numbers.all():
        strays = [text for text, look in zip(texts, looks, strict=True) if not look]
        also = f" {how}" if odd else ""
        count = int(counts[~numbers].sum())
        others = f"{count:,} other text{'' if count == 1 else 's'} ({_examples(strays)})"
        yield (
            f"{counts[numbers].sum():,} numbers and {others}, so all are read as text; "
            f"to take those as missing, type: {missing_override(strays[:MAX_EXAMPLES])}{also}"
        )
    elif odd:
        yield f"{counts.sum():,} texts look like numbers ({_examples(odd)}), but are read as text; type: {how}"
    else:
        zeros = [text for text in texts if CODE.fullmatch(text)]
        what = f"codes with leading zeros ({_examples(zeros)})" if zeros else "numbers stored as text"
        yield f"{what} are read as categories; if they are quantities, type: {how}"


def _look_of(text: str, decimal: str) -> str:
    """Return how a text looks like a number: plain, marked (1,257 or 5 %), comma (0,5); empty if it does not."""
    # true and false are numbers to a model, and words to a reader
    if text.strip().lower() in WORDS:
        return ""
    if parse_number(text, decimal) is not None:
        return "plain"
    if parse_declared_number(text, decimal) is not None:
        return "marked"
    return "comma" if decimal == "." and DECIMAL_COMMA.fullmatch(text.strip()) else ""


def _how_to_read(name: str, looks: set[str]) -> str:
    # 1,257 alone may be either; beside 0,5 its comma is a decimal one
    return "'data.decimal=\",\"'" if "comma" in looks else type_override(name, "number")


def _date_notes(name: str, column: "pd.Series[Any]") -> Iterator[str]:
    positions, texts = factorize_texts(sample_evenly(column, SAMPLE_ROWS))
    date_format = find_format(texts, np.bincount(positions[positions >= 0], minlength=len(texts)))
    if date_format is None:
        return
    positions, texts = factorize_texts(column)
    unread = np.isnat(parse_dates(texts, date_format))
    if unread.any():
        strays = [text for text, bad in zip(texts, unread, strict=True) if bad]
        rows = int(np.append(unread, False).take(positions).sum())
        strict = type_override(name, date_format)
        yield (
            f"{rows:,} of {len(column):,} values are no dates ({_examples(strays)}) and count as missing; "
            f"to refuse such values, type: {strict}"
        )
    if is_ambiguous(texts, date_format):
        other = swap_day_and_month(date_format)
        override = type_override(name, str(other))
        yield f"'{shorten(texts[0])}' is read as {date_format}; if it is {other}, type: {override}"


def _examples(texts: list[str]) -> str:
    listed = ", ".join(f"'{shorten(text)}'" for text in texts[:MAX_EXAMPLES])
    return f"{listed}, …" if len(texts) > MAX_EXAMPLES else listed
