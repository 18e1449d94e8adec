"""What is decided of columns whose values leave a choice, each with the override that decides otherwise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.tables.csv_files import CODE, MISSING_WORDS
from runtree.tables.dates import (
    MIN_DATE_SHARE,
    UNIX,
    UNIX_NAMES,
    find_format,
    find_unix,
    is_ambiguous,
    parse_dates,
    says_time,
    swap_day_and_month,
)
from runtree.tables.declared import missing_override, read_as, type_override
from runtree.tables.numbers import WORDS, is_numeric, parse_declared_number, parse_number, shorten
from runtree.tables.table import as_text, factorize_texts, sample_evenly

Array = np.ndarray[Any, Any]

MIN_NUMBERS = 0.5  # share of the rows of a text column, from which its numbers are worth a note
MIN_NUMBER_SHARE = 0.95  # from which it is read as numbers, as with dates: the rest counts as typing errors
MAX_EXAMPLES = 3
SAMPLE_ROWS = 20_000
SAMPLE_TEXTS = 1000
# words for a missing number: of however many rows, they do not make a column of numbers one of texts
ABSENT = frozenset(word.lower() for word in MISSING_WORDS) | {
    *(
        "-",
        "--",
        "---",
        "\u2013",
        "\u2014",
        "?",
        "??",
        ".",
        "..",
        "*",
        "n/d",
        "nd",
        "n.d.",
        "n.a.",
        "s/d",
        "k.a.",
        "nil",
    ),
    *("unknown", "missing", "no data", "not available", "not applicable", "#value!", "#div/0!", "#ref!", "#num!"),
}
TWO_WAYS = re.compile(r"[+-]?\d{1,3},\d{3}")  # 1,257 may be 1257 or 1.257
MAX_STRAYS = 20


@dataclass(frozen=True)
class TypeDecision:
    """What a column of text is read as, where its values left a choice.

    Attributes
    ----------
    type
        number, date or text.
    why
        The evidence, in words.
    read_as
        The type by which it is read, here and in later rows; "" if the column stays as it is.
    strays
        The texts that do not fit, the most frequent first, at most `MAX_STRAYS`.
    misfits
        The number of rows with such texts.
    note
        What to tell, with what to type if something else is meant.
    """

    type: str
    why: str
    note: str
    read_as: str = ""
    strays: tuple[str, ...] = ()
    misfits: int = 0

    def record(self) -> dict[str, Any]:
        """Return what `data.json` says."""
        misfits = {"misfits": self.misfits, "examples": list(self.strays[:MAX_EXAMPLES])} if self.misfits else {}
        return {"type": self.type, "why": self.why, **misfits}


def decide_types(
    frame: pd.DataFrame, declared: Mapping[str, str], decimal: str = ".", date_format: str = ""
) -> dict[str, TypeDecision]:
    """Return what is decided of each column of text that seems to hold numbers or dates, and of times as numbers.

    Parameters
    ----------
    declared
        The types that the user declares: of those columns nothing is guessed.
    date_format
        Of columns in which nearly all texts are dates in it.
    """
    texts = {
        str(name): column
        for name, column in frame.items()
        if str(name) not in declared and types.is_string_dtype(column.dtype) and not is_numeric(column)
    }
    found = {
        str(name): _times(str(name), column)
        for name, column in frame.items()
        if str(name) not in declared and says_time(str(name))
    }
    found |= {
        name: _decide(name, column, decimal, "" if date_format in UNIX else date_format)
        for name, column in texts.items()
        if found.get(name) is None
    }
    return {name: decision for name, decision in found.items() if decision is not None}


def apply_decisions(frame: pd.DataFrame, decisions: Mapping[str, TypeDecision], decimal: str = ".") -> pd.DataFrame:
    """Return a table in which the decided columns are numbers and dates, missing where a text does not fit."""
    read = {
        name: read_as(frame[name], decision.read_as, decimal)[0]
        for name, decision in decisions.items()
        if decision.read_as
    }
    return frame.assign(**read) if read else frame


def notes_of(decisions: Mapping[str, TypeDecision]) -> list[str]:
    """Return the note of each decision that has one."""
    return [f"column '{name}': {decision.note}" for name, decision in decisions.items() if decision.note]


def _times(name: str, column: "pd.Series[Any]") -> TypeDecision | None:
    """Return the decision on numbers since 1970, in a column whose name is one of times."""
    kind = find_unix(column)
    if not kind:
        return None
    first = as_text(column.dropna().iloc[0])
    date = str(np.datetime_as_string(parse_dates([first], kind)[0], unit="s")).replace("T", " ")
    what = f"{int(column.notna().sum()):,} numbers are times in {UNIX_NAMES[kind]} since 1970"
    note = f"{what}, and are read as dates ({first} is {date}); if they are quantities, type: "
    return TypeDecision("date", what, note + type_override(name, "number"), kind)


def _decide(name: str, column: "pd.Series[Any]", decimal: str, date_format: str) -> TypeDecision | None:
    positions, texts = factorize_texts(column)
    if not texts:
        return None
    counts = np.bincount(positions[positions >= 0], minlength=len(texts))
    if date_format:
        unread = np.isnat(parse_dates(texts, date_format))
        if counts[unread].sum() <= (1 - MIN_DATE_SHARE) * counts.sum():
            return _dates(name, texts, counts, date_format, "data.date_format")
    # most columns of text hold no numbers, and a sample shows it
    sample = texts[:: max(1, len(texts) // SAMPLE_TEXTS)]
    if len(sample) < len(texts) and not any(_look_of(text, decimal) for text in sample):
        return _decide_date(name, column, texts, counts)
    looks = [_look_of(text, decimal) for text in texts]
    numbers = np.asarray([bool(look) for look in looks])
    if counts[numbers].sum() < MIN_NUMBERS * counts.sum():
        return _decide_date(name, column, texts, counts)
    odd = [text for text, look in zip(texts, looks, strict=True) if look not in ("plain", "")]
    kind = "decimal_comma" if "comma" in looks else "number"
    # beside 0,5 the comma of 1,257 is a decimal one, and 12.5 is no number
    mark = "," if kind == "decimal_comma" else decimal
    fits = numbers & np.asarray([parse_declared_number(text, mark) is not None for text in texts])
    strays = [texts[place] for place in np.argsort(-counts, kind="stable") if not fits[place]]
    count, others = int(counts[fits].sum()), int(counts[~fits].sum())
    zeros = [text for text in texts if CODE.fullmatch(text)]
    as_texts = type_override(name, "category")
    if zeros:
        what = f"codes with leading zeros ({_examples(zeros)}) are read as categories"
        return TypeDecision("code", what, f"{what}; if they are quantities, type: {type_override(name, kind)}")
    shown = f" ('{shorten(odd[0])}' is {parse_declared_number(odd[0], mark):.12g})" if odd else ""
    if others:
        mixed = f"{count:,} numbers and {others:,} other text{'' if others == 1 else 's'} ({_examples(strays)})"
        absent = all(text.strip().lower() in ABSENT for text in strays)
        if count < MIN_NUMBER_SHARE * counts.sum() and not absent:
            how = f" {type_override(name, kind)}" if odd else ""
            note = f"{mixed}, so all are read as text; to take those as missing, type: {_missing(strays)}{how}"
            return TypeDecision("text", mixed, note, strays=tuple(strays[:MAX_STRAYS]))
        note = f"{mixed}: read as numbers{shown}, and those as missing; "
        note += f"if they are categories, type: {as_texts}; to confirm, type: {_missing(strays)}"
        return TypeDecision("number", mixed, note, kind, tuple(strays[:MAX_STRAYS]), others)
    if odd:
        like = f"{count:,} texts look like numbers ({_examples(odd)})"
        comma = type_override(name, "decimal_comma")
        other = f"; if its comma is a decimal mark, type: {comma}" if any(map(TWO_WAYS.fullmatch, odd)) else ""
        other = "" if kind == "decimal_comma" else other
        note = f"{like}, and are read as such{shown}{other}; "
        note += f"if they are categories, type: {as_texts}; to confirm, type: {type_override(name, kind)}"
        return TypeDecision("number", like, note, kind)
    note = f"numbers stored as text are read as categories; if they are quantities, type: {type_override(name, kind)}"
    return TypeDecision("category", "numbers stored as text", note)


def _missing(strays: list[str]) -> str:
    return missing_override(strays[:MAX_EXAMPLES])


def _look_of(text: str, decimal: str) -> str:
    """Return how a text looks like a number: plain, marked (1,257 or 5 %), comma (0,5); empty if it does not."""
    # true and false are numbers to a model, and words to a reader
    if text.strip().lower() in WORDS:
        return ""
    if parse_number(text, decimal) is not None:
        return "plain"
    if parse_declared_number(text, decimal) is not None:
        return "marked"
    # 12,5 and 1.257,5: the user has not said which mark it is
    return "comma" if decimal == "." and "," in text and parse_declared_number(text, ",") is not None else ""


def _decide_date(name: str, column: "pd.Series[Any]", texts: list[str], counts: Array) -> TypeDecision | None:
    positions, sampled = factorize_texts(sample_evenly(column, SAMPLE_ROWS))
    date_format = find_format(sampled, np.bincount(positions[positions >= 0], minlength=len(sampled)))
    return None if date_format is None else _dates(name, texts, counts, date_format)


def _dates(name: str, texts: list[str], counts: Array, date_format: str, by: str = "") -> TypeDecision | None:
    """Return the decision on dates; `by` is the key that has asked for the format."""
    unread = np.isnat(parse_dates(texts, date_format))
    strays = tuple(texts[place] for place in np.argsort(-counts, kind="stable") if unread[place])
    rows, total = int(counts[unread].sum()), int(counts.sum())
    notes = []
    if rows:
        notes.append(
            f"{rows:,} of {total:,} values are no dates ({_examples(list(strays))}) and count as missing; "
            f"to refuse such values, type: {type_override(name, date_format)}"
        )
    if not by and is_ambiguous(texts, date_format):
        other = str(swap_day_and_month(date_format))
        override = type_override(name, other)
        notes.append(f"'{shorten(texts[0])}' is read as {date_format}; if it is {other}, type: {override}")
    why = f"{total - rows:,} of {total:,} texts are dates as {date_format}" + (f", by {by}" if by else "")
    read = date_format if by else ""
    return TypeDecision("date", why, f"; column '{name}': ".join(notes), read, strays[:MAX_STRAYS], rows)


def _examples(texts: list[str]) -> str:
    listed = ", ".join(f"'{shorten(text)}'" for text in texts[:MAX_EXAMPLES])
    return f"{listed}, …" if len(texts) > MAX_EXAMPLES else listed
