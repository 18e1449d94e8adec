"""`runtree diff`: the differences between two runs."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import format_seconds, labelled, next_steps, outputs_option, pluralize, printable
from runtree.cli.tables import print_json, print_table
from runtree.records.commands import run_command

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.diff import Diff, Difference, DiffSection

SCHEMA = 1

HELP = """Show the differences between two runs: config, data, environment, code, metrics, seconds, and how they ended.

A and B are runs as in `runtree show`: `latest`, `best`, a path, the beginning of an id, or `models:/NAME@ALIAS`.
Metrics on other data, classes, splits or evaluators are not comparable, and the output says so. Missing or damaged
files are reported.

\b
  runtree diff 20261122-0317 latest
  runtree diff 20261122-0317 latest --json
"""


@click.command("diff", help=HELP)
@click.argument("first", metavar="A", shell_complete=complete_run)
@click.argument("second", metavar="B", default="latest", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def diff_command(first: str, second: str, as_json: bool, outputs: str) -> None:
    from runtree.records.diff import diff
    from runtree.records.find import find_run

    result = diff(find_run(Path(outputs), first), find_run(Path(outputs), second))
    if as_json:
        print_json(diff_document(result))
    else:
        _print_diff(result, outputs)


def diff_document(result: "Diff") -> dict[str, Any]:
    """Return a diff as plain data; a side without a value is left out of a difference."""
    from runtree.records.diff import ABSENT

    def difference_document(item: "Difference") -> dict[str, Any]:
        # null in JSON is a value of a config, so a missing side is a missing key
        sides = {side: value for side, value in (("a", item.first), ("b", item.second)) if value is not ABSENT}
        return {"name": item.name, **sides, **({} if item.change is None else {"change": item.change})}

    sections = {
        section.name: {
            "compared": section.compared,
            "notes": section.notes,
            "differences": [difference_document(item) for item in section.differences],
        }
        for section in result.sections
    }
    return {
        "schema": SCHEMA,
        "a": {"id": result.first.id, "folder": result.first.folder},
        "b": {"id": result.second.id, "folder": result.second.folder},
        "same_science": result.same_config,
        "metrics_compare": not result.obstacles,
        "obstacles": result.obstacles,
        "sections": sections,
    }


def _print_diff(result: "Diff", outputs: str) -> None:
    for letter, record in (("A", result.first), ("B", result.second)):
        click.echo(labelled(letter, _format_run(record)))
    for label, text in _comparability_lines(result):
        click.echo(labelled(label, text))
    print_sections(result.sections)
    commands = [run_command("show", record) for record in (result.first, result.second)]
    click.echo(f"\n{next_steps(commands)}")


def _format_run(record: "RunRecord") -> str:
    duration = f", took {format_seconds(record.seconds)} s" if record.seconds is not None else ""
    return f"{record.id}   {record.state}, experiment {record.experiment}{duration}"


def _comparability_lines(result: "Diff") -> Iterator[tuple[str, str]]:
    # eight digits, as in the name of a run's folder
    first, second = (str(record.fingerprints.get("config"))[:8] for record in (result.first, result.second))
    if result.same_config is None:
        yield "config", "unknown: one of the runs has no config fingerprint"
    elif result.same_config:
        yield "config", f"same ({first})"
    else:
        yield "config", f"differs ({first} / {second})"
    if result.obstacles:
        yield "metrics", f"not comparable: {', '.join(result.obstacles)}"


def print_sections(sections: "Iterable[DiffSection]") -> None:
    """Print a table for each section with differences, and a line for each without."""

    for section in sections:
        click.echo()
        if section.differences:
            # only measured numbers have a meaningful difference: that of two seeds says nothing
            change = ["B - A"] if section.name in ("metrics", "seconds") else []
            print_table([section.name, "A", "B", *change], [_make_row(section, item) for item in section.differences])
        elif section.compared:
            click.echo(f"{section.name}: same ({pluralize(section.compared, 'value')})")
        else:
            click.echo(f"{section.name}: nothing to compare")
        for note in section.notes:
            click.echo(f"  {printable(note)}")


def _make_row(section: "DiffSection", item: "Difference") -> list[Any]:
    from runtree.records.diff import ABSENT

    def cell(value: Any) -> Any:
        if value is ABSENT:
            return "-"
        if section.name not in ("metrics", "seconds"):
            # numbers of a config in full: two may differ in a late digit
            is_constant = value is None or isinstance(value, bool)
            return {None: "null", True: "true", False: "false"}[value] if is_constant else str(value)
        if not isinstance(value, int | float):
            return str(value)
        return format_seconds(value) if section.name == "seconds" else value

    row = [item.name, cell(item.first), cell(item.second)]
    if section.name in ("metrics", "seconds"):
        digits = 3 if section.name == "seconds" else 4
        row.append("-" if item.change is None else f"{item.change:+.{digits}g}")
    return row
