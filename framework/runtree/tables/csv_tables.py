"""Text files as tables: the same values for training and prediction, whatever pandas would guess.

A text file is parsed once. What the parsed values no longer show, codes with leading zeros and words that were taken as
missing, is looked for in its bytes.
"""

import lzma
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtree.contract.errors import DataError, RuntreeError, first_line
from runtree.tables.csv_files import (
    AUTO,
    CODE,
    ENCODINGS,
    MISSING_WORDS,
    CsvFormat,
    Reading,
    check_header,
    find_format,
    open_bytes,
    packed,
)
from runtree.tables.places import DataFiles

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]

CHUNK_ROWS = 10_000  # read as text at a time
WORD_ROWS = 100_000  # in which words for a missing value are looked for
SEARCH_BYTES = 1 << 16  # of a file at a time: what is made of them stays in the cache of the processor
MAX_LINE_BYTES = 64 << 20  # of the first rows, which are looked at in memory
LONGEST_CODE = 256
GLANCE_ROWS = 100
LINE_END, QUOTES = 10, (34, 39)  # bytes
NUMBERED = re.compile(r"(.+)\.\d+")  # how pandas calls the second of two columns of one name
PACKING_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def read_csv(file: Path, csv: CsvFormat, reading: Reading, texts: Collection[str] = ()) -> "pd.DataFrame":
    """Return all rows. A column of whole numbers of which some begin with 0, as codes do, is kept as text.

    Parameters
    ----------
    texts
        Columns that are text whatever they hold.

    Raises
    ------
    ValueError
        What pandas cannot read: an empty file, one with another separator or encoding.
    DataError
        The header names a column twice.
    """
    import pandas as pd

    # most headers need no look of their own: the parsed columns show whether a name was numbered
    is_declared = bool(reading.types or reading.texts or texts or reading.missing != (AUTO,))
    header = read_header(file, csv, "data.path: ") if is_declared else []
    options = csv.options | _missing_options(header, reading)
    declared = {name for name, kind in reading.types.items() if kind != "number"}
    as_text = _as_written(header, {*declared, *reading.texts, *texts})
    frame: pd.DataFrame = pd.read_csv(packed(file), dtype=dict.fromkeys(as_text, "str"), **options)
    if not is_declared and any(
        found[1] in frame.columns for name in frame.columns if (found := NUMBERED.fullmatch(str(name)))
    ):
        read_header(file, csv, "data.path: ")
    written = list(map(str, frame.columns))
    frame = _strip_names(frame)
    codes = code_columns(file, csv, frame)
    if codes:
        as_text = {*as_text, *_as_written(written, codes)}
        frame = _strip_names(pd.read_csv(packed(file), dtype=dict.fromkeys(as_text, "str"), **options))
    return frame


def _as_written(header: Sequence[str], names: Collection[str]) -> set[str]:
    """Return columns as a header writes their names, which may have spaces around them."""
    return {written for written in header if written.strip() in names}


def _strip_names(frame: "pd.DataFrame") -> "pd.DataFrame":
    names = [str(name).strip() for name in frame.columns]
    if names != list(frame.columns):
        check_header(names, "data.path: the header")
        frame.columns = names
    return frame


def _read_as_text(content: Any, names: Collection[str], csv: CsvFormat, **options: Any) -> Any:
    import pandas as pd

    def is_wanted(written: Any) -> bool:
        return str(written).strip() in names

    return pd.read_csv(content, usecols=is_wanted, dtype="str", **csv.options, **options)


def csv_batches(
    file: Path, csv: CsvFormat, reading: Reading, texts: Collection[str], size: int
) -> "Iterator[pd.DataFrame]":
    """Yield the rows in tables of at most `size`; the columns `texts` are text even where they hold only digits."""
    import pandas as pd

    header = read_header(file, csv)
    types = dict.fromkeys(_as_written(header, texts), "str")
    with pd.read_csv(
        packed(file), chunksize=size, dtype=types, **csv.options, **_missing_options(header, reading)
    ) as chunks:
        yield from map(_strip_names, chunks)


def read_header(file: Path, csv: CsvFormat, where: str = "") -> list[str]:
    """Return the columns as they are written; a name that stands twice is refused: pandas would number the second one.

    `where` begins the message of the error.
    """
    import pandas as pd

    row = pd.read_csv(packed(file), header=None, nrows=1, dtype="str", keep_default_na=False, **csv.options)
    names = [str(name) for name in row.iloc[0]]
    check_header([name.strip() for name in names], f"{where}the header of {file}")
    return names


def _missing_options(header: Sequence[str], reading: Reading) -> dict[str, Any]:
    # a category keeps its words: NA may be a country
    categories = _as_written(header, {name for name, kind in reading.types.items() if kind == "category"})
    if not categories and reading.missing == (AUTO,):
        return {}
    words: Any = reading.words
    if categories:
        own = [word for word in reading.missing if word != AUTO]
        words = {name: ["", *own] if name in categories else words for name in header}
    return {"na_values": words, "keep_default_na": False}


# --- What the values of a parsed file no longer show.


def code_columns(file: Path, csv: CsvFormat, frame: "pd.DataFrame") -> list[str]:
    """Return the columns that pandas has read as whole numbers, but that have values with leading zeros."""
    import pandas as pd

    whole = [str(name) for name, column in frame.items() if _holds_whole_numbers(column)]
    # where the rows have a field more than the header, pandas takes the first one as the index
    if not whole or not isinstance(frame.index, pd.RangeIndex) or not _may_hold_codes(file, csv):
        return []
    found: set[str] = set()
    for chunk in map(_strip_names, _read_as_text(packed(file), whole, csv, chunksize=CHUNK_ROWS)):
        found |= {name for name in whole if name not in found and chunk[name].str.fullmatch(CODE.pattern).any()}
    return sorted(found)


def _holds_whole_numbers(column: "pd.Series[Any]") -> bool:
    if column.dtype.kind == "f":  # whole numbers with holes
        values = column.to_numpy()
        # most columns of other numbers show it at once
        return all(_are_whole(some) for some in (values[:GLANCE_ROWS], values)) and not np.isnan(values).all()
    return column.dtype.kind in "iu"


def _are_whole(values: Array) -> bool:
    """Return whether all values that are known are finite and whole."""
    return bool(((np.floor(values) == values) | np.isnan(values)).all() and not np.isinf(values).any())


def _is_plain(csv: CsvFormat) -> bool:
    """Return whether separator, digits and line ends are single bytes, as in ASCII."""
    return len(csv.separator) == 1 and ",0".encode(csv.encoding) == b",0" and csv.separator.isascii()


def _may_hold_codes(file: Path, csv: CsvFormat) -> bool:
    """Return whether a field of the file is a number with a leading zero; True if that takes more than a search."""
    # parsing a second time costs as much as the first time; a search in the bytes costs a fraction of it
    if not _is_plain(csv):
        return True
    mark = csv.separator.encode()
    with open_bytes(file) as content:
        before = b""
        while block := content.read(SEARCH_BYTES):
            # a field may begin in one block and end in the next
            text = before + block
            # where the parser skips spaces after a separator, a code may follow one
            if _have_code(text + 2 * mark, mark[0]) or (csv.spaced and mark + b" 0" in text):
                return True
            before = text[-LONGEST_CODE:]
    return False


def _have_code(text: bytes, mark: int) -> bool:
    """Return whether in a text, which ends with two separators, a field is a 0 before other digits."""
    cells = np.frombuffer(text, dtype=np.uint8)
    begins = (cells[:-2] == mark) | (cells[:-2] == LINE_END)
    codes = (cells[1:-1] == ord("0")) & _are_digits(cells[2:])  # and zeros before a digit are rare
    ends = np.flatnonzero(begins & codes) + 3
    for quote in QUOTES:
        if bytes([quote]) in text:  # of most files no field is quoted
            quoted = begins[:-1] & (cells[1:-2] == quote) & codes[1:]
            ends = np.r_[ends, np.flatnonzero(quoted) + 4]
    while len(ends):
        further = _are_digits(cells[ends])
        last = cells[ends[~further]]
        if np.isin(last, (mark, LINE_END, ord("\r"))).any():
            return True
        # the field ends after its quote
        closed = ends[~further][np.isin(last, QUOTES)] + 1
        if np.isin(cells[closed], (mark, LINE_END, ord("\r"))).any():
            return True
        ends = ends[further] + 1
    return False


def _are_digits(cells: Array) -> Array:
    digits: Array = cells - np.uint8(ord("0")) < 10  # what is below 0 wraps around
    return digits


def missing_words(file: Path, csv: CsvFormat, frame: "pd.DataFrame", reading: Reading) -> dict[str, list[str]]:
    """Return, for each column of text, the words such as NA that were taken as missing in the first rows."""
    import pandas as pd

    first = frame.iloc[:WORD_ROWS]
    lacking = first.isna().any().to_numpy()
    texts = [
        str(name)
        for name, column in frame.loc[:, lacking].items()
        # without any value a column of text has no type
        if pd.api.types.is_string_dtype(column.dtype) or column.isna().all()
    ]
    texts = [name for name in texts if reading.types.get(name) != "category"]
    if not texts or AUTO not in reading.missing or not isinstance(frame.index, pd.RangeIndex):
        return {}
    raw = _rows_as_written(file, csv, first[texts], reading)
    if raw is None:
        raw = _strip_names(_read_as_text(packed(file), texts, csv, keep_default_na=False, nrows=WORD_ROWS))
    own = {*reading.missing, ""}
    found = {name: sorted(set(raw[name].unique()) & set(MISSING_WORDS) - own) for name in texts}
    return {name: words for name, words in found.items() if words}


def _rows_as_written(file: Path, csv: CsvFormat, first: "pd.DataFrame", reading: Reading) -> "pd.DataFrame | None":
    """Return the rows that lack a value, with the words for it; None where the lines of the file are not its rows."""
    places = np.flatnonzero(first.isna().any(axis=1).to_numpy())
    lines = _lines_of(file, places + 1) if _is_plain(csv) else None
    if lines is None:
        return None
    try:
        raw: pd.DataFrame = _strip_names(_read_as_text(BytesIO(lines), first.columns, csv, keep_default_na=False))
    except ValueError:  # a part of a field of several lines
        return None
    rows = first.iloc[places]
    if len(raw) != len(rows):
        return None
    for name, column in rows.items():
        known = column.notna().to_numpy()
        written = raw[name].to_numpy()
        # quoted fields of several lines and empty lines, which are no rows: then these are others
        if (written[known] != column.to_numpy()[known]).any() or not raw[name][~known].isin(reading.words).all():
            return None
    return raw


def _lines_of(file: Path, places: Array) -> bytes | None:
    """Return the first line of a file, and those at some places, ascending; None if they are too many bytes."""
    ends, text, count = [np.zeros(1, dtype=np.int64)], bytearray(), 0
    with open_bytes(file) as content:
        while count <= places[-1] and (block := content.read(SEARCH_BYTES)):
            if len(text) >= MAX_LINE_BYTES:  # long lines: pandas parses them bit by bit
                return None
            ends.append(np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == LINE_END) + len(text) + 1)
            count += len(ends[-1])
            text += block
    starts = np.concatenate([*ends, [len(text)]])
    if len(starts) < places[-1] + 2:
        return None
    parts = [text[: starts[1]], *(text[starts[place] : starts[place + 1]] for place in places.tolist())]
    return b"".join(parts)


# --- Several files, and what pandas says about them.


def read_csv_files(
    files: DataFiles, csv: CsvFormat, reading: Reading, where: str
) -> "tuple[pd.DataFrame, CsvFormat, list[str], dict[str, list[str]]]":
    """Return the rows of all files, the format of the first one, notes, and the words that were taken as missing."""
    from runtree.tables.stacking import check_same_columns, concatenate, mixed_columns

    formats, frames = {}, {}
    for file in files.files:
        label = files.label(file)
        with csv_errors(f"{where}: {label}", csv):
            found = find_format(file, csv)
            try:
                frames[label] = read_csv(file, found, reading)
            except UnicodeDecodeError:
                # the beginning was UTF-8, and a byte further down is not
                if csv.encoding != AUTO or found.encoding != "utf-8":
                    raise
                found = replace(found, encoding=ENCODINGS[-2])
                try:
                    frames[label] = read_csv(file, found, reading)
                except UnicodeDecodeError:
                    found = replace(found, encoding=ENCODINGS[-1])
                    frames[label] = read_csv(file, found, reading)
            formats[label] = found
    check_same_columns({label: list(frame.columns) for label, frame in frames.items()}, where)
    # a column is read as it would be if the files were one: text in one of them, text in all
    mixed = mixed_columns(list(frames.values())) if len(frames) > 1 else []
    if mixed:
        again = dict(zip(files.files, formats.items(), strict=True))
        frames = {label: read_csv(file, form, reading, mixed) for file, (label, form) in again.items()}
    frame = concatenate(list(frames.values()))
    (label, form), *_ = formats.items()
    words: dict[str, list[str]] = {}
    for file, found in zip(files.files, formats.values(), strict=True):
        for name, new in missing_words(file, found, frames[files.label(file)], reading).items():
            words[name] = sorted({*words.get(name, ()), *new})
    return frame, form, _format_notes(formats, csv), words


def _format_notes(formats: dict[str, CsvFormat], csv: CsvFormat) -> list[str]:
    """Return a note for each format that was found and is not the usual one."""
    usual = {(",", "utf-8"), (",", "utf-8-sig")}
    by_format: dict[CsvFormat, list[str]] = {}
    for label, found in formats.items():
        tab = found.separator == "\t" and ".tsv" in label
        if found != csv and not tab and (found.separator, found.encoding) not in usual:
            by_format.setdefault(found, []).append(label)
    return [
        f"{labels[0]}{f' and {len(labels) - 1} more' if len(labels) > 1 else ''} read with {found.describe()}, as the "
        "beginning looks; to read it otherwise, set data.separator and data.encoding"
        for found, labels in by_format.items()
    ]


@contextmanager
def csv_errors(label: str, csv: CsvFormat, otherwise: str = "") -> Iterator[None]:
    """Raise a `DataError` for what pandas raises about a CSV file.

    Parameters
    ----------
    label
        The config path and the file.
    otherwise
        What to type if the file has another format; by default the keys of `data`.
    """
    from csv import Error as CsvError

    import pandas as pd

    try:
        yield
    except RuntreeError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"{label} is empty") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{label} is not encoded in {error.encoding} (byte {error.start})",
            otherwise or "try: data.encoding=latin-1",
        ) from None
    except UnicodeError as error:  # utf-16 without the mark that it begins with
        raise DataError(f"{label} is not encoded in {csv.encoding} ({first_line(error)})", otherwise) from None
    except PACKING_ERRORS as error:
        raise DataError(f"{label} cannot be unpacked ({first_line(error)})") from None
    # the parser of pandas, or the one of Python that it uses for long separators
    except (ValueError, OverflowError, CsvError) as error:
        says, hint = _fault(first_line(error))
        mark = "" if csv.separator == AUTO else f" if '{csv.separator}' does not separate its columns,"
        other = f"{mark} type: data.separator=';', or another mark".strip()
        if hint and csv.separator == AUTO:
            other = f"if another mark separates the columns, {other}"
        raise DataError(f"{label} is not a table: {says}", hint, otherwise or other) from None


def _fault(message: str) -> tuple[str, str]:
    """Return what the parser of pandas found wrong, in words for who has the file, and what to do about it."""
    fields = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if fields:
        expected, line, seen = map(int, fields.groups())
        return (
            f"line {line:,} has {seen} fields, and the lines before it have {expected}",
            "quote the fields that hold the separator, or remove what is no row: titles, comments, totals",
        )
    quote = re.search(r"EOF inside string starting at row (\d+)", message)
    if quote:
        return f"the quotation mark that opens in row {int(quote[1]):,} is not closed", "repair that row"
    return message, ""
