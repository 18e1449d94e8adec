"""`runtree list`: the config groups, and the options of one."""

from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from runtree.cli.describe import describe_command
from runtree.cli.words import command, next_line

if TYPE_CHECKING:
    from runtree.config.catalogue import Catalogue, Option

__all__ = ["describe_command", "list_command"]

SCHEMA = 1

HELP = """List the config groups, or the options of one. A star marks what is chosen by default.

\b
  runtree list
  runtree list algorithm --task regression
"""


def complete_group(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a group."""
    from runtree.app import App

    return [CompletionItem(name) for name in App().catalogue.groups if name.startswith(incomplete)]


@click.command("list", help=HELP)
@click.argument("group", required=False, shell_complete=complete_group)
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Algorithms that serve this task.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_command(group: str | None, task: str | None, as_json: bool, as_csv: bool) -> None:
    """List groups or options."""
    from runtree.app import App
    from runtree.cli.tables import print_csv, print_json

    group = group or ("algorithm" if task else None)
    if task and group != "algorithm":
        raise click.UsageError(f"--task is for algorithms, and {group} has no tasks")
    catalogue = App().catalogue
    rows = option_rows(catalogue, group, task) if group else group_rows(catalogue)
    if as_json:
        print_json({"schema": SCHEMA, **({"group": group, "options": rows} if group else {"groups": rows})})
    elif as_csv:
        print_csv(list(rows[0]) if rows else [], [[joined(value) for value in row.values()] for row in rows])
    elif group:
        print_options(group, rows)
    else:
        print_groups(rows)


def group_rows(catalogue: "Catalogue") -> list[dict[str, Any]]:
    """Return a row for each group."""
    chosen = catalogue.choices()
    return [
        {"group": group, "default": chosen.get(group), "count": len(options), "options": list(options)}
        for group, options in catalogue.groups.items()
    ]


def option_rows(catalogue: "Catalogue", group: str, task: str | None) -> list[dict[str, Any]]:
    """Return a row for each option of a group, or of those that serve a task."""
    from runtree.contract.errors import unknown

    if group not in catalogue.groups:
        raise unknown("config group", group, catalogue.groups, "see: runtree list")
    rows = [option_row(catalogue, option) for option in catalogue.groups[group].values()]
    return [row for row in rows if task is None or task in row["tasks"]]


def option_row(catalogue: "Catalogue", option: "Option") -> dict[str, Any]:
    """Return what a listing says of an option."""
    from runtree.config.describe import option_tasks
    from runtree.config.yaml_comments import option_summary

    default = catalogue.choices().get(option.group) == option.name
    tasks = {"tasks": list(option_tasks(option, option.read()))} if option.group == "algorithm" else {}
    return {
        "name": option.name,
        "default": default,
        **tasks,
        "provider": option.provider,
        "summary": option_summary(option),
    }


def joined(value: Any) -> Any:
    """Return a list as one cell."""
    return " ".join(value) if isinstance(value, list) else value


def print_groups(rows: list[dict[str, Any]]) -> None:
    """Print the groups."""
    from runtree.cli.tables import print_table, terminal_width

    cells = [[row["group"], row["default"], row["count"], ", ".join(row["options"])] for row in rows]
    print_table(["group", "default", "count", "options"], cells, width=terminal_width())
    click.echo(f"\n{next_line([command('list', 'algorithm'), command('describe', 'algorithm')])}")


def print_options(group: str, rows: list[dict[str, Any]]) -> None:
    """Print the options; who provides them where that is not one and the same."""
    from runtree.cli.tables import print_table, terminal_width

    if not rows:
        click.echo(f"no option of {group} serves it")
        return
    several = len({row["provider"] for row in rows}) > 1
    shown = [name for name in ("tasks", "provider") if name in rows[0] and (name == "tasks" or several)]
    cells = [["*" if row["default"] else "", row["name"], *(brief(row[name]) for name in shown)] for row in rows]
    taken = sum(max(len(str(row[column])) for row in cells) + 2 for column in range(len(shown) + 2))
    room = max((terminal_width() or 10_000) - taken, 20)  # one line each: `runtree describe` gives the whole
    lines = [
        [*row, shorten(whole["summary"], room, placeholder=" …", break_on_hyphens=False)]
        for row, whole in zip(cells, rows, strict=True)
    ]
    print_table(["", "name", *shown, "summary"], lines, width=terminal_width())
    first = next((row["name"] for row in rows if row["default"]), rows[0]["name"])
    click.echo(f"\n{next_line([command('describe', f'{group}={first}'), command('list')])}")


def brief(value: Any) -> Any:
    """Return tasks in one word."""
    return ("both" if len(value) > 1 else value[0]) if isinstance(value, list) else value
