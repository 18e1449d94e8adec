"""`runtree plan`: what a sweep would do; everything is looked at, and nothing is run."""

from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override

if TYPE_CHECKING:
    import argparse

    from runtree.app import App
    from runtree.app.preflight import SweepPlan

SCHEMA = 1

HELP = """Show what `runtree train -m OVERRIDES` would do: the space, how many runs, where they go, how long it takes.

The data is loaded and split, every algorithm is built with both ends of its ranges; nothing is fitted or written. What
is wrong is told as `train` tells it.

\b
  runtree plan algorithm=random_forest,logistic tuner=tpe tuner.stop.max_runs=50
  runtree plan algorithm=ridge algorithm.alpha=0.1,1,10 data=diabetes seed=1,2 --json
"""


@click.command("plan", help=HELP, context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan_command(overrides: tuple[str, ...], as_json: bool) -> int:
    """Look at everything and print what was found."""
    from runtree.app import App
    from runtree.cli.sweep.plan_facts import as_document
    from runtree.cli.sweep.plan_page import print_plan
    from runtree.cli.tables import print_json
    from runtree.cli.train import asks_hydra, show
    from runtree.config.hydra_engine import parse_flags

    app, flags = App(), parse_flags(overrides)
    if asks_hydra(flags):
        return show(app, flags)
    sweeps = bool(flags.multirun)
    plan = look(app, flags)
    if as_json:
        print_json({"schema": SCHEMA, "plan": as_document(plan, sweeps)})
    else:
        print_plan(plan, sweeps)
    return 0


def look(app: "App", flags: "argparse.Namespace") -> "SweepPlan":
    """Let everything be looked at that a sweep looks at before its first run."""
    from runtree.app import train
    from runtree.app.preflight import SweepRequest
    from runtree.cli.sweep.scene import make_scene
    from runtree.contract.errors import RequestError

    flags.multirun = True
    scene: Any = make_scene()
    try:
        scene.look()
        done = train(app, flags, order=SweepRequest(app, plan_only=True))
    finally:
        scene.close()
    if done.swept is None or done.swept.plan is None:
        raise RequestError("a sweeper that is not runtree's was chosen, and it cannot be asked what it would do")
    return done.swept.plan
