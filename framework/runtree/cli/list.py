"""`runtree list`: the config groups, and the options of one."""

from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_group
from runtree.cli.format import command, next_steps, terminal_width
from runtree.cli.tables import GAP, print_csv, print_json, print_table

if TYPE_CHECKING:
    from runtree.config.catalogue import Catalogue

SCHEMA = 1
MIN_SUMMARY_WIDTH = 20

HELP = """List the config groups, or the options of one. A star marks the default.

\b
  runtree list
  runtree list algorithm --task regression
"""


@click.command("list", help=HELP)
@click.argument("group", required=False, shell_complete=complete_group)
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Only algorithms for this task.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_command(group: str | None, task: str | None, as_json: bool, as_csv: bool) -> None:
    from runtree.app import App

    # only algorithms have tasks, so --task alone names the group
    group = group or ("algorithm" if task else None)
    if task and group != "algorithm":
        raise click.UsageError(f"--task selects algorithms; the options of {group} have no tasks")
    catalogue = App().catalogue
    rows = _option_rows(catalogue, group, task) if group else _group_rows(catalogue)
    if as_json:
        print_json({"schema": SCHEMA, **({"group": group, "options": rows} if group else {"groups": rows})})
    elif as_csv:
        cells = [[" ".join(value) if isinstance(value, list) else value for value in row.values()] for row in rows]
        print_csv(list(rows[0]) if rows else [], cells)
    elif group:
        _print_options(group, rows)
    else:
        _print_groups(rows)


def _group_rows(catalogue: "Catalogue") -> list[dict[str, Any]]:
    defaults = catalogue.choices()
    return [
        {"group": group, "default": defaults.get(group), "count": len(options), "options": list(options)}
        for group, options in catalogue.groups.items()
    ]


def _option_rows(catalogue: "Catalogue", group: str, task: str | None) -> list[dict[str, Any]]:
    from runtree.config.describe import option_tasks
    from runtree.config.yaml_comments import option_summary
    from runtree.contract.errors import unknown

    if group not in catalogue.groups:
        raise unknown("config group", group, catalogue.groups, "see: runtree list")
    rows = []
    for option, keys in catalogue.readable(group):
        default = catalogue.choices().get(group) == option.name
        tasks = {"tasks": list(option_tasks(option, keys))} if group == "algorithm" else {}
        if task is None or task in tasks["tasks"]:
            about = {"provider": option.provider, "summary": option_summary(option)}
            rows.append({"name": option.name, "default": default, **tasks, **about})
    return rows


def _print_groups(rows: list[dict[str, Any]]) -> None:
    cells = [[row["group"], row["default"], row["count"], ", ".join(row["options"])] for row in rows]
    print_table(["group", "default", "count", "options"], cells)
    click.echo(f"\n{next_steps([command('list', 'algorithm'), command('describe', 'algorithm')])}")


def _print_options(group: str, rows: list[dict[str, Any]]) -> None:
    """Print the options, with their provider where there are several."""

    if not rows:
        click.echo(f"no option of {group} matches")
        return
    # without plugins the column would say "runtree" in every row
    several_providers = len({row["provider"] for row in rows}) > 1
    names = [name for name in ("tasks", "provider") if name in rows[0] and (name == "tasks" or several_providers)]
    cells = [["*" if row["default"] else "", row["name"], *(_brief(row[name]) for name in names)] for row in rows]
    summaries = [row["summary"] for row in rows]
    width = terminal_width()
    if width is not None:  # one line for each option: `runtree describe` prints the whole summary
        taken = sum(max(len(str(row[column])) for row in cells) + len(GAP) for column in range(len(names) + 2))
        room = max(width - taken, MIN_SUMMARY_WIDTH)
        summaries = [shorten(text, room, placeholder=" …", break_on_hyphens=False) for text in summaries]
    lines = [[*row, option_summary] for row, option_summary in zip(cells, summaries, strict=True)]
    print_table(["", "name", *names, "summary"], lines)
    first = next((row["name"] for row in rows if row["default"]), rows[0]["name"])
    click.echo(f"\n{next_steps([command('describe', f'{group}={first}'), command('list')])}")


def _brief(value: Any) -> Any:
    """Return tasks in one word."""
    return ("both" if len(value) > 1 else value[0]) if isinstance(value, list) else value
