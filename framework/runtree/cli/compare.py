"""`runtree compare`: configurations beside each other, and which of them the data can tell apart."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.show import complete_run
from runtree.cli.words import outputs_option, where_option

if TYPE_CHECKING:
    from runtree.records.compare.table import CompareRequest, ComparisonTable, KnownMetrics
    from runtree.records.index import RunIndex

USUAL_LIMIT = 20

HELP = f"""Compare configurations: runs that differ in nothing but the seed are one line.

RUNS are runs (`latest`, a path, the beginning of an id), experiments and sweeps, by name, as many as you like; all runs
of the output folder where none is named. Configurations come best first, with what they differ in, mean, standard
deviation and interval. Each is tested against the best, on runs with the same seed and the same rows: fold by fold
where there are folds, else seed by seed, else, with one seed, row by row. `tied` are those that the data cannot tell
from the best.

Runs on other data, split in another way, scored by another evaluator or ranked by another objective are refused.

\b
  runtree compare churn
  runtree compare churn --metric test.f1 --baseline logistic
  runtree compare 20261122-0317 20261122-0410-sweep --markdown > table.md

A table shows {USUAL_LIMIT} configurations unless --limit or --all is given, and tests these alone.
"""


def comparison_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which runs are compared, and how."""
    for option in (
        click.option("--force", is_flag=True, help="Compare although data, split or scoring differ."),
        click.option(
            "--correction",
            type=click.Choice(["holm", "bh", "none"]),
            default="holm",
            show_default=True,
            help="For testing several at once: any false alarm (holm), or their share (bh).",
        ),
        click.option(
            "--alpha",
            type=click.FloatRange(0, 0.5, min_open=True),
            default=0.05,
            show_default=True,
            help="Tied is what has no smaller p; intervals have the level 1 - alpha.",
        ),
        where_option(),
        click.option("--metric", metavar="NAME", help="Compare by this one, e.g. test.f1. Default: the objective."),
        click.argument("runs", nargs=-1, metavar="[RUNS]...", shell_complete=complete_run),
    ):
        command = option(command)
    return command


@click.command("compare", help=HELP)
@comparison_options
@click.option("--baseline", metavar="NAME|RUN", help="Test against this algorithm or run, too. Default: dummy.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Show, and test, so many at most.")
@click.option("--all", "everything", is_flag=True, help="Show, and test, every configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, numbers in full.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table for a README or an issue.")
@outputs_option()
def compare_command(
    runs: tuple[str, ...],
    metric: str | None,
    where: tuple[str, ...],
    alpha: float,
    correction: Any,
    force: bool,
    baseline: str | None,
    limit: int | None,
    everything: bool,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    outputs: str,
) -> None:
    """Group, test and print."""
    from runtree.cli import compare_page, compare_rows
    from runtree.records.compare.table import CompareRequest

    most = limit if limit is not None else None if everything else USUAL_LIMIT
    table, _ = compared(Path(outputs), CompareRequest(runs, metric, baseline, where, alpha, correction, most, force))
    if as_json:
        compare_rows.print_as_json(table)
    elif as_csv:
        compare_rows.print_as_csv(table)
    elif as_markdown:
        compare_page.print_markdown(table)
    else:
        compare_page.print_comparison(table, outputs)


def compared(outputs: Path, request: "CompareRequest") -> "tuple[ComparisonTable, KnownMetrics]":
    """Return the comparison of what lies below the output folder, and what is known of metrics."""
    from runtree.records.compare.compare import compare_runs
    from runtree.records.index import query_index

    def answer(runs: "RunIndex") -> "tuple[ComparisonTable, KnownMetrics]":
        facts = known(runs)
        return compare_runs(runs, request, facts), facts

    return query_index(outputs, answer)


def known(runs: "RunIndex") -> "KnownMetrics":
    """Return what plugins and runs tell of metrics."""
    from runtree.cli.runs import directions
    from runtree.plugins import installed_plugins
    from runtree.records.compare.table import KnownMetrics

    offered = installed_plugins().contributions("register_metrics")
    return KnownMetrics(directions(runs), {metric.name: metric for _, metric in offered})
