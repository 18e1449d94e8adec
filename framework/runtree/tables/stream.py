"""A table that stays in its files: read again and again in batches, with the types that the whole would have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError
from runtree.tables.csv_files import Reading, find_format
from runtree.tables.csv_tables import code_columns, csv_errors
from runtree.tables.file_formats import FileOptions, Origin, choose_kind, file_batches
from runtree.tables.places import DataFiles
from runtree.tables.stacking import check_same_columns
from runtree.tables.typed_files import parquet_types

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 50_000
NUMBERS = ("int", "uint", "float")
STREAMED = ("csv", "parquet")  # formats that are read in parts


@dataclass(frozen=True)
class FileStream:
    """The rows of files, in their order.

    Attributes
    ----------
    paths
        Each file, and how it is read.
    rows
        Their number.
    types
        The dtype of each column, as it would be if the files were read whole.
    """

    paths: tuple[tuple[Path, FileOptions], ...]
    reading: Reading
    rows: int
    types: Mapping[str, str]
    origin: Origin = field(default_factory=lambda: Origin("", ""))

    def batches(self) -> "Iterator[tuple[int, pd.DataFrame]]":
        """Yield the number of the first row, from 0, and a table of at most `BATCH_ROWS` rows."""
        texts = [name for name, kind in self.types.items() if kind in ("str", "object")]
        start = 0
        for path, options in self.paths:
            for frame in file_batches(path, str(path), options, self.reading, texts, BATCH_ROWS):
                # whole numbers in one batch may be others elsewhere
                other = {name: kind for name, kind in self.types.items() if str(frame[name].dtype) != kind}
                frame = frame[list(self.types)].astype(other) if other else frame[list(self.types)]
                yield start, frame
                start += len(frame)

    @property
    def bytes_in_memory(self) -> int:
        """About how much memory the whole table would take."""
        widths = {"int8": 1, "bool": 1, "int16": 2, "int32": 4, "float32": 4, "str": 60, "object": 60}
        return self.rows * sum(widths.get(kind, 8) for kind in self.types.values())


def open_stream(files: DataFiles, options: FileOptions, reading: Reading, where: str) -> FileStream:
    """Read all files once, and return the stream of their rows.

    Raises
    ------
    DataError
        The files are of a format that is read whole, or have different columns.
    """
    kinds = {choose_kind(str(file), options, where) for file in files.files}
    if not kinds <= set(STREAMED):
        other = min(kinds - set(STREAMED))
        raise ConfigError(f"data.batches: files of the format {other} are read whole", "possible: CSV, Parquet")
    partitions = [part for file in files.files for part in file.relative_to(files.root or file.parent).parts[:-1]]
    if any("=" in part for part in partitions):
        raise ConfigError(
            f"data.batches: the folders of {files.name} hold a column ({partitions[0]})", "write it into the files"
        )
    paths, types, rows, columns = [], dict[str, str](), 0, {}
    for file in files.files:
        label, csv = files.label(file), options.csv
        is_csv = choose_kind(str(file), options, where) == "csv"
        if is_csv:
            csv = find_format(file, options.csv)
        with csv_errors(f"{where}: {label}", csv):
            known = None if is_csv or reading.types else parquet_types(file, label)
            first, found, count = known or _scan(file, replace(options, csv=csv), reading)
        if is_csv:
            whole = [name for name, kind in found.items() if kind in ("int64", "float64")]
            found |= dict.fromkeys(code_columns(file, csv, first[whole]), "str")
        columns[label], rows = list(found), rows + count
        types = widen(types, found)
        paths.append((file, replace(options, csv=csv)))
    check_same_columns(columns, where)
    if not rows:
        raise DataError("data: the table has no rows")
    kind = next(iter(kinds))
    origin = Origin(kind, files.name, rows, len(files.files), files.bytes, paths[0][1].csv if kind == "csv" else None)
    return FileStream(tuple(paths), reading, rows, types, origin)


def widen(types: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Return the dtypes of columns that have these in two parts of a table."""
    return {name: _wider(types.get(name, kind), kind) for name, kind in others.items()}


def _scan(file: Path, options: FileOptions, reading: Reading) -> "tuple[pd.DataFrame, dict[str, str], int]":
    """Return the first rows, the types of the columns, and the number of rows."""
    declared = [*reading.texts, *(name for name, kind in reading.types.items() if kind != "number")]
    types: dict[str, str] = {}
    rows, first = 0, None
    for frame in file_batches(file, str(file), options, reading, declared, BATCH_ROWS):
        first = frame if first is None else first
        types = {
            str(name): _wider(types.get(str(name), _kind(column)), _kind(column)) for name, column in frame.items()
        }
        rows += len(frame)
    if first is None:
        raise DataError(f"{file} has no rows")
    return first, {name: kind or "float64" for name, kind in types.items()}, rows


def _kind(column: "pd.Series[Any]") -> str:
    """Return the dtype of a column; "" where nothing but missing values were read."""
    return "" if column.isna().all() else str(column.dtype)


def _wider(one: str, other: str) -> str:
    """Return the dtype of a column that has these two in two batches; "" has only missing values."""
    import numpy as np

    if one == other:
        return one
    if not one or not other:
        return {"int64": "float64", "bool": "str"}.get(one or other, one or other)
    if all(kind.startswith(NUMBERS) for kind in (one, other)):
        return str(np.result_type(one, other))
    return "str"
