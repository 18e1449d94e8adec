"""What is printed when a run ends, and when several end that a sweeper of Hydra's own has made."""

from collections.abc import Mapping
from statistics import stdev
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import format_cell
from runtree.cli.examined import evaluation, examined_lines
from runtree.cli.findings import print_warnings
from runtree.cli.intervals import with_limits
from runtree.cli.sweep.words import shown_path
from runtree.cli.words import told_looks

if TYPE_CHECKING:
    from runtree.app import TrainResult
    from runtree.contract.run import Run

SD = "± sd"


def report(done: "TrainResult") -> None:
    """Print what came of it."""
    from runtree.cli.tables import print_table
    from runtree.records.layout import RunFolder

    if done.multirun:
        report_many(done)
        return
    run = done.runs[0]
    for line in summary(run):
        click.echo(line)
    spread = spreads(run)
    headings = [
        heading for part in run.metrics for heading in (part, *([SD] if spread and part == "validation" else []))
    ]
    rows = [[name, *cells(run, name, spread)] for name in names(run)]
    click.echo()
    found = evaluation(run.folder)
    print_table(*with_limits(["metric", *headings], rows, found))
    if lines := list(examined_lines(found)):
        click.echo("\n" + "\n".join(lines))
    if run.test_looks:
        click.echo(f"\n{told_looks(run.test_looks)}")
    print_warnings(run.folder)
    click.echo(f"\nrun   {shown_path(run.folder)}")
    if RunFolder(run.folder).report.exists():
        click.echo(f"page  {shown_path(RunFolder(run.folder).report)}")
    click.echo("next  runtree show latest   |   runtree predict latest ROWS.csv -o OUT.csv   |   runtree runs")


def summary(run: "Run") -> list[str]:
    """Return a line each for the data, what was fitted, and why the fit ended."""
    split = run.split
    classes = f", {len(run.data.classes)} classes" if run.data.classes else ""
    parts = f"{len(split.train)}/{len(split.validation)}/{len(split.test)}"
    return [
        f"data  {run.data.name}: {len(run.data.features):,} rows x {run.data.features.shape[1]}, target "
        f"'{run.data.target.name}' ({run.data.task}{classes}), {run.facts['split']} split {parts}, seed {run.seed}",
        f"fit   {run.config.algorithm.name} on {run.facts.get('device', 'cpu')}, "
        f"evaluated by {run.config.evaluator.name}",
        *([f"ended {ended(run.ending)}"] if run.ending.get("reason") else []),
        *([f"folds {len(run.folds)}; ± is the standard deviation over them"] if run.folds else []),
        *([f"chose {chosen(run)}"] if run.chosen else []),
    ]


def cells(run: "Run", name: str, spread: Mapping[str, float]) -> list[float | None]:
    """Return a metric's value on each part, with its spread over the folds beside that on the validation part."""
    found: list[float | None] = []
    for part, values in run.metrics.items():
        found += [values.get(name), *([spread.get(name)] if spread and part == "validation" else [])]
    return found


def spreads(run: "Run") -> dict[str, float]:
    """Return the sample standard deviation of each metric over the folds, by n - 1; empty where there are no folds."""
    found = {name: [fold[name] for fold in run.folds if name in fold] for name in names(run)}
    return {name: stdev(values) for name, values in found.items() if len(values) > 1}


def chosen(run: "Run") -> str:
    """Return ``alpha=0.37 of 20 candidates; over the folds the score it is chosen by was optimistic by 0.012``."""
    found, asked = run.chosen, run.details.get("search", {})
    if found is None:
        return ""
    values = ", ".join(
        f"{path.removeprefix('algorithm.')}={format_cell(value)}" for path, value in found.values.items()
    )
    optimism = asked.get("optimism")
    if optimism is None:
        return f"{values} of {found.tried} candidates"
    word = "optimistic" if optimism > 0 else "pessimistic"
    return (
        f"{values} of {found.tried} candidates; "
        f"over the folds the score it is chosen by was {word} by {abs(optimism):.3g}"
    )


def ended(ending: Mapping[str, Any]) -> str:
    """Return ``after 37 epochs: tolerance (the model is that of epoch 30)``."""
    count, unit, best = ending.get("iterations"), ending.get("unit"), ending.get("best")
    if not isinstance(count, int):  # a damaged record
        return str(ending.get("reason"))
    kept = f" (the model is that of {unit} {best})" if best and best != count else ""
    return f"after {count:,} {unit}{'' if count == 1 else 's'}: {ending.get('reason')}{kept}"


def names(run: "Run") -> list[str]:
    """Return the metrics of a run, in the order in which they were computed."""
    return list(dict.fromkeys(name for part in run.metrics.values() for name in part))


def report_many(done: "TrainResult") -> None:
    """Print a line for each run of a multirun, with the overrides that differ."""
    from runtree.cli.tables import print_table
    from runtree.records.layout import RunFolder
    from runtree.records.record import read_record

    found = [read_record(RunFolder(run.folder)) for run in done.runs]
    everywhere = set.intersection(*(set(record.overrides) for record in found)) if len(found) > 1 else set()
    rows = [
        [
            record.folder.name,
            " ".join(text for text in record.overrides if text not in everywhere),
            record.objective.get("value"),
            record.seconds,
        ]
        for record in found
    ]
    metric = found[0].objective["metric"] if found else "objective"
    click.echo()
    print_table(["run", "overrides", f"validation.{metric}", "seconds"], rows)
    for overrides, error in done.failures:
        click.echo(f"\nfailed: {' '.join(overrides)}\n  {error}", err=True)
    click.echo(f"\nruns  {shown_path(done.folder) if done.folder else '-'}")
    click.echo(f"next  runtree runs --sort validation.{metric}   |   runtree show latest")
