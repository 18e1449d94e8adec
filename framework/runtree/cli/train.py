"""`runtree train`: overrides in, a table of metrics and a folder out."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override

if TYPE_CHECKING:
    from runtree.app import Done
    from runtree.contract.run import Run

HELP = """Train, evaluate and record a model.

OVERRIDES are Hydra's: group=option chooses, key=value sets, +key=value adds, ~key removes.

\b
  runtree train algorithm=logistic data.test_size=0.3 seed=7 experiment.name=churn
  runtree train data=csv data.path=houses.csv data.target=price
  runtree train -m algorithm=logistic,random_forest seed=1,2,3
  runtree train --cfg job --resolve           print the config, run nothing
  runtree train --info defaults-tree          how it was composed

Hydra's flags: -m, --cfg, --resolve, --package, --info, -cn NAME, -cd FOLDER, --hydra-help.
"""


@click.command("train", help=HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
def train_command(overrides: tuple[str, ...]) -> int:
    """Run what the overrides ask for."""
    from runtree.app import App, train
    from runtree.config.flags import parse_flags

    app = App()
    flags = parse_flags(overrides)
    if flags.cfg or flags.info or flags.hydra_help or flags.shell_completion:
        return show(app, flags)
    progress = Progress()
    try:
        done = train(app, flags, watch=progress.stage, told=progress.run)
    finally:
        progress.stop()
    report(done)
    return 1 if done.failures else 0


def show(app: Any, flags: argparse.Namespace) -> int:
    """Answer one of Hydra's own questions."""
    from runtree.config.engine import Engine
    from runtree.config.explain import explain
    from runtree.config.flags import open_parameters

    asked = list(flags.overrides)
    flags.overrides = open_parameters(asked)
    engine = Engine(app.folders, app.algorithms, flags.config_name or "config", flags.config_dir)
    try:
        engine.show(flags)
    except Exception as error:
        raise explain(error, asked, app.catalogue) from error
    return 0


class Progress:
    """What is being done, on stderr: a spinner on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._status: Any = None
        self._runs = 0

    def stage(self, name: str) -> None:
        """Show the stage that begins."""
        if not sys.stderr.isatty():
            return
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        self._status.update(f"run {self._runs + 1}: {name} …")

    def run(self, run: "Run") -> None:
        """Count a run that has ended."""
        self._runs += 1

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._status is not None:
            self._status.stop()


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
    click.echo(f"\nrun   {shown(run.folder)}")
    click.echo("next  runtree show latest   |   runtree predict latest ROWS.csv -o OUT.csv   |   runtree runs")


def summary(run: "Run") -> list[str]:
    """Return two lines: the data, and what was fitted."""
    split = run.split
    classes = f", {len(run.data.classes)} classes" if run.data.classes else ""
    parts = f"{len(split.train)}/{len(split.validation)}/{len(split.test)}"
    return [
        f"data  {run.data.name}: {len(run.data.features):,} rows x {run.data.features.shape[1]}, target "
        f"'{run.data.target.name}' ({run.data.task}{classes}), {run.facts['split']} split {parts}, seed {run.seed}",
        f"fit   {run.config.algorithm.name} on {run.facts.get('device', 'cpu')}, "
        f"evaluated by {run.config.evaluator.name}",
    ]


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
    click.echo(f"\nruns  {shown(done.folder)}")
    click.echo(f"next  runtree runs --sort validation.{metric}   |   runtree show latest")


def shown(folder: Any) -> str:
    """Return a folder as a user would type it."""
    import os

    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("..") else relative
