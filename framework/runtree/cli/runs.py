"""`runtree runs` lists, filters and sorts runs; `runtree export` writes them into one table."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import (
    command,
    format_age,
    format_seconds,
    format_setting,
    next_steps,
    outputs_option,
    pluralize,
    where_option,
    whole_number,
)
from runtree.cli.tables import fit_columns, print_csv, print_json, print_table, spreadsheet_safe
from runtree.contract.errors import first_line
from runtree.contract.files import create_file
from runtree.records.commands import run_command

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.types import RunRecord
    from runtree.records.query import RunSelection

SCHEMA = 1
DEFAULT_LIMIT = 30
ALWAYS_STATED = ("state", "algorithm.name")  # as a column, or once for all runs; and the table
PIN = "data.fingerprint"  # refuses a table, and makes no run another

RUNS_HELP = f"""List runs, the newest first, with the settings in which they differ.

Sort and filter by metrics (test.accuracy), config keys (algorithm.alpha), and id, experiment, state, reason, task,
table, started, finished, seconds. The end of a name is enough where it is unambiguous; a metric without a split
(accuracy) is that of the validation split. Sorting by a metric puts the best run first.

\b
  runtree runs --sort test.accuracy --where data=iris --where 'seconds<10'
  runtree runs --experiment churn --where state=failed
  runtree runs --where table=orders --where fingerprint.data~71307c79
  runtree runs --where 'algorithm.name == "ridge" and metrics.test.r2 > 0.8'
  runtree runs --all --csv > runs.csv

A table shows {DEFAULT_LIMIT} runs unless --limit or --all is given; --json and --csv contain every run and column.
"""

EXPORT_HELP = """Write all runs into one table, a row for each run, to read with pandas, DuckDB or a spreadsheet.

The columns are those of `runtree runs --csv` and of `runtree.load_runs()`: fields, metrics (validation.f1), config keys
(algorithm.alpha), fingerprints, objective, error, folder. A Parquet file keeps the types.

\b
  runtree export -o runs.parquet
  runtree export -o good.csv --where 'test.accuracy>0.9' --experiment churn
"""


@dataclass(frozen=True)
class RunColumn:
    """A column of the table. On a narrow terminal the optional columns are left out, the largest `rank` first."""

    heading: str
    cell: "Callable[[RunRecord], Any]"
    rank: int = 0  # 0: not optional


FIELD_COLUMNS = {
    "id": RunColumn("run", lambda record: record.id),
    "experiment": RunColumn("experiment", lambda record: record.experiment),
    "seconds": RunColumn("seconds", lambda record: format_seconds(record.seconds), 1000),
    "started": RunColumn("started", lambda record: format_age(record.started), 999),
}


@click.command("runs", help=RUNS_HELP)
@click.option("--experiment", metavar="NAME", help="Only runs of this experiment.")
@click.option("--sort", metavar="NAME", help="Sort by a metric or a key.")
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@where_option()
@click.option("--limit", metavar="N", type=whole_number(0), help="Show at most N runs.")
@click.option("--all", "everything", is_flag=True, help="Show every run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every column as CSV, numbers in full.")
@outputs_option()
def runs_command(
    experiment: str | None,
    sort: str | None,
    reverse: bool,
    where: tuple[str, ...],
    limit: int | None,
    everything: bool,
    as_json: bool,
    as_csv: bool,
    outputs: str,
) -> None:
    from runtree.app.compare import metric_directions
    from runtree.records.index import query_index
    from runtree.records.query import RunQuery, select_runs

    # a program that reads the output expects all runs, a person one screen
    unlimited = everything or as_json or as_csv
    most = limit if limit is not None else None if unlimited else DEFAULT_LIMIT
    query = RunQuery(experiment, where, sort, reverse, most)
    selection = query_index(Path(outputs), lambda runs: select_runs(runs, query, lambda: metric_directions(runs)))
    if as_json:
        print_json({"schema": SCHEMA, "runs": [record_fields(record) for record in selection.records]})
    elif as_csv:
        _print_csv(selection.records)
    elif selection.records:
        words = [*(["--experiment", experiment] if experiment else [])]
        words += [word for condition in where for word in ("--where", condition)]
        _print_table(selection, words, outputs)
    else:
        click.echo(f"{selection.counts} match" if selection.total else f"no runs in {outputs} yet")
        for line in selection.hints:
            click.echo(f"  {line}")
        click.echo(next_steps([command("runs", outputs=outputs) if selection.total else command("train")]))


@click.command("export", help=EXPORT_HELP)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs.parquet"), show_default=True)
@click.option("--experiment", metavar="NAME", help="Only runs of this experiment.")
@where_option()
@outputs_option()
def export_command(output: Path, experiment: str | None, where: tuple[str, ...], outputs: str) -> None:
    from runtree.contract.errors import RequestError
    from runtree.contract.storage import reason, remedy
    from runtree.records.dataframe import load_runs

    if output.suffix not in (".parquet", ".csv"):
        raise RequestError(
            f"-o: '{output}' is neither a .parquet nor a .csv file", "e.g. runtree export -o runs.parquet"
        )
    table = load_runs(outputs, where, experiment)
    try:
        _write_table(table, output)
    except OSError as error:
        message = f"-o: cannot write {output} ({reason(error)})"
        raise RequestError(message, "choose another file", remedy(error) and f"or {remedy(error)}") from None
    click.echo(f"wrote {output}: {pluralize(len(table), 'run')}, {pluralize(table.shape[1], 'column')}")
    click.echo(next_steps([command("runs", outputs=outputs) if len(table) else command("train")]))


def record_fields(record: "RunRecord") -> dict[str, Any]:
    """Return all fields of a record. (`dataclasses.asdict` would copy each value.)"""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _print_csv(records: "Sequence[RunRecord]") -> None:
    """Print a row for each run, and a column for each field, metric, config key and fingerprint."""
    from runtree.records.query import record_value
    from runtree.records.record import SUMMARY_FIELDS

    metrics = dict.fromkeys(
        f"{split}.{name}" for record in records for split, values in record.metrics.items() for name in values
    )
    fingerprints = dict.fromkeys(name for record in records for name in record.fingerprints)
    names = [*SUMMARY_FIELDS, *metrics, *dict.fromkeys(key for record in records for key in record.config)]
    rows = [
        [
            *(record_value(record, name) for name in names),
            *map(record.fingerprints.get, fingerprints),
            record.objective.get("metric"),
            (record.error or {}).get("message"),
            str(record.folder),
        ]
        for record in records
    ]
    print_csv([*names, *(f"fingerprint.{name}" for name in fingerprints), "objective", "error", "folder"], rows)


def _print_table(selection: "RunSelection", filters: Sequence[str], outputs: str) -> None:
    columns, common = _make_columns(selection)
    facts = [selection.counts, _format_order(selection)]
    facts += ["--all shows every run"] if len(selection.records) < selection.matching else []
    click.echo(", ".join(facts) + (f"   ({', '.join(common)})" if common else "") + "\n")
    _warn_of_mismatches(selection)
    headings = [column.heading for column in columns]
    rows = [[column.cell(record) for column in columns] for record in selection.records]
    errors = {number: _format_error(record) for number, record in enumerate(selection.records) if record.error}
    # the settings that differ come first, because they distinguish the runs; times are left out before them
    optional = [column.heading for column in sorted(columns, key=lambda column: column.rank) if column.rank]
    kept = fit_columns(headings, rows, optional)
    positions = [headings.index(heading) for heading in kept]
    print_table(kept, [[row[position] for position in positions] for row in rows], errors)
    if len(kept) < len(headings):
        hidden = ", ".join(heading for heading in headings if heading not in kept)
        click.echo(f"hidden, since the terminal is too narrow: {hidden} (all columns: --csv)", err=True)
    click.echo(f"\n{next_steps(_suggestions(selection, filters, outputs))}")


def _make_columns(selection: "RunSelection") -> tuple[list[RunColumn], list[str]]:
    """Return a column for each setting that differs, and as text the settings that all runs have in common."""
    from runtree.records.diff import varying_keys
    from runtree.records.index import FINGERPRINT, TABLE
    from runtree.records.query import is_metric, record_value
    from runtree.records.tables import TITLE_DIGITS, table_titles

    records = selection.records

    def differs(name: str) -> bool:
        return any(content(record, name) != content(records[0], name) for record in records)

    def content(record: "RunRecord", name: str) -> Any:
        if name.startswith(f"{FINGERPRINT}."):
            return str(record_value(record, name))[:TITLE_DIGITS]
        return titles[record.folder] if name == TABLE else record_value(record, name)

    stated = [name for name in selection.names if not is_metric(name) and name not in FIELD_COLUMNS]
    titles = dict(zip((record.folder for record in records), table_titles(records), strict=True))
    # the name of an option says enough where each has one table
    named = all(title == record.config.get("data.name") for record, title in zip(records, titles.values(), strict=True))
    stated = list(dict.fromkeys([*ALWAYS_STATED, "data.name" if named else TABLE, *stated]))
    common = [name for name in stated if not differs(name)]
    facts = ["id", *(["experiment"] if differs("experiment") else []), *(name for name in stated if name not in common)]
    metrics = [name for name in selection.names if is_metric(name)]
    columns = {name: _make_column(name) for name in (*facts, *metrics)}
    for name in columns:
        if name == TABLE or name.startswith(f"{FINGERPRINT}."):
            columns[name] = RunColumn(name, partial(content, name=name))
    columns |= {name: column for name, column in _objective_columns(records).items() if name not in columns}
    settings = [name for name in varying_keys(records) if name not in (*facts, PIN)]
    columns |= {name: _make_column(name, rank) for rank, name in enumerate(settings, start=1)}
    columns |= {name: _make_column(name) for name in ("seconds", "started")}
    values = {name: content(records[0], name) for name in common}
    texts = [f"{name.removesuffix('.name')}={text}" for name, text in values.items() if text is not None]
    return list(columns.values()), texts


def _objective_columns(records: "Sequence[RunRecord]") -> dict[str, RunColumn]:
    """Return columns for the objective, and for the same metric on the test split."""
    from runtree.records.query import record_value

    objectives = {(record.objective.get("part"), record.objective["metric"]) for record in records if record.objective}
    if len(objectives) <= 1:  # with several, a column for each would be mostly empty
        return {
            name: _make_column(name) for split, metric in objectives for name in (f"{split}.{metric}", f"test.{metric}")
        }
    columns = [
        RunColumn("metric", lambda record: record.objective.get("metric")),
        RunColumn("validation", lambda record: record.objective.get("value")),
        RunColumn("test", lambda record: record_value(record, f"test.{record.objective.get('metric')}")),
    ]
    return {f"objective {column.heading}": column for column in columns}


def _make_column(name: str, rank: int = 0) -> RunColumn:
    if name in FIELD_COLUMNS:
        return FIELD_COLUMNS[name]
    from runtree.records.query import is_metric, record_value

    def cell(record: "RunRecord") -> Any:
        content = record_value(record, name)
        if content is None and name in record.config:
            return "null"  # the key is set to null, not absent
        if name.endswith("._target_") and isinstance(content, str):
            return content.rpartition(".")[2]
        return content if is_metric(name) else format_setting(content)

    return RunColumn(name.removesuffix(".name").removesuffix("._target_"), cell, rank)


def _format_order(selection: "RunSelection") -> str:
    from runtree.records.query import is_metric

    if selection.by == "started":
        return "newest first" if selection.largest_first else "oldest first"
    if is_metric(selection.by):
        best = "largest" if selection.largest_first != selection.reverse else "smallest"
        return f"{'worst' if selection.reverse else 'best'} first by {selection.by} (the {best} is best)"
    return f"by {selection.by}, {'largest' if selection.largest_first else 'smallest'} first"


def _format_error(record: "RunRecord") -> str:
    error = record.error or {}
    return f"{error.get('type')}: {first_line(error.get('message'))}"


def _warn_of_mismatches(selection: "RunSelection") -> None:
    """Warn where one ranking contains runs that may not be ranked together, or runs on several splits of one table."""
    from runtree.records.compare.comparability import OTHER_DATA, find_mismatches, select_table
    from runtree.records.compare.configurations import RankingMetric, RecordColumns
    from runtree.records.query import is_metric, record_value

    if not is_metric(selection.by):
        return
    ranked = [record for record in selection.records if record_value(record, selection.by) is not None]
    part, _, metric = selection.by.partition(".")
    columns, direction = RecordColumns(ranked), "maximize" if selection.largest_first else "minimize"
    mismatches = find_mismatches(columns, columns.rows(), RankingMetric(part, metric, direction), is_metric_named=True)
    if mismatches:
        example = select_table(mismatches[0]) if mismatches[0].reason == OTHER_DATA else "KEY=VALUE"
        click.echo(f"note: these runs are not comparable: {mismatches[0].line}; select: --where {example}", err=True)
    elif (splits := len({record.fingerprints.get("split") for record in ranked})) > 1:
        click.echo(f"note: the runs use {splits} splits of the rows, which explains small differences", err=True)


def _suggestions(selection: "RunSelection", filters: Sequence[str], outputs: str) -> list[str]:
    """Return what to type next; `filters` are the options that selected these runs."""
    first, *others = selection.records
    metric = next((record.objective["metric"] for record in selection.records if record.objective), None)
    commands = [run_command("show", first)]
    if selection.by == "started" and others and metric:
        commands.append(command("runs", *filters, "--sort", f"test.{metric}", outputs=outputs))
    return commands


def _write_table(table: "pd.DataFrame", file: Path) -> None:
    """Write a table to a temporary file and rename it, so that a failure leaves an earlier export as it was."""

    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(create_file(temporary), "wb") as target:
            if file.suffix == ".parquet":
                table.to_parquet(target, index=False)
            else:
                # shallow: only the columns of text are replaced
                safe = table.copy(deep=False)
                for name in table.columns:
                    if table[name].dtype == "string":
                        safe[name] = table[name].map(spreadsheet_safe, na_action="ignore")
                safe.rename(columns=spreadsheet_safe).to_csv(target, index=False)
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
