"""`runtree tune`: a sweep with a tuner; without arguments, the quickstart."""

import click

from runtree.cli.completion import complete_override

HELP = """Search for the best configuration: `runtree train -m` with a tuner.

Without arguments it runs the quickstart: three algorithms on a bundled table. If you choose algorithm, data or
experiment, tuner=tpe is added unless you name a tuner, and tuner.stop.max_runs=50 unless the sweep is bounded.

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
    from runtree.app.default_tuner import missing_overrides
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
