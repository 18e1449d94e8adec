"""`runtree resume`: continue a sweep, to its original total or another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.completion import complete_resumable, complete_sweep
from runtree.cli.format import (
    command,
    format_state_counts,
    next_steps,
    outputs_option,
    pluralize,
    sweep_name,
    trust_option,
    wrapped,
)

if TYPE_CHECKING:
    from runtree.cli.sweep.ledger_reader import LedgerReader

HELP = """Continue a sweep. Run numbers, budgets and the state of the tuner continue, and no run is repeated.

SWEEP is `latest`, a path, or the beginning of a sweep's name. OVERRIDES may change the stop criteria (tuner.stop…), the
handling of failures, and compute; other changes are refused. --retry failed runs those that failed once more, after the
code was mended; --retry stopped those that a limit or a stop ended. They keep their numbers.

\b
  runtree resume
  runtree resume 20261122-0317 tuner.stop.max_runs=200 compute.slots=4
  runtree resume latest --retry failed
"""


@click.command("resume", help=HELP)
@click.argument("sweep", default="latest", required=False, shell_complete=complete_sweep)
@click.argument("overrides", nargs=-1, shell_complete=complete_resumable)
@click.option("--retry", multiple=True, type=click.Choice(["failed", "stopped"]), help="Run those once more.")
@trust_option()
@outputs_option()
def resume_command(
    sweep: str, overrides: tuple[str, ...], retry: tuple[str, ...], trust: tuple[str, ...], outputs: str
) -> int:
    from runtree.app import App
    from runtree.app.resume import check_resume_overrides, resume_sweep
    from runtree.cli.sweep.ledger_reader import LedgerReader
    from runtree.cli.sweep.report import explain_end, resume_suggestions
    from runtree.cli.train import run_observed_sweep
    from runtree.records.layout import find_sweep

    if "=" in sweep and not Path(sweep).exists():  # only overrides were typed
        sweep, overrides = "latest", (sweep, *overrides)
    reader = LedgerReader(find_sweep(Path(outputs), sweep)).read()
    # before the app is loaded, which takes seconds
    check_resume_overrides(overrides)
    again = sum(1 for run in reader.sweep_state.runs.values() if run.state in retry)
    if reader.state == "ended" and not overrides and not again and _has_kept_its_best(reader):
        name = sweep_name(reader.folder, outputs)
        none = f"; none of its runs is {' or '.join(retry)}" if retry else ""
        click.echo(wrapped("sweep", f"{name} has ended: {explain_end(reader.explanation, reader.progress)}{none}"))
        suggestions = resume_suggestions(name, reader.criterion, reader.progress, outputs)
        click.echo(next_steps(suggestions or [command("status", name, outputs=outputs)]))
        return 0
    with reader.folder.held():  # raises the error that names the process that holds it, before anything is loaded
        pass
    click.echo(f"{reader.folder.path.name}: {_format_progress(reader, again)}", err=True)
    app = App()
    return run_observed_sweep(
        app, lambda request: resume_sweep(app, reader.folder, overrides, request.observer, retry, trust)
    )


def _has_kept_its_best(reader: "LedgerReader") -> bool:
    """Return whether the artifacts of the best run exist. If keeping them failed, it is worth another attempt."""
    trials = (trial for trial, _ in reader.progress.front.best)
    best = (next(run for run in reader.sweep_state.runs_of(trial) if run.state == "completed") for trial in trials)
    return str(reader.tuner_config.get("keep")) != "best" or all(run.kept for run in best)


def _format_progress(reader: "LedgerReader", again: int) -> str:
    waiting = sum(1 for _ in reader.sweep_state.waiting())
    ended, total = reader.progress.ended, reader.progress.total
    runs = f"{ended} of {pluralize(total, 'run')}" if total is not None else pluralize(ended, "run")
    unfinished = f", {waiting} unfinished" if waiting else ""
    retried = f", {again} to be run again" if again else ""
    died = f"; {reader.progress.deaths}" if reader.progress.deaths else ""
    return f"continuing after {runs} ({format_state_counts(reader.progress.states)}{unfinished}{retried}){died}"
