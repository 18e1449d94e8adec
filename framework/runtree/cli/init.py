"""`runtree init`: a project folder with an example experiment."""

import csv
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from runtree.cli.format import command, next_steps
from runtree.contract.errors import DataError, RequestError, unknown
from runtree.contract.storage import reason, remedy

EXPERIMENT = "baseline"
EXPERIMENT_FILE = f"conf/experiment/{EXPERIMENT}.yaml"
BUNDLED_TABLE = "breast_cancer"
PARQUET_SUFFIXES = (".parquet", ".pq")
# pandas reads these files, but a header cannot be read here without unpacking
COMPRESSED_SUFFIXES = (".gz", ".zip", ".zst", ".bz2", ".xz")
MAX_SHOWN_COLUMNS = 12

HELP = """Create a project in FOLDER (or this one): conf/ with an example experiment, .gitignore, README.md.

With --data and --target the experiment trains on that .csv or .parquet file, else on a bundled table. Existing files
are not overwritten.

\b
  runtree init churn --data customers.csv --target churned
  runtree init
"""

EXPERIMENT_YAML = """\
# @package _global_
# The first experiment. Its values override conf/config.yaml; the command line overrides both.
defaults:
  - override /data: {data}
  - override /algorithm: random_forest

experiment:
  name: {name}            # runs are written to outputs/{name}/

data:
  test_size: 0.2

seed: 0
"""

TABLE_YAML = """\
# {file}, to predict {target}
defaults:
  - _table_                 # task, drop, sample, test_size, split … with their defaults
  - _self_
name: {name}
_target_: runtree.data.files.TableFile
format: {format}
path: {path}
{separator}target: {target}
"""

GITIGNORE = """\
outputs/
__pycache__/
"""

README = """\
# Experiments with runtree

```sh
runtree train experiment={experiment}                                      # conf/experiment/{experiment}.yaml
runtree train experiment={experiment} algorithm=hist_gradient_boosting     # another algorithm
runtree train -m experiment={experiment} seed=1,2,3                        # three seeds
runtree runs                                                            # list the results
runtree show latest                                                     # one run in detail
```

`conf/` contains your options: a folder is a config group, a file is an option of it. They are added to the options that
runtree ships: `runtree list` shows both, and `runtree describe data={data}` the keys of one.
`outputs/` contains the runs, each in a folder of its own.
"""


@dataclass(frozen=True)
class UserTable:
    """The user's table: its file, the name of its option of `data`, the target, and the separator of a CSV file."""

    path: Path
    name: str
    target: str
    separator: str = ","


@click.command("init", help=HELP)
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE", help="The table to train on.")
@click.option("--target", metavar="COLUMN", help="The column to predict.")
def init_command(folder: Path, data: Path | None, target: str | None) -> None:
    from runtree.config.search_path import shipped_conf

    table = _inspect_table(data, target)
    # in a checkout the example would be added to the options that runtree ships
    if (folder / "conf").resolve() == shipped_conf().resolve():
        raise RequestError(f"{folder} is the source of runtree", "create a project elsewhere: runtree init my_project")
    created, kept = _write_files(folder, _make_files(folder, table))
    for name in created:
        click.echo(f"created  {os.path.normpath(folder / name)}")
    for name in kept:
        click.echo(f"kept     {os.path.normpath(folder / name)}, which exists already")
    # an experiment that was kept may choose another table
    choice = [f"data={table.name}"] if table and EXPERIMENT_FILE in kept else []
    enter = f"cd {shlex.quote(str(folder))} && " if folder.resolve() != Path.cwd() else ""
    click.echo(f"\n{next_steps([enter + command('train', f'experiment={EXPERIMENT}', *choice), command('runs')])}")


def _inspect_table(data: Path | None, target: str | None) -> UserTable | None:
    """Read the header of the user's table, and check that it has the target."""
    if data is None and target is None:
        return None
    if data is None:
        raise RequestError("--target is a column of a file", "name the file: --data FILE.csv")
    columns, separator = _read_header(data)
    if target is None:
        shown = ", ".join(columns[:MAX_SHOWN_COLUMNS]) + (", …" if len(columns) > MAX_SHOWN_COLUMNS else "")
        raise RequestError("--data needs the column to predict", f"add: --target COLUMN, one of {shown}")
    if target not in columns:
        raise unknown(f"column of {data}", target, columns)
    # the name is a file name and an override, where spaces and dots have a meaning
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", data.name.partition(".")[0]).strip("_") or "table"
    return UserTable(data, name, target, separator)


def _read_header(data: Path) -> tuple[list[str], str]:
    """Return the columns of a file, and their separator."""
    if not data.is_file():
        raise DataError(f"--data: no file {data}", f"the working directory is {Path.cwd()}")
    if data.suffix in PARQUET_SUFFIXES:
        return _read_parquet_columns(data), ","
    if data.suffix in COMPRESSED_SUFFIXES:
        raise DataError(f"--data: {data} is compressed", "unpack it, or use: data=csv data.path=… data.target=…")
    try:
        # -sig: Excel writes a byte order mark, which would become part of the first column's name
        with data.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
    except UnicodeDecodeError:
        raise DataError(f"--data: {data} is not utf-8", "use: data=csv data.encoding=… data.path=…") from None
    # by frequency in the header; csv.Sniffer guesses from the content and often takes a letter
    separator = max(",;\t|", key=first.count)
    # a column's name may be quoted and contain the separator
    columns = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
    if not columns:
        raise DataError(f"--data: {data} has no header line")
    return columns, separator


def _read_parquet_columns(data: Path) -> list[str]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import read_schema

    try:
        return list(read_schema(data).names)
    except ArrowInvalid:
        raise DataError(f"--data: {data} is not a Parquet file") from None


def _make_files(folder: Path, table: UserTable | None) -> dict[str, str]:
    """Return the text of each file by its name."""
    option = table.name if table else BUNDLED_TABLE
    return {
        EXPERIMENT_FILE: EXPERIMENT_YAML.format(name=EXPERIMENT, data=option),
        **({f"conf/data/{table.name}.yaml": _make_data_option(folder, table)} if table else {}),
        ".gitignore": GITIGNORE,
        "README.md": README.format(experiment=EXPERIMENT, data=option),
    }


def _make_data_option(folder: Path, table: UserTable) -> str:
    """Return the YAML of the option for the user's table; the path is relative if the file is inside the folder."""

    def quote(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)  # a JSON string is a YAML scalar

    path, project = table.path.resolve(), folder.resolve()
    shown_path = os.path.relpath(path, project) if path.is_relative_to(project) else str(path)
    is_parquet = table.path.suffix in PARQUET_SUFFIXES
    return TABLE_YAML.format(
        # the name stands in a YAML comment, which a line break would end
        file=" ".join(table.path.name.split()),
        name=table.name,
        format="parquet" if is_parquet else "csv",
        path=quote(shown_path),
        separator="" if is_parquet else f"separator: {quote(table.separator)}\n",
        target=quote(table.target),
    )


def _write_files(folder: Path, files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Write the files that do not exist yet; return the names of those written, and of those left as they are."""
    created, kept = [], []
    for name, text in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # "x" fails if the file exists: check and creation are one system call, so nothing is ever overwritten
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
            created.append(name)
        except FileExistsError as error:
            if not (folder / name).exists():  # raised by mkdir: a parent is a file
                raise RequestError(f"{error.filename} is a file, not a folder") from None
            kept.append(name)
        except OSError as error:
            raise RequestError(f"{folder / name}: cannot be written ({reason(error)})", remedy(error)) from None
    return created, kept
