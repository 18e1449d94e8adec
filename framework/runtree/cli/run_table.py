"""The table of runs: what is the same in all of them is said once, what differs gets a column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.tables import fitting, print_table, terminal_width
from runtree.cli.words import age, command, duration, next_line, setting
from runtree.contract.errors import first_line

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.query import RunSelection

ALWAYS_SAID = ("state", "algorithm.name", "data.name")


@dataclass(frozen=True)
class Column:
    """One column of the table; where the terminal is narrow, those with a `spare` are left out, the highest first."""

    heading: str
    cell: "Callable[[RunRecord], Any]"
    spare: int = 0


def print_runs(selection: "RunSelection", outputs: str) -> None:
    """Print the heading line, the table and the next commands."""
    columns, common = make_columns(selection)
    said = [told_order(selection), *(["--all shows every one"] if len(selection.records) < selection.matching else [])]
    click.echo(", ".join([selection.counts, *said]) + (f"   ({', '.join(common)})" if common else ""))
    click.echo()
    warn_of_mixture(selection)
    headings = [column.heading for column in columns]
    rows = [[column.cell(record) for column in columns] for record in selection.records]
    errors = {number: told_error(record) for number, record in enumerate(selection.records) if record.error}
    print_fitting(headings, rows, columns, errors)
    click.echo(f"\n{next_line(suggestions(selection, outputs))}")


def print_fitting(
    headings: list[str], rows: list[list[Any]], columns: Sequence[Column], errors: dict[int, str]
) -> None:
    """Print the table, less the columns that the terminal has no room for."""
    width = terminal_width()
    spare = [column.heading for column in sorted(columns, key=lambda column: column.spare) if column.spare]
    kept = headings if width is None else fitting(headings, rows, spare, width)
    picked = [[row[headings.index(heading)] for heading in kept] for row in rows]
    print_table(kept, picked, errors, width)
    if len(kept) < len(headings):
        gone = ", ".join(heading for heading in headings if heading not in kept)
        click.echo(f"no room in {width} columns for: {gone} (all columns: --csv)", err=True)


def make_columns(selection: "RunSelection") -> tuple[list[Column], list[str]]:
    """Return the columns, and as text what all the runs have in common."""
    from runtree.records.diff import varying_keys
    from runtree.records.query import is_metric

    records = selection.records
    asked = [name for name in selection.asked if not is_metric(name)]
    told = dict.fromkeys([*ALWAYS_SAID, *(name for name in asked if name not in SPECIAL)])
    common = {name: _common(records, name) for name in told if not _differ(records, name)}
    facts = [
        "id",
        *(["experiment"] if _differ(records, "experiment") else []),
        *(name for name in told if name not in common),
    ]
    keys = [name for name in varying_keys(records) if name not in facts]
    columns = {name: _column(name) for name in (*facts, *filter(is_metric, selection.asked))}
    columns |= {name: column for name, column in objective_columns(records).items() if name not in columns}
    columns |= {name: _column(name, 1 + number) for number, name in enumerate(keys)}
    columns |= {name: _column(name) for name in ("seconds", "started")}
    return list(columns.values()), [text for text in common.values() if text]


def objective_columns(records: "Sequence[RunRecord]") -> dict[str, Column]:
    """Return the value that runs are ranked by, and the same metric on the test part."""
    from runtree.records.query import record_value

    ranked = {(record.objective.get("part"), record.objective["metric"]) for record in records if record.objective}
    if len(ranked) <= 1:
        return {name: _column(name) for part, metric in ranked for name in (f"{part}.{metric}", f"test.{metric}")}
    columns = [
        Column("metric", lambda record: record.objective.get("metric")),
        Column("validation", lambda record: record.objective.get("value")),
        Column("test", lambda record: record_value(record, f"test.{record.objective.get('metric')}")),
    ]
    return {f"objective {column.heading}": column for column in columns}


SPECIAL = {
    "id": Column("run", lambda record: record.id),
    "experiment": Column("experiment", lambda record: record.experiment),
    "seconds": Column("seconds", lambda record: duration(record.seconds), 1000),
    "started": Column("started", lambda record: age(record.started), 999),
}


def _column(name: str, spare: int = 0) -> Column:
    if name in SPECIAL:
        return SPECIAL[name]
    from runtree.records.query import is_metric, record_value

    def cell(record: "RunRecord") -> Any:
        found = record_value(record, name)
        if found is None and name in record.config:
            return "null"
        if name.endswith("._target_") and isinstance(found, str):
            return found.rpartition(".")[2]
        return found if is_metric(name) else setting(found)

    return Column(name.removesuffix(".name").removesuffix("._target_"), cell, spare)


def _differ(records: "Sequence[RunRecord]", name: str) -> bool:
    from runtree.records.query import record_value

    return any(record_value(record, name) != record_value(records[0], name) for record in records)


def _common(records: "Sequence[RunRecord]", name: str) -> str:
    from runtree.records.query import record_value

    found = record_value(records[0], name)
    return "" if found is None else f"{name.removesuffix('.name')}={found}"


def told_order(selection: "RunSelection") -> str:
    """Return how the runs are sorted."""
    from runtree.records.query import is_metric

    if selection.by == "started":
        return "newest first" if selection.largest_first else "oldest first"
    if is_metric(selection.by):
        best = "largest" if selection.largest_first != selection.reverse else "smallest"
        return f"{'worst' if selection.reverse else 'best'} first by {selection.by} (the {best} is best)"
    return f"by {selection.by}, {'largest' if selection.largest_first else 'smallest'} first"


def told_error(record: "RunRecord") -> str:
    """Return the first line of what went wrong."""
    error = record.error or {}
    return f"{error.get('type')}: {first_line(error.get('message'))}"


def warn_of_mixture(selection: "RunSelection") -> None:
    """Say that numbers do not compare where runs of several tables, or of several splits, are ranked together."""
    from runtree.records.query import is_metric, record_value

    if not is_metric(selection.by):
        return
    ranked = [record for record in selection.records if record_value(record, selection.by) is not None]
    tables, splits = (len({record.fingerprints.get(kind) for record in ranked}) for kind in ("data", "split"))
    if tables > 1:
        click.echo(f"note: {tables} tables in one ranking do not compare; take one: --where data=NAME", err=True)
    elif splits > 1:
        click.echo(f"note: {splits} splits of the rows in one ranking: small differences may be theirs", err=True)


def suggestions(selection: "RunSelection", outputs: str) -> list[str]:
    """Return what to type next."""
    first, *others = selection.records
    metric = next((record.objective["metric"] for record in selection.records if record.objective), None)
    commands = [command("show", first.id, outputs=outputs)]
    if selection.by == "started" and others and metric:
        commands.append(command("runs", "--sort", f"test.{metric}", outputs=outputs))
    return commands
