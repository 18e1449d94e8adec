"""Tables in files of every format that is read, whole for training and in batches for prediction.

The format follows from the suffix, or is given. Formats that store types (Parquet, Arrow, Excel, JSON) keep them: what
is text there stays text, also where it looks like a number.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, possible
from runtree.contract.redaction import redact_text
from runtree.tables.csv_files import AUTO, COMPRESSED, CsvFormat, Reading, check_format
from runtree.tables.csv_tables import csv_batches, read_csv_files
from runtree.tables.file_signatures import refuse_other_kind
from runtree.tables.places import DataFiles, file_name
from runtree.tables.typed_files import parquet_batches, read_arrow, read_excel, read_json, read_parquet

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = {
    "csv": (".csv", ".tsv", ".txt"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
    "json": (".jsonl", ".ndjson", ".json"),
    "excel": (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"),
}
PACKED = ("csv", "json")  # formats of text, which may be compressed


@dataclass(frozen=True)
class FileOptions:
    """How files are read.

    Attributes
    ----------
    kind
        csv, parquet, arrow, json, excel; auto: by the suffix.
    csv
        The format of text files.
    sheet
        Of an Excel file the name of the sheet, or its number, from 0; None: the first, with a note if there are more.
    """

    kind: str = AUTO
    csv: CsvFormat = field(default_factory=CsvFormat)
    sheet: str | int | None = None

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of the files of this kind."""
        kinds = SUFFIXES if self.kind == AUTO else (self.kind,)
        return tuple(
            suffix + packed
            for kind in kinds
            for suffix in SUFFIXES[kind]
            for packed in ("", *(COMPRESSED if kind in PACKED else ()))
        )


@dataclass(frozen=True)
class Origin:
    """Where the rows of a source came from, and how they were read.

    Attributes
    ----------
    kind, name
        The format, and the path or URL as the user typed it.
    files, rows, bytes
        How many of each.
    csv
        The format that was found in the first text file.
    notes
        What a reader of the table should know.
    missing
        For each column of text, the words that were taken as missing in the first rows.
    """

    kind: str
    name: str
    rows: int = 0
    files: int = 0
    bytes: int = 0
    csv: CsvFormat | None = None
    notes: tuple[str, ...] = ()
    missing: dict[str, list[str]] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return what `data.json` says about the source."""
        known: dict[str, Any] = {"kind": self.kind, "name": redact_text(self.name), "rows": self.rows}
        known |= {"files": self.files, "bytes": self.bytes} if self.files else {}
        return known | ({"separator": self.csv.separator, "encoding": self.csv.encoding} if self.csv else {})


def kind_of_file(name: str) -> str:
    """Return the format that the suffix of a path or a URL says, or "auto"."""
    last = file_name(name).lower()
    unpacked = next((last.removesuffix(packed) for packed in COMPRESSED if last.endswith(packed)), last)
    otherwise = "csv" if unpacked != last and "." not in unpacked else AUTO  # rows.gz
    return next((kind for kind, suffixes in SUFFIXES.items() if unpacked.endswith(suffixes)), otherwise)


def choose_kind(name: str, options: FileOptions, where: str) -> str:
    """Return the format of a file by its suffix, unless it is given."""
    if options.kind != AUTO:
        return options.kind
    found = kind_of_file(name)
    if found == AUTO:
        known = [suffix for suffixes in SUFFIXES.values() for suffix in suffixes]
        raise DataError(f"{where}: the format of {name} does not show in its name", possible(known))
    return found


# --- Whole tables.


def read_files(files: DataFiles, options: FileOptions, reading: Reading, where: str) -> "tuple[pd.DataFrame, Origin]":
    """Return the rows of all files, and where they came from.

    Raises
    ------
    DataError
        A file cannot be read, or the columns of the files differ.
    """
    kind = choose_kind(str(files.files[0]), options, where)
    check_format(options.csv)
    for file in files.files:
        refuse_other_kind(file, f"{where}: {files.label(file)}", kind, options.csv.encoding)
    origin = Origin(kind, files.name, files=len(files.files), bytes=files.bytes)
    if kind == "csv":
        frame, csv, notes, missing = read_csv_files(files, options.csv, reading, where)
        origin = replace(origin, csv=csv, notes=tuple(notes), missing=missing)
    elif kind == "parquet":
        frame = read_parquet(files, where)
    else:
        from runtree.tables.stacking import stack

        labels = {files.label(file): file for file in files.files}
        read = {label: _read_one(kind, file, options, f"{where}: {label}") for label, file in labels.items()}
        frame = stack({label: rows for label, (rows, _) in read.items()}, where, reading.hidden)
        origin = replace(origin, notes=tuple(dict.fromkeys(note for _, notes in read.values() for note in notes)))
    return frame, replace(origin, rows=len(frame))


def _read_one(kind: str, file: Path, options: FileOptions, label: str) -> "tuple[pd.DataFrame, list[str]]":
    if kind == "excel":
        return read_excel(file, options.sheet, label)
    return read_arrow(file, label) if kind == "arrow" else read_json(file, options.csv.encoding, label), []


# --- Batches, for files that may be larger than memory.


def file_batches(
    file: Path, name: str, options: FileOptions, reading: Reading, texts: Collection[str], size: int
) -> "Iterator[pd.DataFrame]":
    """Yield the rows of a file in tables of at most `size`, with the types that the whole would have.

    Parameters
    ----------
    name
        Of the file, for messages and its suffix.
    texts
        Columns of text files that are text even where they hold only digits.
    """
    kind = choose_kind(name, options, name)
    if kind == "csv":
        yield from csv_batches(file, options.csv, reading, texts, size)
    elif kind == "parquet":
        yield from parquet_batches(file, name, size)
    else:
        frame, _ = _read_one(kind, file, options, name)
        yield from (frame.iloc[start : start + size] for start in range(0, len(frame), size))
