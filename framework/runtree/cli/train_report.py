"""What is printed when a run ends, and when several end that a sweeper of Hydra's own has made."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.sweep.words import shown_path
from runtree.cli.words import told_looks

if TYPE_CHECKING:
    from runtree.app import Done
    from runtree.contract.run import Run


def report(done: "Done") -> None:
    """Print what came of it."""
    from runtree.cli.tables import print_table

    if done.multirun:
        report_many(done)
        return
    run = done.runs[0]
    for line in summary(run):
        click.echo(line)
    rows = [[name, *(run.metrics[part].get(name) for part in run.metrics)] for name in names(run)]
    click.echo()
    print_table(["metric", *run.metrics], rows)
    if run.test_looks:
        click.echo(f"\n{told_looks(run.test_looks)}")
    click.echo(f"\nrun   {shown_path(run.folder)}")
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
    ]


def ended(ending: Mapping[str, Any]) -> str:
    """Return ``after 37 epochs: tolerance (the model is that of epoch 30)``."""
    count, unit = ending["iterations"], ending["unit"]
    best = ending.get("best")
    kept = f" (the model is that of {unit} {best})" if best and best != count else ""
    return f"after {count:,} {unit}{'' if count == 1 else 's'}: {ending['reason']}{kept}"


def names(run: "Run") -> list[str]:
    """Return the metrics of a run, in the order in which they were computed."""
    return list(dict.fromkeys(name for part in run.metrics.values() for name in part))


def report_many(done: "Done") -> None:
    """Print a line for each run of a multirun, with the overrides that differ."""
    from runtree.cli.tables import print_table
    from runtree.records.folder import RunFolder
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
