"""`runtree train`: overrides in, a table of metrics and a folder out."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override

if TYPE_CHECKING:
    from runtree.app import Done
    from runtree.app.sweeping import Order
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
    from runtree.app import App
    from runtree.config.flags import parse_flags

    return carry_out(App(), parse_flags(overrides))


def carry_out(app: Any, flags: argparse.Namespace) -> int:
    """Do what the flags ask for, one run or a sweep, print what came of it and return the exit code."""
    from runtree.app import train

    if asks_hydra(flags):
        return show(app, flags)
    if flags.multirun:
        return carry_sweep(app, lambda order: train(app, flags, order=order))
    progress = Progress()
    try:
        done = train(app, flags, watch=progress.stage, told=progress.run)
    finally:
        progress.stop()
    return told(done)


def carry_sweep(app: Any, begin: "Callable[[Order], Done]") -> int:
    """Begin a sweep with somebody who watches it, print what came of it and return the exit code."""
    from runtree.app.sweeping import Order
    from runtree.cli.sweep.scene import make_scene

    scene = make_scene()
    try:
        scene.look()
        done = begin(Order(app, watcher=scene))
    finally:
        scene.close()
    return told(done)


def told(done: "Done") -> int:
    """Print what came of it and return the exit code."""
    if done.swept is not None and done.swept.driver is not None:
        from runtree.cli.sweep.report import report_sweep

        return report_sweep(done.swept)
    from runtree.cli.train_report import report

    report(done)
    return 1 if done.failures else 0


def asks_hydra(flags: argparse.Namespace) -> bool:
    """Tell whether nothing is to be run, but something of Hydra's to be shown."""
    return bool(flags.cfg or flags.info or flags.hydra_help or flags.shell_completion)


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
