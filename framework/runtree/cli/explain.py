"""`runtree explain`: which columns of a row speak for what the model says of it, and which against."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.show import complete_run
from runtree.cli.words import command, next_line, outputs_option

if TYPE_CHECKING:
    from runtree.app.explain import ExplainedRows

SCHEMA = 1
HEADINGS = ("row", "of", "answer", "base", "column", "value", "amount", "error")

HELP = """Explain what the model of RUN says of single rows.

The rows are those of FILE (.csv or .parquet, 20 at most), or with --row those of the table that the run was trained on.
Each answer is taken apart: the mean answer to rows that the model learnt from, plus what each column of the row adds to
it. The amounts are Shapley values by sampling, +- their standard error; they add up to the answer.

\b
  runtree explain latest --row 17
  runtree explain latest --row 17 --row 18 --top 3 --json
  runtree explain 20261122-0 customers.csv --class yes
"""


@click.command("explain", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--row", "rows", multiple=True, type=int, metavar="N", help="A row of the run's own table, from 0 on.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Columns to show of each row.")
@click.option("--class", "label", metavar="NAME", help="Explain the chance of this class, not of the predicted one.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that holds this type of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with every column.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with every column.")
@outputs_option()
def explain_command(
    run: str,
    file: Path | None,
    rows: tuple[int, ...],
    top: int,
    label: str | None,
    trust: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    outputs: str,
) -> None:
    """Find the run, explain the rows and print what was asked for."""
    from runtree.app import App, rest_idle_threads
    from runtree.app.explain import explain_rows
    from runtree.cli.tables import print_csv, print_json
    from runtree.config.allowlist import add_import_folder
    from runtree.records.selectors import find_run

    if (file is None) == (not rows):
        raise click.UsageError("name the rows: a FILE, or --row N of the run's own table")
    rest_idle_threads()
    if trust:
        add_import_folder(Path.cwd())
    record = find_run(Path(outputs), run, completed=True)
    found = explain_rows(App(), record, file, rows, label, trust)
    if as_json:
        print_json({"schema": SCHEMA, "run": record.id, "rows": documents(found)})
    elif as_csv:
        print_csv(HEADINGS, table_rows(found))
    else:
        print_rows(found, top)
        click.echo(f"\n{next_line([command('show', record.id, outputs=outputs)])}")


def documents(found: "ExplainedRows") -> list[dict[str, Any]]:
    """Return each row with its answer and what every column adds, the most first."""
    return [
        {
            "row": one.row,
            "of": of,
            "answer": one.answer,
            "base": one.base,
            "contributions": [vars(each) for each in one.first(len(one.contributions))],
        }
        for of, one in zip(found.of, found.rows, strict=True)
    ]


def table_rows(found: "ExplainedRows") -> list[list[Any]]:
    """Return a line for each row and column."""
    return [
        [one.row, of, one.answer, one.base, each.column, each.value, each.amount, each.error]
        for of, one in zip(found.of, found.rows, strict=True)
        for each in one.first(len(one.contributions))
    ]


def print_rows(found: "ExplainedRows", top: int) -> None:
    """Print a table for each row: what the answer begins with, what its columns add, and what it comes to."""
    from runtree.cli.tables import print_table

    for number, (of, one) in enumerate(zip(found.of, found.rows, strict=True)):
        click.echo(("\n" if number else "") + f"row {one.row}: {of} {one.answer:.4g}\n")
        shown = one.first(top)
        others = [each for each in one.contributions if each not in shown]
        lines = [["mean of rows learnt from", "", one.base, None]]
        lines += [[each.column, each.value, each.amount, each.error] for each in shown]
        if others:
            lines.append([f"{len(others)} other columns", "", sum(each.amount for each in others), None])
        print_table(["column", "value", "adds", "+-"], [*lines, [f"= {of}", "", one.answer, None]])
