"""How text files are written: separator, encoding, decimal mark, words for a missing value; found or given."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from runtree.contract.errors import ConfigError, DataError
from runtree.tables.file_signatures import encoding_of_begin

if TYPE_CHECKING:
    pass

AUTO = "auto"
# The words of pandas for a missing value, written out, so that a list of the user's can include them.
MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
CODE = re.compile(r"0\d+")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
SEPARATORS = ",;\t|"
ENCODINGS = ("utf-8", "cp1252", "latin-1")  # tried in this order; the last one reads any bytes
SAMPLE_BYTES = 64 * 1024  # in which the separator is looked for
SAMPLE_LINES = 50
MAX_SHOWN_FILES = 5
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
    hidden
        Columns of which no message may quote a value.
    fields
        Of later rows the columns that are looked for: cells of mappings and lists are unfolded into those of them.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = (AUTO,)
    texts: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    fields: frozenset[str] | None = None

    @property
    def words(self) -> list[str]:
        """The words for a missing value in a text file; an empty cell always is one."""
        usual = MISSING_WORDS if AUTO in self.missing else ("",)
        return [*usual, *(word for word in self.missing if word != AUTO)]


@dataclass(frozen=True)
class CsvFormat:
    """The format of a CSV file; "auto": as the file looks; without `thousands` no mark groups digits.

    `spaced`: a space after a separator, as in ``a, b``, is no part of a value, nor of the name of a column.
    """

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    thousands: str | None = None
    spaced: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of pandas' `read_csv`."""
        # low_memory=False: in chunks, pandas may infer two types for one column and return a mix of both. Its parser in
        # Python, which longer separators need, does not
        parser: dict[str, Any] = {"low_memory": False} if len(self.separator) == 1 else {"engine": "python"}
        grouped = {"thousands": self.thousands} if self.thousands else {}
        if self.spaced:
            parser["skipinitialspace"] = True
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
    """Return the format as the beginning of the file shows it: separator and encoding where they are "auto", spaces."""
    with open_bytes(file) as content:
        sample = content.read(SAMPLE_BYTES)
    encoding = _find_encoding(sample) if csv.encoding == AUTO else csv.encoding
    lines = sample.decode(encoding, "replace").splitlines()
    # the last line of the sample is most likely cut
    lines = lines[: SAMPLE_LINES if len(sample) < SAMPLE_BYTES else min(SAMPLE_LINES, len(lines) - 1)]
    separator = _find_separator(lines) if csv.separator == AUTO else csv.separator
    # not always, since it costs the parser a quarter of its time
    spaced = len(separator) == 1 and 2 * sum(f"{separator} " in line for line in lines) > len(lines)
    return replace(csv, separator=separator, encoding=encoding, spaced=spaced)


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

    suffix = file.suffix.lower()
    if suffix == ".zst":
        import pyarrow

        stream: BinaryIO = pyarrow.input_stream(str(file), compression="zstd")
        return stream
    if suffix == ".zip":
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            listed = ", ".join(names[:MAX_SHOWN_FILES]) + (", …" if len(names) > MAX_SHOWN_FILES else "")
            raise DataError(
                f"data.path: {file.name} holds {len(names)} files: {listed}"
                if names
                else f"data.path: {file.name} is empty",
                "unpack it, and name the folder or a file in it",
            )
        return archive.open(names[0])  # type: ignore[return-value]
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(suffix, open)
    content: BinaryIO = opener(file, "rb")
    return content


def packed(file: Path) -> Any:
    """Return what pandas reads: the name of a file, or an open one where pandas would need another package."""
    return open_bytes(file) if file.suffix.lower() in (".zst", ".zip") else file


def check_header(names: Sequence[str], header: str) -> None:
    """Refuse a name that stands twice in a header: pandas would number the second one."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name]
    if repeated:
        raise DataError(
            f"{header} names '{repeated[0]}' {_times(names.count(repeated[0]))}", "rename one of the columns"
        )


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
