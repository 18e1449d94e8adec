"""`runtree resume`: go on with a sweep, to its original total or to another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.sweep.choice import complete_more, sweep_argument
from runtree.cli.words import outputs_option

if TYPE_CHECKING:
    from runtree.cli.sweep.replay import Replay

HELP = """Go on with a sweep: numbers, budgets and what the tuner has learnt continue, and nothing is done twice.

SWEEP is `latest`, a path, or the beginning of a sweep's name. OVERRIDES may set other bounds (tuner.stop…), what is
done on failures, and another compute; everything else is as it was when the sweep began, or it is refused.

\b
  runtree resume
  runtree resume 20261122-0317 tuner.stop.max_runs=200 compute.slots=4
"""


@click.command("resume", help=HELP)
@sweep_argument()
@click.argument("overrides", nargs=-1, shell_complete=complete_more)
@outputs_option()
def resume_command(sweep: str, overrides: tuple[str, ...], outputs: str) -> int:
    """Find the sweep, say where it stands, and go on."""
    from runtree.app.resume import check_resume_overrides
    from runtree.cli.sweep.replay import Replay
    from runtree.records.layout import find_sweep

    if "=" in sweep and not Path(sweep).exists():
        sweep, overrides = "latest", (sweep, *overrides)
    seen = Replay(find_sweep(Path(outputs), sweep)).read()
    refuse_held(seen)
    check_resume_overrides(overrides)
    if seen.state == "ended" and not overrides and keeps_its_best(seen):
        tell_ended(seen, outputs)
        return 0
    click.echo(f"{seen.folder.path.name}: {where_it_stood(seen)}", err=True)
    return go_on(seen, overrides)


def keeps_its_best(seen: "Replay") -> bool:
    """Tell whether the best is kept as it was to be: where that went wrong at the end, it is tried again."""
    from runtree.sweeps.results import completed_runs

    best = [completed_runs(seen.book.entries(trial)) for trial, _ in seen.standing.front.best]
    return str(seen.node.get("keep")) != "best" or all(entries[0].kept for entries in best)


def go_on(seen: "Replay", overrides: tuple[str, ...]) -> int:
    """Begin another session."""
    from runtree.app import App
    from runtree.app.resume import resume_sweep
    from runtree.cli.train import carry_sweep

    app = App()
    return carry_sweep(app, lambda order: resume_sweep(app, seen.folder, overrides, order.watcher))


def refuse_held(seen: "Replay") -> None:
    """Refuse a sweep that somebody works on, before anything is loaded."""
    if seen.holder is not None:
        with seen.folder.held():
            pass


def tell_ended(seen: "Replay", outputs: str) -> None:
    """Say why it ended and how to go on all the same."""
    from runtree.cli.sweep.next import further
    from runtree.cli.sweep.page import criterion
    from runtree.cli.sweep.words import next_lines, sweep_name, wrapped

    name = sweep_name(seen.folder, outputs)
    on = further(name, criterion(seen), seen.standing.progress.rules, outputs)
    click.echo(wrapped("sweep", f"{name} has ended: {seen.explanation}"))
    click.echo(next_lines([on] if on else [f"runtree status {name}"]))


def where_it_stood(seen: "Replay") -> str:
    """Return what is there already."""
    from runtree.cli.sweep.words import told_states

    waiting = sum(1 for _ in seen.book.waiting())
    ended, total = seen.standing.ended, seen.standing.total
    of = f" of {total}" if total is not None else ""
    wait = f", {waiting} wait" if waiting else ""
    runs = "run" if (total or ended) == 1 else "runs"
    return f"going on after {ended}{of} {runs} ({told_states(seen.standing.states)}{wait})"
