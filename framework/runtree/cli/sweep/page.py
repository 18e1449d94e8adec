"""The page of one sweep, the list of all, and both as JSON."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import format_cell
from runtree.cli.sweep.next import further
from runtree.cli.sweep.picture import family_lines, progress_line, told_best, told_running
from runtree.cli.sweep.replay import Replay
from runtree.cli.sweep.report import why
from runtree.cli.sweep.words import labelled, metric_name, next_lines, sweep_name, told_states, wrapped
from runtree.cli.tables import print_table, terminal_width
from runtree.cli.words import age, command, counted
from runtree.contract.errors import NotFoundError

if TYPE_CHECKING:
    from runtree.records.layout import SweepFolder
    from runtree.sweeps.state import Trial


def print_page(seen: Replay, outputs: str) -> None:
    """Print how a sweep stands, and what to type next."""
    standing = seen.standing
    click.echo(wrapped("sweep", f"{sweep_name(seen.folder, outputs)}   {told_state(seen)}"))
    click.echo(wrapped("asked", " ".join(seen.asked.get("overrides") or []) or "nothing besides the config"))
    far = progress_line(standing, seen.seconds, ended=seen.state != "running")
    click.echo(wrapped("runs", f"{far}: {told_states(standing.states)}"))
    if seen.working:
        click.echo(wrapped("works", told_running(standing, seen.working)))
    waiting = sum(1 for _ in seen.book.waiting())
    if waiting and not seen.working:
        wait = "waits" if waiting == 1 else "wait"
        click.echo(labelled("", f"{counted(waiting, 'run')} {wait} to be taken up again"))
    click.echo(wrapped("best", told_best(standing)))
    for name, text in standing.criteria(seen.seconds):
        click.echo(labelled("until", f"{name} {text}"))
    for line in family_lines(standing):
        click.echo(line)
    for message, runs in standing.failures.items():
        click.echo(wrapped("failed", f"{counted(len(runs), 'run')}, e.g. {runs[0]:04d}: {message}"))
    click.echo(f"\n{next_lines(list(suggestions(seen, outputs)))}")


def told_state(seen: Replay) -> str:
    """Return whether it runs and where, or why it does not."""
    if seen.holder is not None:
        since = age(str(seen.holder.get("since", "")))
        return f"running: process {seen.holder.get('pid', '?')} on {seen.holder.get('host', '?')}, since {since}"
    return f"{seen.state}: {why(seen.explanation, seen.standing)}"


def suggestions(seen: Replay, outputs: str) -> Iterator[str]:
    """Yield what to type next."""
    name = sweep_name(seen.folder, outputs)
    if seen.state == "running":
        yield command("status", name, "--watch", outputs=outputs)
        yield command("stop", name, outputs=outputs)
        return
    on = further(name, criterion(seen), seen.standing.progress.rules, outputs)
    yield from [on] if on else []
    if name != seen.folder.path.name:
        return
    if seen.standing.best is not None and seen.standing.comparable:
        yield command("show", f"{name}/{seen.standing.best[0].runs[0]:04d}", outputs=outputs)
    if seen.book.runs:
        yield command("runs", "--where", f"id~{name}", outputs=outputs)


def criterion(seen: Replay) -> str:
    """Return what ended it."""
    return str((seen.book.stopped or {}).get("criterion") or "interrupted")


def replays(folders: "Sequence[SweepFolder]") -> Iterator[Replay]:
    """Yield those that can be read; of the others one line tells."""
    for folder in folders:
        try:
            yield Replay(folder).read()
        except (NotFoundError, OSError) as error:
            click.echo(f"warning: {error}", err=True)


def print_all(folders: "Sequence[SweepFolder]", outputs: str) -> None:
    """Print a line for each sweep."""
    found = list(replays(folders))
    if not found:
        click.echo(f"no sweeps in {outputs} yet")
        click.echo(next_lines([command("tune")]))
        return
    headings = ["sweep", "state", "tuner", "runs", "objective", "best", "begun"]
    print_table(headings, map(_row, found), width=terminal_width())
    click.echo(f"\n{next_lines([command('status', sweep_name(found[0].folder, outputs), outputs=outputs)])}")


def _row(seen: Replay) -> list[Any]:
    standing, path = seen.standing, seen.folder.path
    runs = f"{standing.ended}/{standing.total}" if standing.total else str(standing.ended)
    best = standing.best if standing.comparable else None
    value = ", ".join(map(format_cell, best[1])) if best else None
    names = ", ".join(metric_name(name) for name, _ in standing.judge.objectives)
    return [path.name, seen.state, seen.asked.get("tuner"), runs, names, value, age(str(seen.asked.get("begun", "")))]


def all_as_json(folders: "Sequence[SweepFolder]") -> list[dict[str, Any]]:
    """Return every sweep."""
    return [as_document(seen) for seen in replays(folders)]


def as_document(seen: Replay) -> dict[str, Any]:
    """Return all that is known of a sweep."""
    standing = seen.standing
    best = standing.best if standing.comparable else None
    return {
        "name": seen.folder.path.name,
        "folder": str(seen.folder.path),
        "state": seen.state,
        "holder": seen.holder,
        "criterion": criterion(seen) if seen.state != "running" else None,
        "explanation": seen.explanation if seen.state != "running" else None,
        "begun": seen.asked.get("begun"),
        "overrides": seen.asked.get("overrides"),
        "tuner": seen.asked.get("tuner"),
        "objectives": [{"metric": name, "direction": way} for name, way in standing.judge.objectives],
        "comparable": standing.comparable,
        "counts": {**standing.states, "waiting": sum(1 for _ in seen.book.waiting())},
        "most": standing.total,
        "seconds": seen.seconds,
        "seconds_left": standing.left(seen.seconds) if seen.state == "running" else None,
        "running": [{"run": number, "seconds": seconds} for number, seconds in seen.working.items()],
        "best": best and _configuration(*best),
        "criteria": dict(standing.criteria(seen.seconds)),
        "families": {
            name: {"ended": family.ended, "best": family.best} for name, family in standing.families.items() if name
        },
        "failures": [{"message": message, "runs": runs} for message, runs in standing.failures.items()],
    }


def _configuration(trial: "Trial", score: tuple[float, ...]) -> dict[str, Any]:
    return {"runs": trial.runs, "family": trial.key[0] or None, "objectives": score, "values": dict(trial.values)}
