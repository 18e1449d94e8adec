"""`runtree data`: a table before it is used, and the versions of the tables that runs have used."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.completion import complete_override
from runtree.cli.format import command, format_age, next_steps, outputs_option, pluralize, printable
from runtree.cli.tables import print_json, print_table
from runtree.contract.errors import RequestError

if TYPE_CHECKING:
    from runtree.records.tables import TableVersion

SCHEMA = 1
SHOWN = 12  # digits of a fingerprint

HELP = """A table, before it is used, and the tables that runs have used.

\b
  runtree data profile data=csv data.path=orders.csv data.target=churned
  runtree data infer-schema data=csv data.path=orders.csv data.target=churned > conf/schema/orders.yaml
  runtree data versions orders
"""

PROFILE_HELP = """Write what each column of a table holds: profile.html, and the same figures as profile.json.

It takes the arguments of `runtree train` that say what the table is. The association is the share of the target's
variance (of classes: of their indicators) that lies between bins of the column.

\b
  runtree data profile data=csv data.path=orders.csv data.target=churned --open
"""

SCHEMA_HELP = """Print a schema that a table passes, to edit and to choose with schema=NAME.

It takes the arguments of `runtree train` that say what the table is. Every column is listed with its type, whether it
may be missing, and the range or the values that it has today: widen them to what is possible.

\b
  runtree data infer-schema data=csv data.path=orders.csv data.target=churned > conf/schema/orders.yaml
  runtree train data=csv data.path=orders.csv data.target=churned schema=orders
"""

VERSIONS_HELP = """List the versions of a table: rows, what changed since the version before, and the runs on it.

NAME is that of the option (data=NAME), or of the file for options that read any file: orders for orders.csv. Without
it, all tables are listed. A version is what was read: another type or column left out is another version, too.
"""


@click.group("data", help=HELP)
def data_command() -> None:
    pass


@data_command.command(
    "infer-schema",
    help=SCHEMA_HELP,
    short_help="Print a schema that a table passes.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
def infer_schema_command(overrides: tuple[str, ...]) -> None:
    from runtree.app import App
    from runtree.app.check import load_table
    from runtree.checks.schema import infer_schema
    from runtree.config.hydra_engine import parse_flags

    # as it is: the output becomes a file, and must not be laid out for a terminal
    click.echo(infer_schema(load_table(App(), parse_flags(overrides))), nl=False)


@data_command.command(
    "profile",
    help=PROFILE_HELP,
    short_help="Write what each column of a table holds.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("profile.html"), show_default=True)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def profile_command(overrides: tuple[str, ...], output: Path, show: bool) -> None:
    from runtree.app import App
    from runtree.app.check import load_table
    from runtree.checks.profile import profile_table
    from runtree.config.hydra_engine import parse_flags
    from runtree.contract.storage import reason, remedy
    from runtree.records.writer import write_json, write_text
    from runtree.reports.profile import profile_page
    from runtree.reports.render import render

    profile = profile_table(load_table(App(), parse_flags(overrides)))
    figures = output.with_suffix(".json")
    try:
        write_json(figures, profile)
        write_text(output, render(profile_page(profile)))
    except OSError as error:
        raise RequestError(f"-o {output}: cannot be written ({reason(error)})", remedy(error)) from None
    rows = [
        [column["name"], column["kind"], column["missing"], column["distinct"], column["association"]]
        for column in profile["columns"]
    ]
    print_table(["column", "kind", "missing", "distinct", "association"], rows)
    for note in profile["notes"]:
        click.echo(f"note: {printable(note)}", err=True)
    click.echo(f"\nwrote {output} and {figures}")
    if show:
        click.launch(output.resolve().as_uri())


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
