"""`runtree tune`: a sweep whose tuner proposes the runs; alone, the quickstart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override

if TYPE_CHECKING:
    import argparse

    from runtree.app import App

BOUND = "tuner.stop.max_runs=50"

HELP = f"""Search for the best configuration: `runtree train -m` with a tuner.

Alone it tries the quickstart: three algorithms on a bundled table. Where you choose algorithm, data or experiment,
tuner=tpe is added unless you name a tuner, and {BOUND} unless something bounds the sweep.

\b
  runtree tune
  runtree tune algorithm=random_forest,logistic data=csv data.path=a.csv data.target=y
  runtree tune algorithm=ridge 'algorithm.alpha=tag(log,interval(1e-4,1e3))' tuner.stop.patience.runs=20
  runtree tune algorithm=mlp compute.slots=-1 tuner.stop.max_seconds=600

What would be searched: runtree plan OVERRIDES. A sweep that was interrupted: runtree resume.
"""


@click.command("tune", help=HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
def tune_command(overrides: tuple[str, ...]) -> int:
    """Begin the sweep that the overrides ask for."""
    from runtree.app import App
    from runtree.cli.train import carry_out
    from runtree.config.hydra_engine import parse_flags

    app = App()
    flags = parse_flags(overrides)
    flags.multirun = True
    added = additions(app, flags)
    if added:
        click.echo(f"tune   adds {' '.join(added)}", err=True)
    flags.overrides = [*added, *flags.overrides]
    return carry_out(app, flags)


def additions(app: "App", flags: "argparse.Namespace") -> list[str]:
    """Return what is not typed and makes it a sweep that a tuner leads to an end."""
    typed = flags.overrides
    if not (flags.config_name or flags.config_dir or names(typed, "experiment", "data", "algorithm")):
        return ["experiment=quickstart"]
    composed = compose(app, flags)
    if composed is None:
        return []
    chosen = str(composed.hydra.runtime.choices.get("tuner"))
    tuner = ["tuner=tpe"] if chosen == "grid" and not names(typed, "tuner") else []
    stop = composed.tuner.get("stop") or {}
    bounded = any(stop.get(key) is not None for key in ("max_runs", "max_seconds"))
    return [*tuner, *([] if bounded or (chosen == "grid" and not tuner) else [BOUND])]


def names(overrides: Sequence[str], *groups: str) -> bool:
    """Tell whether an option of one of the groups is chosen."""
    return any(text.partition("=")[0].lstrip("+~").partition("@")[0] in groups for text in overrides)


def compose(app: "App", flags: "argparse.Namespace") -> Any:
    """Return the config as it is without additions; None where it cannot be composed, which the sweep then explains."""
    from runtree.config.hydra_engine import HydraEngine, force_open_parameters, repeat_below_swept_groups

    overrides = repeat_below_swept_groups(force_open_parameters(flags.overrides), app.catalogue.groups)
    engine = HydraEngine(app.folders, app.algorithms, flags.config_name or "config", flags.config_dir)
    try:
        return engine.compose(overrides, multirun=True)
    except Exception:  # whatever it is, the sweep will say it with a hint
        return None
