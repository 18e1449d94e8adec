"""`runtree best`: the run to take, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import format_cell
from runtree.cli.clean import told_bytes
from runtree.cli.compare import comparison_options
from runtree.cli.words import command, counted, duration, next_line, outputs_option

if TYPE_CHECKING:
    from runtree.records.compare.table import ComparisonTable, CostChoice

LOOKED_AT = 50  # configurations among which ties are looked for

HELP = f"""Name the best run, and say why it is.

RUNS are runs, experiments and sweeps as `runtree compare` takes them. The best configuration is that with the best mean
over its seeds; of its runs the one with the best score is named. --cheapest takes, of the {LOOKED_AT} best
configurations, the one with the fewest fit seconds among those that are tied with the best; --by names another cost:
size, seconds, or a metric such as validation.log_loss.

\b
  runtree best churn
  runtree best churn --cheapest --by size
  cp -r "$(runtree best churn --path)/model" .
"""


@click.command("best", help=HELP)
@comparison_options
@click.option("--cheapest", is_flag=True, help="The cheapest among the tied.")
@click.option("--by", metavar="COST", help="fit_seconds, size, seconds or a metric; implies --cheapest.")
@click.option("--path", "as_path", is_flag=True, help="Print the folder alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def best_command(
    runs: tuple[str, ...],
    metric: str | None,
    where: tuple[str, ...],
    alpha: float,
    correction: Any,
    force: bool,
    cheapest: bool,
    by: str | None,
    as_path: bool,
    as_json: bool,
    outputs: str,
) -> None:
    """Compare, choose and tell."""
    from runtree.cli.compare import compared
    from runtree.cli.tables import print_json
    from runtree.records.compare.table import CompareRequest, choose_configuration

    cost = by or ("fit_seconds" if cheapest else None)
    most = LOOKED_AT if cost else 2
    table, known = compared(Path(outputs), CompareRequest(runs, metric, None, where, alpha, correction, most, force))
    found = choose_configuration(table, cost, known)
    if as_json:
        print_json(document(table, found))
    elif as_path:
        click.echo(found.run.folder)
    else:
        print_choice(table, found, outputs)


def document(table: "ComparisonTable", found: "CostChoice") -> dict[str, Any]:
    """Return a choice as JSON has it."""
    from runtree.cli.compare_rows import SCHEMA, naming_keys, told_line

    return {
        "schema": SCHEMA,
        "run": found.run.id,
        "folder": found.run.folder,
        "metric": table.measure.name,
        "direction": table.measure.direction,
        "tied": found.tied,
        "by": found.by,
        "cost": found.cost,
        "cost_of_best": found.cost_of_best,
        "configuration": told_line(found.line, naming_keys(table.lines)),
    }


def print_choice(table: "ComparisonTable", found: "CostChoice", outputs: str) -> None:
    """Print the run, why it is the one, and what to type next."""
    from runtree.cli.compare_page import heading, told_interval, told_ties
    from runtree.cli.compare_rows import named, naming_keys

    settings = named(found.line, naming_keys(table.lines))
    told = " ".join(f"{key.removesuffix('.name')}={value}" for key, value in settings.items())
    spread = found.line.spread
    over = f", mean of {spread.n} seeds" if spread.n > 1 else ""
    interval = "" if spread.low is None else f", {100 * (1 - table.request.alpha):g} %: {told_interval(found.line)}"
    click.echo(f"best   {found.run.id}   {told}")
    click.echo(f"score  {format_cell(spread.mean)} {table.measure.name}{over}{interval}")
    click.echo(f"why    {reason(table, found)}")
    click.echo(f"of     {heading(table)}")
    if found.by:
        click.echo(f"ties   {told_ties(table) or 'nothing could be tested, so nothing else counts as tied'}")
    words = table.request.words
    click.echo(f"folder {found.run.folder}")
    commands = [command("show", found.run.id, outputs=outputs), command("compare", *words, outputs=outputs)]
    click.echo(next_line(commands))


def reason(table: "ComparisonTable", found: "CostChoice") -> str:
    """Return why it was chosen."""
    if found.by is None:
        of = f"; of its {len(found.line.records)} runs the one with the best" if len(found.line.records) > 1 else ""
        return f"rank 1 by {table.measure.name}{of}"
    form = {"fit_seconds": _seconds, "seconds": _seconds, "size": _bytes}.get(found.by, format_cell)
    if found.tied == 1:
        return f"nothing is tied with the best: {found.by} {form(found.cost)}"
    others = "" if found.line.leader else f", the best has {form(found.cost_of_best)}"
    among = counted(found.tied, "configuration")
    return f"rank {found.line.rank}, and of {among} tied the one with the best {found.by}: {form(found.cost)}{others}"


def _seconds(found: float | None) -> str:
    return f"{duration(found)} s"


def _bytes(found: float | None) -> str:
    return "-" if found is None else told_bytes(int(found))
