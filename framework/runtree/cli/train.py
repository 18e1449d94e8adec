"""`runtree train`: overrides in, a table of metrics and a folder out."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override
from runtree.cli.progress import Progress
from runtree.contract.errors import GateError, RequestError

if TYPE_CHECKING:
    from runtree.app import TrainResult
    from runtree.app.preflight import SweepRequest

HELP = """Train, evaluate and record a model.

OVERRIDES are Hydra's: group=option chooses, key=value sets, +key=value adds, ~key removes.

\b
  runtree train algorithm=logistic data.test_size=0.3 seed=7 experiment.name=churn
  runtree train data=csv data.path=houses.csv data.target=price
  runtree train -m algorithm=logistic,random_forest seed=1,2,3
  runtree train --cfg job --resolve           print the config, run nothing
  runtree train --info defaults-tree          how it was composed
  runtree train --continue latest             go on from the last checkpoint of a run

Hydra's flags: -m, --cfg, --resolve, --package, --info, -cn NAME, -cd FOLDER, --hydra-help.
"""


@click.command("train", help=HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
def train_command(overrides: tuple[str, ...]) -> int:
    """Run what the overrides ask for."""
    from runtree.app import App
    from runtree.config.hydra_engine import parse_flags

    return carry_out(App(), parse_flags(overrides))


def carry_out(app: Any, flags: argparse.Namespace) -> int:
    """Do what the flags ask for, one run or a sweep, print what came of it and return the exit code."""
    from runtree.app import TrainCallbacks, train

    if asks_hydra(flags):
        return show(app, flags)
    if flags.multirun:
        if flags.going_on:
            raise RequestError("--continue is for one run, and -m is for many", "a sweep goes on by: runtree resume")
        return carry_sweep(app, lambda order: train(app, flags, order=order))
    warn_of_tuner(flags.overrides)
    progress = Progress()
    callbacks = TrainCallbacks(progress.stage, progress.run, progress.iterated)
    try:
        if flags.going_on:
            from runtree.app.resume import continue_run

            done = continue_run(app, flags.going_on, flags.overrides, callbacks)
        else:
            done = train(app, flags, callbacks)
    finally:
        progress.stop()
    return told(done)


def warn_of_tuner(overrides: Sequence[str]) -> None:
    """Say that words about a tuner change nothing where one run is asked for: most likely `-m` was forgotten."""
    typed = [text for text in overrides if text.startswith(("tuner=", "tuner."))]
    if typed and not any(text.startswith("hydra.mode=") for text in overrides):
        said = "is for a sweep, and this is one run; for a sweep: runtree train -m …"
        click.echo(f"note  {' '.join(typed)} {said}", err=True)


def carry_sweep(app: Any, begin: "Callable[[SweepRequest], TrainResult]") -> int:
    """Begin a sweep with somebody who watches it, print what came of it and return the exit code."""
    from runtree.app.preflight import SweepRequest
    from runtree.cli.sweep.scene import make_scene

    scene = make_scene()
    try:
        scene.look()
        done = begin(SweepRequest(app, watcher=scene))
    finally:
        scene.close()
    return told(done)


def told(done: "TrainResult") -> int:
    """Print what came of it and return the exit code."""
    if done.swept is not None and done.swept.driver is not None:
        from runtree.cli.sweep.report import report_sweep

        code = report_sweep(done.swept)
    else:
        from runtree.cli.train_report import report

        report(done)
        code = 1 if done.failures else 0
    if code == 0:
        refuse_missed(done)
    return code


def refuse_missed(done: "TrainResult") -> None:
    """Raise what the gates of the run say, in a sweep those of its best runs; the runs themselves are kept.

    Raises
    ------
    GateError
        A gate was missed.
    """
    from runtree.app.sweep import failed_gates

    sentences = failed_gates(done)
    if sentences:
        shown = sentences[:3]
        raise GateError(shown[0], *shown[1:], f"… {len(sentences) - 3} more" if len(sentences) > 3 else "")


def asks_hydra(flags: argparse.Namespace) -> bool:
    """Tell whether nothing is to be run, but something of Hydra's to be shown."""
    return bool(flags.cfg or flags.info or flags.hydra_help or flags.shell_completion)


def show(app: Any, flags: argparse.Namespace) -> int:
    """Answer one of Hydra's own questions."""
    from runtree.config.hydra_engine import HydraEngine, force_open_parameters
    from runtree.config.hydra_errors import refuse_sweeps, translate_error

    asked = list(flags.overrides)
    if flags.cfg or flags.info:
        refuse_sweeps(asked)
    flags.overrides = force_open_parameters(asked)
    engine = HydraEngine(app.folders, app.algorithms, flags.config_name or "config", flags.config_dir)
    try:
        engine.show(flags)
    except Exception as error:
        raise translate_error(error, asked, app.catalogue) from error
    return 0
