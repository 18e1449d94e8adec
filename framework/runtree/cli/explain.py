"""`runtree explain`: the contribution of each column to single predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import next_steps, outputs_option, whole_number
from runtree.cli.tables import print_csv, print_json, print_table
from runtree.records.commands import run_command

if TYPE_CHECKING:
    from runtree.app.explain import ExplainedRows

SCHEMA = 1

HELP = """Explain single predictions.

The rows are those of FILE (as `predict` reads it, at most 20), or with --row those of the table that the run was
trained on. A prediction is the mean prediction on training rows plus the contribution of each column. Contributions are
sampled Shapley values, ± their standard error.

\b
  runtree explain latest --row 17
  runtree explain latest --row 17 --row 18 --top 3 --json
  runtree explain 20261122-0 customers.csv --class yes
"""


@click.command("explain", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.argument("file", required=False)
@click.option(
    "--row", "rows", multiple=True, type=whole_number(), metavar="N", help="A row of the run's own table, from 0."
)
@click.option("--top", default=5, show_default=True, type=whole_number(1), help="Columns to show for each row.")
@click.option("--class", "label", metavar="NAME", help="Explain the probability of this class. Default: the predicted.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with every column.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with every column.")
@outputs_option()
def explain_command(
    run: str,
    file: str | None,
    rows: tuple[int, ...],
    top: int,
    label: str | None,
    trust: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    outputs: str,
) -> None:
    from runtree.app import App
    from runtree.app.explain import CELLS, explain_rows
    from runtree.records.find import find_run

    # exactly one of the two: click cannot express that
    if (file is None) == (not rows):
        raise click.UsageError("name the rows: either a FILE, or --row N of the run's own table")
    record = find_run(Path(outputs), run, needs="model")
    explained = explain_rows(App(), record, file, rows, label, trust)
    if as_json:
        print_json({"schema": SCHEMA, "run": record.id, "rows": _make_documents(explained)})
    elif as_csv:
        print_csv(CELLS, explained.cells())
    else:
        _print_rows(explained, top)
        click.echo(f"\n{next_steps([run_command('show', record)])}")


def _make_documents(explained: "ExplainedRows") -> list[dict[str, Any]]:
    return [
        {
            "row": row.row,
            "output": output,
            "prediction": row.prediction,
            "base": row.base,
            "contributions": [vars(item) for item in row.largest(len(row.contributions))],
        }
        for output, row in zip(explained.outputs, explained.rows, strict=True)
    ]


def _print_rows(explained: "ExplainedRows", top: int) -> None:
    """Print a table for each row that adds up from the mean prediction to that of the row."""

    for number, (output, row) in enumerate(zip(explained.outputs, explained.rows, strict=True)):
        click.echo(("\n" if number else "") + f"row {row.row}: {output} {row.prediction:.4g}\n")
        shown = row.largest(top)
        # summed up in one line, so that the column still adds up to the prediction
        others = [item for item in row.contributions if item not in shown]
        lines = [["mean of training rows", "", row.base, None]]
        lines += [[item.column, item.value, item.amount, item.error] for item in shown]
        if others:
            lines.append([f"{len(others)} other columns", "", sum(item.amount for item in others), None])
        print_table(["column", "value", "contribution", "±"], [*lines, [f"= {output}", "", row.prediction, None]])
