"""`runtree best`: the best run, or the cheapest of those tied with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.compare import (
    SCHEMA,
    comparison_options,
    describe_ties,
    format_heading,
    format_limits,
    naming_keys,
    request_words,
    row_document,
)
from runtree.cli.format import (
    command,
    format_bytes,
    format_cell,
    format_seconds,
    labelled,
    next_steps,
    outputs_option,
    pluralize,
)
from runtree.cli.tables import print_json
from runtree.records.commands import run_command, training_command, training_overrides

if TYPE_CHECKING:
    from runtree.records.compare.table import ComparisonTable, CostChoice

MAX_TIED = 50  # configurations that are tested for a tie with the best

HELP = f"""Select the best run, and say why.

RUNS are runs, experiments and sweeps as in `runtree compare`. The best configuration has the best mean over its seeds;
of its runs the one with the best score is selected. --cheapest selects, among the {MAX_TIED} best configurations, the
one with the shortest fit of those tied with the best; --by names another cost: size, seconds, or a metric such as
validation.log_loss.

\b
  runtree best churn
  runtree best churn --cheapest --by size
  cp -r "$(runtree best churn --path)/model" .
"""


@click.command("best", help=HELP)
@comparison_options
@click.option("--cheapest", is_flag=True, help="Select the cheapest of those tied with the best.")
@click.option("--by", metavar="COST", help="fit_seconds, size, seconds or a metric; implies --cheapest.")
@click.option("--path", "as_path", is_flag=True, help="Print only the folder.")
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
    from runtree.app.compare import make_comparison
    from runtree.records.compare.table import CompareRequest, choose_configuration

    # --by alone means --cheapest: naming a cost says what is wanted
    cost = by or ("fit_seconds" if cheapest else None)
    most = MAX_TIED if cost else 2  # two: the settings shown are those in which the best differs from the next
    # each configuration that is compared is tested, and its files are read: no more than the answer needs
    table, metrics = make_comparison(
        Path(outputs), CompareRequest(runs, metric, None, where, alpha, correction, most, force)
    )
    choice = choose_configuration(table, cost, metrics)
    if as_json:
        print_json(_make_document(table, choice))
    elif as_path:
        click.echo(choice.run.folder)
    else:
        _print_choice(table, choice, outputs)


def _make_document(table: "ComparisonTable", choice: "CostChoice") -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": choice.run.id,
        "folder": choice.run.folder,
        "metric": table.measure.name,
        "direction": table.measure.direction,
        "tied": choice.tied,
        "by": choice.by,
        "cost": choice.cost,
        "cost_of_best": choice.cost_of_best,
        "overrides": training_overrides(choice.run),
        "command": training_command(choice.run),
        "configuration": row_document(choice.line, naming_keys(table.lines)),
    }


def _print_choice(table: "ComparisonTable", choice: "CostChoice", outputs: str) -> None:
    spread = choice.line.spread
    seeds = f", mean of {spread.n} seeds" if spread.n > 1 else ""
    level = f"{100 * (1 - table.request.alpha):g} %"
    interval = "" if spread.low is None else f", {level} CI {format_limits(choice.line)}"
    lines = {
        "best": choice.run.id,
        # whole, and not only the settings in which it differs from the next: what is typed again has to be this one
        "command": training_command(choice.run),
        "score": f"{format_cell(spread.mean)} {table.measure.name}{seeds}{interval}",
        "reason": _format_reason(table, choice),
        "among": format_heading(table),
    }
    if choice.by:
        lines["tied"] = describe_ties(table) or "no test was possible, so no other configuration counts as tied"
    lines["folder"] = str(choice.run.folder)
    for label, text in lines.items():
        click.echo(labelled(label, text))
    commands = [
        run_command("show", choice.run),
        command("compare", *request_words(table.request), outputs=outputs),
    ]
    click.echo(next_steps(commands))


def _format_reason(table: "ComparisonTable", choice: "CostChoice") -> str:
    if choice.by is None:
        runs = len(choice.line.records)
        return f"rank 1 by {table.measure.name}" + (f"; the best of its {runs} runs" if runs > 1 else "")

    def format_cost(cost: float | None) -> str:
        if choice.by == "size":
            return format_bytes(cost)
        return f"{format_seconds(cost)} s" if choice.by in ("fit_seconds", "seconds") else format_cell(cost)

    if choice.tied == 1:
        return f"no other configuration is tied with the best; its {choice.by}: {format_cost(choice.cost)}"
    best = "" if choice.line.leader else f" (the best: {format_cost(choice.cost_of_best)})"
    among = pluralize(choice.tied, "tied configuration")
    return f"rank {choice.line.rank}, with the best {choice.by} of {among}: {format_cost(choice.cost)}{best}"
