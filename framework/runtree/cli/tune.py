"""`runtree tune`: a sweep with a tuner; without arguments, the quickstart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override

if TYPE_CHECKING:
    import argparse

    from runtree.app import App

DEFAULT_BOUND = "tuner.stop.max_runs=50"

HELP = f"""Search for the best configuration: `runtree train -m` with a tuner.

Without arguments it runs the quickstart: three algorithms on a bundled table. If you choose algorithm, data or
experiment, tuner=tpe is added unless you name a tuner, and {DEFAULT_BOUND} unless the sweep is bounded.

\b
  runtree tune
  runtree tune algorithm=random_forest,logistic data=csv data.path=a.csv data.target=y
  runtree tune algorithm=ridge 'algorithm.alpha=tag(log,interval(1e-4,1e3))' tuner.stop.patience.runs=20
  runtree tune algorithm=mlp compute.slots=-1 tuner.stop.max_seconds=600

To see the search space first: runtree plan OVERRIDES. To continue an interrupted sweep: runtree resume.
"""


@click.command("tune", help=HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
def tune_command(overrides: tuple[str, ...]) -> int:
    from runtree.app import App
    from runtree.cli.train import run_training
    from runtree.config.hydra_engine import parse_flags

    app = App()
    flags = parse_flags(overrides)
    flags.multirun = True
    added = missing_overrides(app, flags)
    if added:
        click.echo(f"adding {' '.join(added)}", err=True)
    # in front, so that what was typed takes precedence
    flags.overrides = [*added, *flags.overrides]
    return run_training(app, flags)


def missing_overrides(app: "App", flags: "argparse.Namespace") -> list[str]:
    """Return the overrides that make the command line a bounded sweep with a tuner."""
    named = flags.config_name or flags.config_dir or flags.config_path
    if not (named or _chooses(flags.overrides, "experiment", "data", "algorithm")):
        return ["experiment=quickstart"]  # which names its own tuner and bound
    config = _compose(app, flags)
    if config is None:
        return []
    # from the composed config, since an experiment file may choose a tuner as well
    chosen = str(config.hydra.runtime.choices.get("tuner"))
    # grid is the default tuner of the config; one that is typed is meant, and ends by itself
    tuner = ["tuner=tpe"] if chosen == "grid" and not _chooses(flags.overrides, "tuner") else []
    if chosen == "grid" and not tuner:
        return []
    stop = config.tuner.get("stop") or {}
    bounded = any(stop.get(key) is not None for key in ("max_runs", "max_seconds"))
    return [*tuner, *([] if bounded else [DEFAULT_BOUND])]


def _chooses(overrides: Sequence[str], *groups: str) -> bool:
    """Return whether an override chooses an option of one of the groups."""
    return any(text.partition("=")[0].lstrip("+~").partition("@")[0] in groups for text in overrides)


def _compose(app: "App", flags: "argparse.Namespace") -> Any:
    """Return the config without additions, or None where it cannot be composed."""
    from runtree.app.application import typed_words
    from runtree.config.hydra_engine import force_open_parameters, repeat_below_swept_groups

    overrides = repeat_below_swept_groups(force_open_parameters(flags.overrides), app.catalogue.groups)
    engine = app.engine(flags, app.allow_list(typed_words(flags)))
    try:
        return engine.compose(overrides, multirun=True)
    except Exception:  # the sweep will fail in the same way, with a hint
        return None
