"""The files of a new folder, and how a table is looked at before they are written."""

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtree.contract.errors import DataError, RequestError, unknown

EXPERIMENT = "baseline"
EXPERIMENT_FILE = f"conf/experiment/{EXPERIMENT}.yaml"
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class TableFile:
    """A table of the user's: its file, its name among the options of `data`, the target and what separates columns."""

    path: Path
    name: str
    target: str
    separator: str = ","


def inspect_table(data: Path | None, target: str | None) -> TableFile | None:
    """Look at the header of the user's table.

    Raises
    ------
    RequestError
        A file without a target, a target without a file, no such file, no such column.
    """
    if data is None and target is None:
        return None
    if data is None:
        raise RequestError("--target names a column of a file", "give the file: --data FILE.csv")
    columns, separator = read_header(data)
    if target is None:
        raise RequestError("--data needs the column to predict", f"give it: --target COLUMN, one of {_some(columns)}")
    if target not in columns:
        raise unknown(f"column of {data}", target, columns)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", data.name.partition(".")[0]).strip("_") or "table"
    return TableFile(data, name, target, separator)


def read_header(data: Path) -> tuple[list[str], str]:
    """Return the columns of a file, and what separates them."""
    if not data.is_file():
        raise DataError(f"--data: no file {data}", f"looked from {Path.cwd()}")
    if data.suffix in PARQUET:
        return _parquet_columns(data), ","
    if data.suffix in (".gz", ".zip", ".zst", ".bz2", ".xz"):
        raise DataError(f"--data: {data} is compressed", "unpack it, or use: data=csv data.path=… data.target=…")
    try:
        with data.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
    except UnicodeDecodeError:
        raise DataError(
            f"--data: {data} is not written in utf-8", "use: data=csv data.encoding=… data.path=…"
        ) from None
    separator = max(",;\t|", key=first.count)
    columns = next(csv.reader([first], delimiter=separator), [])
    if not columns:
        raise DataError(f"--data: {data} has no header line")
    return columns, separator


def _parquet_columns(data: Path) -> list[str]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import read_schema

    try:
        return list(read_schema(data).names)
    except ArrowInvalid:
        raise DataError(f"--data: {data} is no Parquet file") from None


def _some(columns: list[str]) -> str:
    return ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")


def refuse_shipped(folder: Path) -> None:
    """Refuse to write among the options that runtree ships."""
    from runtree.config.search_path import shipped_conf

    if (folder / "conf").resolve() == shipped_conf().resolve():
        raise RequestError(
            f"{folder}: this is runtree's own source, not a folder of yours", "type: runtree init my_project"
        )


def write(folder: Path, files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Write the files that are not there, and return the names of those written and of those left alone."""
    made, kept = [], []
    for name, text in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
            made.append(name)
        except FileExistsError as error:
            if not (folder / name).exists():
                raise RequestError(f"{error.filename}: this is a file, and a folder is wanted") from None
            kept.append(name)
        except OSError as error:
            raise RequestError(f"{folder / name}: cannot be written ({error.strerror})") from None
    return made, kept


def files(folder: Path, table: TableFile | None) -> dict[str, str]:
    """Return the text of each file by its name."""
    from runtree.cli import templates

    option = table.name if table else templates.BUNDLED
    own = {f"conf/data/{table.name}.yaml": data_file(folder, table)} if table else {}
    return {
        EXPERIMENT_FILE: templates.EXPERIMENT.format(name=EXPERIMENT, data=option),
        **own,
        ".gitignore": templates.GITIGNORE,
        "README.md": templates.README.format(experiment=EXPERIMENT, data=option),
    }


def data_file(folder: Path, table: TableFile) -> str:
    """Return the option of `data` for the user's table; its path is relative where the file lies in the folder."""
    from runtree.cli import templates

    inside = table.path.resolve().is_relative_to(folder.resolve())
    path = os.path.relpath(table.path.resolve(), folder.resolve()) if inside else str(table.path.resolve())
    parquet = table.path.suffix in PARQUET
    template = templates.PARQUET if parquet else templates.CSV
    values = {"path": path, "target": table.target, "separator": table.separator}
    quoted = {name: templates.quoted(value) for name, value in values.items()}
    return template.format(file=" ".join(table.path.name.split()), name=table.name, **quoted)
