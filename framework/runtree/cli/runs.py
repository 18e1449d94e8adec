"""`runtree runs`: which runs there are, filtered and ranked."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.words import command, next_line, outputs_option, where_option

if TYPE_CHECKING:
    from runtree.records.index import RunIndex
    from runtree.records.query import RunSelection

USUAL_LIMIT = 30

HELP = f"""List runs, the newest first, with the settings in which they differ.

NAMES, to sort and to filter by, are metrics (test.accuracy), config keys (algorithm.alpha) and id, experiment, state,
reason, task, started, finished, seconds. The end of a name does where it is unique; a bare metric (accuracy) is the
validation part's. A metric sorts the best run first: the smallest where it is to be minimised.

\b
  runtree runs --sort test.accuracy --where data=iris --where 'seconds<10'
  runtree runs --experiment churn --where state=failed
  runtree runs --where 'algorithm.name == "ridge" and metrics.test.r2 > 0.8'
  runtree runs --all --csv > runs.csv

A table shows {USUAL_LIMIT} runs unless --limit or --all is given; --json and --csv give every run and every column.
"""


@click.command("runs", help=HELP)
@click.option("--experiment", metavar="NAME", help="Runs of one experiment.")
@click.option("--sort", metavar="NAME", help="A metric or a key to sort by.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@where_option()
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="Show so many runs at most.")
@click.option("--all", "everything", is_flag=True, help="Show every run, however many.")
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
    """List what lies below the output folder."""
    from runtree.cli.run_export import print_as_csv, print_as_json
    from runtree.records.index import query_index
    from runtree.records.query import RunQuery, select_runs

    unlimited = everything or as_json or as_csv
    most = limit if limit is not None else None if unlimited else USUAL_LIMIT
    wish = RunQuery(experiment, where, sort, reverse, most)
    selection = query_index(Path(outputs), lambda runs: select_runs(runs, wish, lambda: directions(runs)))
    if as_json:
        print_as_json(selection.records)
    elif as_csv:
        print_as_csv(selection.records)
    else:
        print_listing(selection, outputs)


def directions(runs: "RunIndex") -> Mapping[str, str]:
    """Return which way each metric is better: as plugins say, then as the runs' own objectives do."""
    from runtree.plugins import installed_plugins

    known = {metric.name: metric.direction for _, metric in installed_plugins().contributions("register_metrics")}
    told = zip(runs.column("objective:metric"), runs.column("objective:direction"), strict=True)
    return known | {metric: direction for metric, direction in set(told) if metric is not None}


def print_listing(selection: "RunSelection", outputs: str) -> None:
    """Print the table, or why there is none, and what to type next."""
    from runtree.cli.run_table import print_runs

    if selection.records:
        print_runs(selection, outputs)
        return
    click.echo(f"{selection.counts} match" if selection.total else f"no runs in {outputs} yet")
    for line in selection.unmet:
        click.echo(f"  {line}")
    click.echo(next_line([command("runs", outputs=outputs) if selection.total else command("train")]))
