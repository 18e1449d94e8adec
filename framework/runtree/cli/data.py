"""`runtree data`: the tables that runs have used, and their versions."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import command, format_age, next_steps, outputs_option, pluralize
from runtree.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from runtree.records.tables import TableVersion

SCHEMA = 1
SHOWN = 12  # digits of a fingerprint

HELP = """The tables that runs have used.

\b
  runtree data versions
  runtree data versions orders
"""

VERSIONS_HELP = """List the versions of a table: rows, what changed since the version before, and the runs on it.

NAME is that of the option (data=NAME), or of the file for options that read any file: orders for orders.csv. Without
it, all tables are listed. A version is what was read: another type or column left out is another version, too.
"""


@click.group("data", help=HELP)
def data_command() -> None:
    pass


@data_command.command("versions", help=VERSIONS_HELP, short_help="List the versions of a table, and the runs on each.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def versions_command(name: str | None, as_json: bool, outputs: str) -> None:
    from runtree.records.tables import find_versions, list_tables

    tables = list_tables(Path(outputs)) if name is None else {name: find_versions(Path(outputs), name)}
    if as_json:
        shown = [{"name": each, "versions": [asdict(one) for one in found]} for each, found in tables.items()]
        print_json({"schema": SCHEMA, "tables": shown})
    elif name is not None:
        _print_versions(name, tables[name], outputs)
    elif tables:
        rows = [
            [each, len(found), sum(len(one.runs) for one in found), found[-1].rows, found[-1].fingerprint[:SHOWN]]
            for each, found in tables.items()
        ]
        print_table(["table", "versions", "runs", "rows", "latest"], rows)
        click.echo(f"\n{next_steps([command('data', 'versions', next(iter(tables)), outputs=outputs)])}")
    else:
        click.echo(f"no run in {outputs} has read a table yet\n{next_steps([command('train')])}")


def _print_versions(name: str, versions: "list[TableVersion]", outputs: str) -> None:
    runs = sum(len(version.runs) for version in versions)
    click.echo(f"{name}: {pluralize(len(versions), 'version')}, {pluralize(runs, 'run')}\n")
    rows = []
    for one in versions:
        used = [len(one.runs), one.runs[0], format_age(one.first)]
        rows.append([one.number, one.fingerprint[:SHOWN], one.rows, _signed(one.added), *used])
    notes = {place: "; ".join(one.changes) for place, one in enumerate(versions) if one.changes}
    print_table(["version", "fingerprint", "rows", "added", "runs", "latest run", "first used"], rows, notes)
    latest = versions[-1]
    steps = [command("show", latest.runs[0], outputs=outputs)]
    if len(versions) > 1:
        steps.append(command("diff", versions[-2].runs[0], latest.runs[0], outputs=outputs))
    click.echo(f"\n{next_steps(steps)}")


def _signed(number: int | None) -> str | None:
    return None if number is None else f"{number:+,}"
