"""`runtree status`: the progress of a sweep, read from its files alone."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_sweep
from runtree.cli.format import (
    command,
    format_age,
    format_cell,
    format_state_counts,
    is_listed,
    labelled,
    metric_name,
    next_steps,
    outputs_option,
    pluralize,
    sweep_name,
    wrapped,
)
from runtree.cli.tables import print_json, print_table
from runtree.contract.errors import NotFoundError
from runtree.records.commands import sweep_command, training_command, training_overrides

if TYPE_CHECKING:
    from runtree.cli.sweep.ledger_reader import LedgerReader
    from runtree.contract.types import RunRecord
    from runtree.records.layout import SweepFolder
    from runtree.sweeps.state import Trial

SCHEMA = 1
DRAW_SECONDS = 0.5  # between two drawings on a terminal
PRINT_SECONDS = 1.0  # between two looks at the ledger elsewhere

HELP = """Show the progress of a sweep: state, runs, the best so far, stop criteria, time left.

SWEEP is `latest`, a path, or the beginning of a sweep's name. Only its files are read, so the sweep may be running in
another process, or have ended. --watch follows it until it ends; Ctrl-C stops watching, not the sweep.

\b
  runtree status
  runtree status 20261122-0317 --watch
  runtree status --all --json
"""


@click.command("status", help=HELP)
@click.argument("sweep", default="latest", required=False, shell_complete=complete_sweep)
@click.option("--watch", is_flag=True, help="Follow it until it ends.")
@click.option("--all", "everything", is_flag=True, help="List all sweeps, the latest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def status_command(sweep: str, watch: bool, everything: bool, as_json: bool, outputs: str) -> None:
    from runtree.cli.sweep.ledger_reader import LedgerReader
    from runtree.records.layout import find_sweep, sweep_folders

    # one JSON document cannot follow a sweep
    if watch and (everything or as_json):
        raise click.UsageError("--watch follows one sweep and cannot be combined with --all or --json")
    if everything:
        readers = list(_read_all(sweep_folders(Path(outputs))[::-1]))
        if as_json:
            print_json({"schema": SCHEMA, "sweeps": [_make_document(reader) for reader in readers]})
        else:
            _print_list(readers, outputs)
        return
    reader = LedgerReader(find_sweep(Path(outputs), sweep)).read()
    if as_json:
        print_json({"schema": SCHEMA, "sweep": _make_document(reader)})
        return
    if watch:
        _watch(reader)
    _print_status(reader, outputs)


def _print_status(reader: "LedgerReader", outputs: str) -> None:
    from runtree.cli.sweep.live_panel import (
        algorithm_lines,
        format_best,
        format_progress,
        format_running,
        format_trial_score,
    )
    from runtree.cli.sweep.report import explain_end

    progress = reader.progress
    state = f"{reader.state}: {explain_end(reader.explanation, progress)}"
    if reader.holder is not None:
        since = format_age(str(reader.holder.get("since", "")))
        process = f"process {reader.holder.get('pid', '?')} on {reader.holder.get('host', '?')}"
        state = f"running: {process}, started {since}"
    click.echo(wrapped("sweep", f"{sweep_name(reader.folder, outputs)}   {state}"))
    click.echo(labelled("command", sweep_command(reader.request)))
    for text in reader.sweep_state.warm.get("says") or ():
        click.echo(wrapped("start", str(text)))
    counts = format_state_counts(progress.states)
    click.echo(wrapped("runs", f"{format_progress(progress, reader.seconds, reader.state != 'running')}: {counts}"))
    if reader.state == "running":
        click.echo(wrapped("running", format_running(progress, reader.running)))
    elif waiting := sum(1 for _ in reader.sweep_state.waiting()):
        click.echo(labelled("", f"{pluralize(waiting, 'run')} unfinished"))
    if progress.deaths:
        click.echo(wrapped("died", progress.deaths))
    click.echo(wrapped("best", format_best(progress)))
    for trial, score in progress.bests:
        if not progress.comparable:
            click.echo(wrapped("", format_trial_score(progress, trial, score)))
        # the settings above are those that were searched: what is typed again has to be this configuration
        for text in filter(None, [_training_command(reader, trial)]):
            click.echo(labelled("", text))
    for name, text in progress.criteria(reader.seconds):
        click.echo(labelled("stop", f"{name}: {text}"))
    for line in algorithm_lines(progress):
        click.echo(line)
    for message, runs in progress.failures.items():
        click.echo(wrapped("failed", f"{pluralize(len(runs), 'run')}, e.g. {runs[0]:04d}: {message}"))
    click.echo(f"\n{next_steps(list(_suggestions(reader, outputs)))}")


def _training_command(reader: "LedgerReader", trial: "Trial") -> str:
    """Return the command that trains the configuration of a trial again; empty where its record cannot be read."""
    record = _best_record(reader, trial)
    return "" if record is None else training_command(record)


def _best_record(reader: "LedgerReader", trial: "Trial") -> "RunRecord | None":
    from runtree.records.record import read_record

    completed = [run.number for run in reader.sweep_state.runs_of(trial) if run.state == "completed"]
    try:
        return read_record(reader.folder.run(completed[0])) if completed else None
    except NotFoundError:
        return None


def _suggestions(reader: "LedgerReader", outputs: str) -> Iterator[str]:
    from runtree.cli.sweep.report import resume_suggestions

    name = sweep_name(reader.folder, outputs)
    if reader.state == "running":
        yield command("status", name, "--watch", outputs=outputs)
        yield command("stop", name, outputs=outputs)
        return
    yield from resume_suggestions(name, reader.criterion, reader.progress, outputs)
    if not is_listed(reader.folder, outputs):  # a folder elsewhere, whose runs the other verbs do not find
        return
    for trial, _ in reader.progress.bests[:1]:
        yield command("show", f"{name}/{trial.runs[0]:04d}", outputs=outputs)
    if reader.sweep_state.runs:
        yield command("runs", "--where", f"id~{name}", outputs=outputs)


def _read_all(folders: "Sequence[SweepFolder]") -> "Iterator[LedgerReader]":
    from runtree.cli.sweep.ledger_reader import LedgerReader

    for folder in folders:
        try:
            yield LedgerReader(folder).read()
        except (NotFoundError, OSError) as error:  # one unreadable sweep must not hide the others
            click.echo(f"warning: {error}", err=True)


def _print_list(readers: "Sequence[LedgerReader]", outputs: str) -> None:
    if not readers:
        click.echo(f"no sweeps in {outputs} yet")
        click.echo(next_steps([command("tune")]))
        return
    rows = []
    for reader in readers:
        progress = reader.progress
        runs = f"{progress.ended}/{progress.total}" if progress.total else str(progress.ended)
        best = progress.best if progress.comparable else None
        value = ", ".join(map(format_cell, best[1])) if best else None
        objectives = ", ".join(metric_name(name) for name, _ in progress.objectives.metrics)
        started = format_age(str(reader.request.get("begun", "")))
        name, tuner = reader.folder.path.name, reader.request.get("tuner")
        rows.append([name, reader.state, tuner, runs, objectives, value, started])
    print_table(["sweep", "state", "tuner", "runs", "objective", "best", "started"], rows)
    click.echo(f"\n{next_steps([command('status', sweep_name(readers[0].folder, outputs), outputs=outputs)])}")


def _make_document(reader: "LedgerReader") -> dict[str, Any]:
    progress = reader.progress
    is_running = reader.state == "running"
    bests = [_best_document(reader, trial, score) for trial, score in progress.bests]
    return {
        "name": reader.folder.path.name,
        "folder": str(reader.folder.path),
        "state": reader.state,
        "holder": reader.holder,
        "criterion": None if is_running else reader.criterion,
        "explanation": None if is_running else reader.explanation,
        "begun": reader.request.get("begun"),
        "overrides": reader.request.get("overrides"),
        "tuner": reader.request.get("tuner"),
        "objectives": [{"metric": name, "direction": way} for name, way in progress.objectives.metrics],
        "comparable": progress.comparable,
        "counts": {**progress.states, "waiting": sum(1 for _ in reader.sweep_state.waiting())},
        "most": progress.total,
        "deaths": reader.sweep_state.count_deaths(),
        "seconds": reader.seconds,
        "seconds_left": progress.seconds_left(reader.seconds) if is_running else None,
        "running": [{"run": number, "seconds": seconds} for number, seconds in reader.running.items()],
        "best": bests[0] if bests and progress.comparable else None,
        "rankings": [] if progress.comparable else bests,
        "criteria": dict(progress.criteria(reader.seconds)),
        "families": {
            name: {"ended": algorithm.ended, "best": algorithm.best}
            for name, algorithm in progress.algorithms.items()
            if name
        },
        "failures": [{"message": message, "runs": runs} for message, runs in progress.failures.items()],
    }


def _best_document(reader: "LedgerReader", trial: "Trial", score: Sequence[float]) -> dict[str, Any]:
    record = _best_record(reader, trial)
    return {
        "runs": trial.runs,
        "family": trial.key[0] or None,
        "objectives": score,
        "sd": reader.progress.objectives.deviation(reader.sweep_state.runs_of(trial)),
        "values": dict(trial.values),
        "overrides": None if record is None else training_overrides(record),
        "command": None if record is None else training_command(record),
    }


def _watch(reader: "LedgerReader") -> None:
    """Follow the sweep until no process works on it; Ctrl-C stops watching only."""
    try:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            _watch_on_terminal(reader)
        else:
            _watch_in_lines(reader)
    except KeyboardInterrupt:
        click.echo("stopped watching; the sweep continues", err=True)


def _watch_on_terminal(reader: "LedgerReader") -> None:
    from rich.live import Live

    from runtree.cli.progress import make_console
    from runtree.cli.sweep.live_panel import LivePanel

    title = f"{reader.folder.path.name}: {reader.request.get('tuner')} (Ctrl-C stops watching only)"
    # drawn by this loop: a thread of rich would draw the same panel again and again
    with Live(console=make_console(), auto_refresh=False, transient=True) as live:
        while reader.read().state == "running":
            panel = LivePanel.of(title, reader.progress, reader.seconds, reader.running)
            live.update(panel, refresh=True)
            time.sleep(DRAW_SECONDS)


def _watch_in_lines(reader: "LedgerReader") -> None:
    from runtree.cli.sweep.live_panel import format_best, format_progress

    printed = None  # number of runs and best: nothing else is news
    while reader.read().state == "running":
        best = format_best(reader.progress)
        if (reader.progress.ended, best) != printed:
            printed = reader.progress.ended, best
            click.echo(f"{format_progress(reader.progress, reader.seconds)}; best: {best}", err=True)
        time.sleep(PRINT_SECONDS)
