"""Reading CSV files: the same values for training and prediction, whatever pandas would guess."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from runtree.contract.errors import ConfigError, DataError
from runtree.tables.file_signatures import encoding_of_begin

if TYPE_CHECKING:
    import pandas as pd

AUTO = "auto"
# The words of pandas for a missing value, written out, so that a list of the user's can include them.
MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
CODE = re.compile(r"0\d+")
CHUNK_ROWS = 10_000  # read as text at a time
WORD_ROWS = 100_000  # in which words for a missing value are looked for
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
SEPARATORS = ",;\t|"
ENCODINGS = ("utf-8", "cp1252", "latin-1")  # tried in this order; the last one reads any bytes
SAMPLE_BYTES = 64 * 1024  # in which the separator is looked for
SAMPLE_LINES = 50
SEARCH_BYTES = 1 << 22  # of a file at a time
LONGEST_CODE = 256
GLANCE_ROWS = 100
FORMAT_KEYS = ("data.separator", "data.decimal", "data.encoding")
COMMON = ("utf-8", "cp1252", "latin-1", "utf-16", "auto")


@dataclass(frozen=True)
class Reading:
    """What the user says about the columns of a table: the keys `data.types` and `data.missing`.

    A data source that reads text may take it as the keyword `reading` of `load`, and then applies `missing` itself.

    Attributes
    ----------
    types
        The type of a column by its name: number, category, date, or the format of a date.
    missing
        The words that are a missing value; "auto" among them stands for the usual ones.
    texts
        Columns of a text file that are text even if all of its values are digits, as they were text in training.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = (AUTO,)
    texts: frozenset[str] = frozenset()

    @property
    def words(self) -> list[str]:
        """The words for a missing value in a text file; an empty cell always is one."""
        usual = MISSING_WORDS if AUTO in self.missing else ("",)
        return [*usual, *(word for word in self.missing if word != AUTO)]


@dataclass(frozen=True)
class CsvFormat:
    """The format of a CSV file; "auto": as the file looks; without `thousands` no mark groups digits."""

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    thousands: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of pandas' `read_csv`."""
        # low_memory=False: in chunks, pandas may infer two types for one column and return a mix of both. Its parser in
        # Python, which longer separators need, does not
        parser: dict[str, Any] = {"low_memory": False} if len(self.separator) == 1 else {"engine": "python"}
        grouped = {"thousands": self.thousands} if self.thousands else {}
        return {"sep": self.separator, "decimal": self.decimal, "encoding": self.encoding, **grouped, **parser}

    def describe(self) -> str:
        """Return separator and encoding for a message."""
        names = {"\t": "a tab"}
        return f"the separator {names.get(self.separator, repr(self.separator))} and the encoding {self.encoding}"


def check_format(csv: CsvFormat, names: Sequence[str] = FORMAT_KEYS) -> None:
    """Refuse a format that no file can have.

    Parameters
    ----------
    names
        What sets separator, decimal mark and encoding: config paths or options, for the message.

    Raises
    ------
    ConfigError
        With what is possible.
    """
    import codecs

    separator, decimal, encoding = names
    if csv.encoding != AUTO:
        try:
            is_text = codecs.lookup(csv.encoding)._is_text_encoding
        except (LookupError, ValueError):
            is_text = False
        if not is_text:
            raise ConfigError(f"{encoding}: {csv.encoding!r} is no encoding", f"for example: {', '.join(COMMON)}")
    if len(csv.decimal) != 1 or csv.decimal.isalnum() or csv.decimal in '"\r\n+-' or csv.decimal == csv.separator:
        raise ConfigError(f"{decimal}: {csv.decimal!r} cannot be the decimal mark", 'a point or a comma: "." or ","')
    if csv.thousands and (len(csv.thousands) != 1 or csv.thousands.isalnum() or csv.thousands in (csv.decimal, '"')):
        raise ConfigError(
            f"data.thousands: {csv.thousands!r} cannot group digits beside the decimal mark {csv.decimal!r}",
            "another mark, such as a comma, a point or a space",
        )
    try:
        re.compile(csv.separator)  # a longer one is a pattern
        possible = csv.separator == AUTO or (csv.separator != "" and not set(csv.separator) & {"\r", "\n", '"'})
    except re.error:
        possible = len(csv.separator) == 1
    if not possible:
        raise ConfigError(
            f"{separator}: {csv.separator!r} cannot divide columns", 'for example "," ";" or a tab: "\\t"'
        )


def find_format(file: Path, csv: CsvFormat) -> CsvFormat:
    """Return the format with the separator and encoding that the beginning of the file shows, where they are "auto"."""
    if AUTO not in (csv.separator, csv.encoding):
        return csv
    with open_bytes(file) as content:
        sample = content.read(SAMPLE_BYTES)
    encoding = _find_encoding(sample) if csv.encoding == AUTO else csv.encoding
    separator = csv.separator
    if separator == AUTO:
        lines = sample.decode(encoding, "replace").splitlines()
        # the last line of the sample is most likely cut
        separator = _find_separator(
            lines[: SAMPLE_LINES if len(sample) < SAMPLE_BYTES else min(SAMPLE_LINES, len(lines) - 1)]
        )
    return replace(csv, separator=separator, encoding=encoding)


def _find_encoding(sample: bytes) -> str:
    shown = encoding_of_begin(sample)
    if shown is not None:
        return shown
    for encoding in ENCODINGS:
        try:
            sample.decode(encoding)
        except UnicodeDecodeError as error:
            # a character of several bytes at the end of the sample is cut, and no fault
            if encoding == "utf-8" and error.start > len(sample) - 4 and len(sample) == SAMPLE_BYTES:
                return encoding
        else:
            return encoding
    return ENCODINGS[-1]


def _find_separator(lines: Sequence[str]) -> str:
    """Return the mark that divides the lines into the same number of fields, two at least; a comma if none does."""
    import csv

    best, chosen = (0.0, 0), SEPARATORS[0]
    for mark in SEPARATORS:
        try:
            rows = [row for row in csv.reader(lines, delimiter=mark) if row]
        except csv.Error:
            continue
        fields = len(rows[0]) if rows else 0
        if fields < 2:
            continue
        score = (round(sum(len(row) == fields for row in rows) / len(rows), 2), fields)
        if score > best:
            best, chosen = score, mark
    return chosen


def open_bytes(file: Path) -> BinaryIO:
    """Open a file, unpacked if its name says that it is compressed."""
    import bz2
    import gzip
    import lzma
    import zipfile

    if file.suffix == ".zst":
        import pyarrow

        stream: BinaryIO = pyarrow.input_stream(str(file), compression="zstd")
        return stream
    if file.suffix == ".zip":
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise DataError(f"{file.name} holds {len(names)} files", "unpack it, and name the folder or a file in it")
        return archive.open(names[0])  # type: ignore[return-value]
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(file.suffix, open)
    content: BinaryIO = opener(file, "rb")
    return content


def _packed(file: Path) -> Any:
    """Return what pandas reads: the name of a file, or an open one where pandas would need another package."""
    return open_bytes(file) if file.suffix in (".zst", ".zip") else file


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

    header = read_header(file, csv, "data.path: ")
    options = csv.options | _missing_options(header, reading)
    declared = {name for name, kind in reading.types.items() if kind != "number"}
    as_text = ({*declared, *reading.texts} & {*header}).union(texts)
    frame: pd.DataFrame = pd.read_csv(_packed(file), dtype=dict.fromkeys(as_text, "str"), **options)
    codes = code_columns(file, csv, frame)
    if codes:
        frame = pd.read_csv(_packed(file), dtype=dict.fromkeys({*as_text, *codes}, "str"), **options)
    return frame


def csv_batches(
    file: Path, csv: CsvFormat, reading: Reading, texts: Collection[str], size: int
) -> "Iterator[pd.DataFrame]":
    """Yield the rows in tables of at most `size`; the columns `texts` are text even where they hold only digits."""
    import pandas as pd

    header = read_header(file, csv)
    types = {name: "str" for name in texts if name in header}
    yield from pd.read_csv(
        _packed(file), chunksize=size, dtype=types, **csv.options, **_missing_options(header, reading)
    )


def read_header(file: Path, csv: CsvFormat, where: str = "") -> list[str]:
    """Return the names of the columns; a name that stands twice is refused: pandas would number the second one.

    `where` begins the message of the error.
    """
    import pandas as pd

    row = pd.read_csv(_packed(file), header=None, nrows=1, dtype="str", keep_default_na=False, **csv.options)
    names = [str(name) for name in row.iloc[0]]
    check_header(names, f"{where}the header of {file}")
    return names


def check_header(names: Sequence[str], header: str) -> None:
    """Refuse a name that stands twice in a header: pandas would number the second one."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name]
    if repeated:
        raise DataError(
            f"{header} names '{repeated[0]}' {_times(names.count(repeated[0]))}", "rename one of the columns"
        )


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _missing_options(header: Sequence[str], reading: Reading) -> dict[str, Any]:
    # a category keeps its words: NA may be a country
    categories = [name for name, kind in reading.types.items() if kind == "category" and name in header]
    if not categories and reading.missing == (AUTO,):
        return {}
    words: Any = reading.words
    if categories:
        own = [word for word in reading.missing if word != AUTO]
        words = {name: ["", *own] if name in categories else words for name in header}
    return {"na_values": words, "keep_default_na": False}


def code_columns(file: Path, csv: CsvFormat, frame: "pd.DataFrame") -> list[str]:
    """Return the columns that pandas has read as whole numbers, but that have values with leading zeros."""
    import pandas as pd

    whole = [str(name) for name, column in frame.items() if _holds_whole_numbers(column)]
    # where the rows have a field more than the header, pandas takes the first one as the index
    if not whole or not isinstance(frame.index, pd.RangeIndex) or not _may_hold_codes(file, csv):
        return []
    found: set[str] = set()
    for chunk in pd.read_csv(_packed(file), usecols=whole, dtype="str", chunksize=CHUNK_ROWS, **csv.options):
        found |= {name for name in whole if name not in found and chunk[name].str.fullmatch(CODE.pattern).any()}
    return sorted(found)


def missing_words(file: Path, csv: CsvFormat, frame: "pd.DataFrame", reading: Reading) -> dict[str, list[str]]:
    """Return, for each column of text, the words such as NA that were taken as missing in the first rows."""
    import pandas as pd

    texts = [
        str(name)
        for name, column in frame.items()
        # without any value a column of text has no type
        if column.isna().any() and (pd.api.types.is_string_dtype(column.dtype) or column.isna().all())
    ]
    texts = [name for name in texts if reading.types.get(name) != "category"]
    if not texts or AUTO not in reading.missing or not isinstance(frame.index, pd.RangeIndex):
        return {}
    raw = pd.read_csv(_packed(file), usecols=texts, dtype="str", keep_default_na=False, nrows=WORD_ROWS, **csv.options)
    own = {*reading.missing, ""}
    found = {name: sorted(set(raw[name].unique()) & set(MISSING_WORDS) - own) for name in texts}
    return {name: words for name, words in found.items() if words}


def _holds_whole_numbers(column: "pd.Series[Any]") -> bool:
    if column.dtype.kind == "f":  # whole numbers with holes
        known = column.dropna()
        # most columns of other numbers show it at once
        return bool(len(known) and (known[:GLANCE_ROWS] % 1 == 0).all() and (known % 1 == 0).all())
    return column.dtype.kind in "iu"


def _may_hold_codes(file: Path, csv: CsvFormat) -> bool:
    """Return whether a field of the file is a number with a leading zero; True if that takes more than a search."""
    # parsing a second time costs as much as the first time; a search in the bytes costs a fraction of it
    if ",0".encode(csv.encoding) != b",0" or len(csv.separator) != 1:
        return True
    mark = csv.separator.encode(csv.encoding)
    codes = [
        # a quote alone is found in no time, and most files have none
        (
            begin[-1:] if begin[-1:] in b"\"'" else begin + b"0",
            re.compile(re.escape(begin) + rb"""0\d+["']?(?:%b|[\r\n]|\Z)""" % re.escape(mark)),
        )
        for begin in _begins(mark)
    ]
    with open_bytes(file) as content:
        before = b""
        while block := content.read(SEARCH_BYTES):
            # a field may begin in one block and end in the next
            text = before + block
            if any(hint in text and code.search(text) for hint, code in codes):
                return True
            before = block[-LONGEST_CODE:]
    return False


def _begins(mark: bytes) -> list[bytes]:
    """Return what may stand before the first letter of a field."""
    return [before + quote for before in (mark, b"\n") for quote in (b"", b'"', b"'")]
