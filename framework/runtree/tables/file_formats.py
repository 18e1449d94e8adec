"""Tables in files of every format that is read, whole for training and in batches for prediction.

The format follows from the suffix, or is given. Formats that store types (Parquet, Arrow, Excel, JSON) keep them: what
is text there stays text, also where it looks like a number.
"""

import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, MissingError, RuntreeError, first_line, possible, unknown
from runtree.contract.redaction import redact_text
from runtree.tables.csv_files import (
    AUTO,
    COMPRESSED,
    ENCODINGS,
    CsvFormat,
    Reading,
    check_format,
    check_header,
    csv_batches,
    find_format,
    missing_words,
    open_bytes,
    read_csv,
)
from runtree.tables.file_signatures import article, refuse_other_kind
from runtree.tables.places import DataFiles, file_name

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
PACKING_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
EXCEL_HINT = "install it: pip install 'runtree[excel]'"


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
        Of an Excel file the name of the sheet, or its number, from 0.
    """

    kind: str = AUTO
    csv: CsvFormat = field(default_factory=CsvFormat)
    sheet: str | int = 0

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
        frame, origin = _read_csv_files(files, options.csv, reading, origin, where)
    elif kind == "parquet":
        frame = _read_parquet(files, where)
    else:
        from runtree.tables.stacking import stack

        read = READERS[kind]
        frame = stack(
            {files.label(file): read(file, options, f"{where}: {files.label(file)}") for file in files.files}, where
        )
    return frame, replace(origin, rows=len(frame))


def _read_csv_files(
    files: DataFiles, csv: CsvFormat, reading: Reading, origin: Origin, where: str
) -> "tuple[pd.DataFrame, Origin]":
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
    notes = _format_notes(formats, csv)
    return frame, replace(origin, csv=form, notes=tuple(notes), missing=words)


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
        mark = "" if csv.separator == AUTO else f" if '{csv.separator}' does not separate its columns,"
        raise DataError(
            f"{label} is not a table: {first_line(error)}",
            otherwise or f"{mark} type: data.separator=';', or another mark".strip(),
        ) from None


def _read_parquet(files: DataFiles, where: str) -> "pd.DataFrame":
    from pyarrow import dataset, parquet

    from runtree.tables.stacking import check_same_columns

    schemas = {}
    for file in files.files:
        with arrow_errors(f"{where}: {files.label(file)}", "Parquet"):
            schemas[files.label(file)] = parquet.read_schema(file)
    check_same_columns({label: schema.names for label, schema in schemas.items()}, where)
    with arrow_errors(f"{where}: {files.name}", "Parquet"):
        open_all = partial(
            dataset.dataset,
            [str(file) for file in files.files],
            format="parquet",
            # `year=2024/part.parquet`: the folders hold a column
            partitioning="hive" if files.root else None,
            partition_base_dir=str(files.root) if files.root else None,
        )
        whole = open_all()
        if len(files.files) > 1:
            whole = open_all(schema=_common_schema(schemas, whole.schema, where))
        return arrow_frame(whole.to_table())


def _common_schema(schemas: dict[str, Any], found: Any, where: str) -> Any:
    """Return the schema of a data set in which each column has a type that holds the values of all files."""
    import pyarrow as pa

    (first, reference), *others = schemas.items()
    common = reference
    for label, schema in others:
        for column in reference.names:
            one, other = common.field(column), schema.field(column)
            try:
                wider = pa.unify_schemas([pa.schema([one]), pa.schema([other])], promote_options="permissive")
            except pa.ArrowTypeError:
                raise DataError(
                    f"{where}: column '{column}' is {one.type} in {first}, and {other.type} in {label}",
                    "write the files with the same types",
                ) from None
            common = common.set(common.get_field_index(column), wider.field(0))
    for place, column in enumerate(found.names):
        if column in common.names:
            found = found.set(place, common.field(column))
    return found


def arrow_frame(table: Any) -> "pd.DataFrame":
    """Return a table of Arrow in the types of pandas: decimals as float64, days as dates."""
    import pyarrow as pa

    for place, column in enumerate(table.schema):
        # as objects of Python they would be words to a model
        if pa.types.is_decimal(column.type):
            table = table.set_column(place, column.name, table.column(place).cast(pa.float64()))
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    return frame


@contextmanager
def arrow_errors(label: str, kind: str) -> Iterator[None]:
    """Raise a `DataError` for what pyarrow raises about a file; it raises OSError for some kinds of damage."""
    from pyarrow import ArrowException

    try:
        yield
    except DataError:  # a ValueError, too
        raise
    except (ArrowException, OSError, ValueError) as error:
        raise damaged_file(label, kind, error) from None


def damaged_file(label: str, kind: str, error: Exception) -> DataError:
    """Return the error of a file that is damaged, or of another kind."""
    return DataError(
        f"{label} is not {article(kind)} {kind} file: {str(error).partition('. ')[0]}",
        "it may be damaged or cut off: copy or write it again",
    )


def _read_arrow(file: Path, options: FileOptions, label: str) -> "pd.DataFrame":
    from pyarrow import ArrowInvalid, feather, ipc, memory_map

    with arrow_errors(label, "Arrow"):
        try:
            return arrow_frame(feather.read_table(file))
        except ArrowInvalid:
            # the format of streams, which has no footer
            with memory_map(str(file)) as source:
                return arrow_frame(ipc.open_stream(source).read_all())


def _read_json(file: Path, options: FileOptions, label: str) -> "pd.DataFrame":
    import msgspec
    import pandas as pd

    encoding = "utf-8-sig" if options.csv.encoding == AUTO else options.csv.encoding
    try:
        with open_bytes(file) as content:
            text = content.read().decode(encoding).encode()
        decoder = msgspec.json.Decoder()
        rows = decoder.decode(text) if text.lstrip()[:1] == b"[" else decoder.decode_lines(text)
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("not every item is an object")
    except PACKING_ERRORS as error:
        raise DataError(f"{label} cannot be unpacked ({first_line(error)})") from None
    except ValueError as error:
        raise DataError(
            f"{label}: {_bad_line(file, encoding) or first_line(error)}",
            'expected: an object in each line, such as {"age": 41, "churned": "no"}',
        ) from None
    # not by pandas' read_json, which makes numbers of texts such as 007, and dates of columns that are named like one
    return plain_types(pd.DataFrame(rows))


def _bad_line(file: Path, encoding: str) -> str:
    """Return which line is no JSON object; the parser of pandas does not say."""
    with open_bytes(file) as content:
        for number, line in enumerate(content, 1):
            try:
                if line.strip() and not isinstance(json.loads(line.decode(encoding)), dict):
                    return f"line {number:,} is not a JSON object"
            except ValueError as error:
                return f"line {number:,} is not JSON ({first_line(error)})"
    return ""


def _read_excel(file: Path, options: FileOptions, label: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        import python_calamine
    except ModuleNotFoundError:
        raise MissingError(f"{label}: Excel files need the package 'python-calamine'", EXCEL_HINT) from None
    try:
        with pd.ExcelFile(file, engine="calamine") as book:
            if isinstance(options.sheet, str) and options.sheet not in book.sheet_names:
                raise unknown(f"sheet of {label}:", options.sheet, map(str, book.sheet_names), error=DataError)
            if isinstance(options.sheet, int) and not 0 <= options.sheet < len(book.sheet_names):
                raise DataError(f"{label} has {len(book.sheet_names)} sheets", "type: data.sheet=0 for the first")
            # without types: pandas would make numbers of texts such as 007
            parse: Any = pd.read_excel
            read = partial(parse, book, sheet_name=options.sheet, dtype=object, keep_default_na=False, na_values=[""])
            header = [str(name) for name in read(header=None, nrows=1).iloc[:1].to_numpy().ravel()]
            check_header(header, label)
            frame: pd.DataFrame = read()
    except DataError:  # a ValueError, too
        raise
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise DataError(f"{label} is not an Excel file: {first_line(error)}") from None
    return plain_types(frame)


def plain_types(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table of Python objects in types of pandas; a column of texts and other values is text."""
    import pandas as pd
    from pandas.api import types

    from runtree.tables.table import to_texts

    frame = frame.infer_objects()
    changed: dict[Any, Any] = {}
    for name, column in frame.items():
        kind = types.infer_dtype(column, skipna=True) if types.is_object_dtype(column.dtype) else ""
        if kind in ("mixed", "mixed-integer") and any(isinstance(value, str) for value in column):
            if not any(isinstance(value, (list, dict)) for value in column):
                changed[name] = column.where(column.isna(), to_texts(column)).astype("str")
        elif kind in ("date", "datetime"):
            # times with several offsets, as one clock
            aware = any(getattr(value, "tzinfo", None) for value in column)
            changed[name] = pd.to_datetime(column, utc=aware)
        elif kind == "decimal":
            changed[name] = column.astype("float64")
    return frame.assign(**changed) if changed else frame


READERS: dict[str, Callable[[Path, FileOptions, str], "pd.DataFrame"]] = {
    "arrow": _read_arrow,
    "json": _read_json,
    "excel": _read_excel,
}


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
        yield from _parquet_batches(file, name, size)
    else:
        frame = READERS[kind](file, options, name)
        yield from (frame.iloc[start : start + size] for start in range(0, len(frame), size))


def _parquet_batches(file: Path, name: str, size: int) -> "Iterator[pd.DataFrame]":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # pre-buffered, all row groups would be read ahead: the whole file in memory
        with parquet.ParquetFile(file, pre_buffer=False) as content:
            for batch in content.iter_batches(batch_size=size):
                yield arrow_frame(pa.Table.from_batches([batch]))
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged_file(name, "Parquet", error) from None
