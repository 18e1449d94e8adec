"""The few lines that show how a sweep stands: in the terminal of its driver, and in `runtree status --watch`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtree.cli.cells import format_cell
from runtree.cli.sweep.words import LABEL, MOST, clock, labelled, told_trial
from runtree.cli.words import counted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

    from runtree.cli.sweep.standing import Standing

FAMILIES = 5  # algorithms that are shown
RUNNING = 4  # runs that are shown
BAR = 28  # columns, which leaves the rest of 80 to the words behind it
LEAST_BAR = 10  # … a shorter one gets a line of its own
ECHO = 3  # columns left free for what the terminal echoes of Ctrl-C


def picture(standing: "Standing", seconds: float, running: Mapping[int, float]) -> Iterator[str]:
    """Yield the lines below the bar; `running` holds each run's seconds so far."""
    yield labelled("best", told_best(standing))
    for name, text in standing.criteria(seconds):
        if name not in ("max_runs", "max_seconds"):  # the bar shows these
            yield labelled("until", f"{name} {text}")
    yield labelled("works", told_running(standing, running))
    yield from family_lines(standing)
    if standing.failures:
        message, runs = list(standing.failures.items())[-1]
        number = sum(map(len, standing.failures.values()))
        yield labelled("failed", f"{counted(number, 'run')}, the last: run {runs[-1]}: {message}")


def progress_line(standing: "Standing", seconds: float, ended: bool = False) -> str:
    """Return how far it is: runs, time, what is left."""
    total, left = standing.total, None if ended else standing.left(seconds)
    runs = f"{standing.ended:,}/{total:,} runs" if total is not None else counted(standing.ended, "run")
    limit = standing.progress.rules.max_seconds
    worked = f"{clock(seconds)} of {clock(limit)}" if limit else clock(seconds)
    return ", ".join([runs, worked, *([] if left is None else [f"{clock(left)} left at most"])])


def told_best(standing: "Standing") -> str:
    """Return the best so far: value, run, settings; of several objectives how many are unbeaten."""
    best = standing.best
    if best is None or not standing.comparable:
        return "none yet" if standing.comparable else "not one ranking: the runs differ in data or split"
    trial, score = best
    names = [name for name, _ in standing.judge.objectives]
    if len(names) > 1:
        ends = ", ".join(f"{name} {format_cell(value)}" for name, value in zip(names, score, strict=True))
        return f"{counted(len(standing.front.best), 'run')} that no other beats, e.g. run {trial.runs[0]}: {ends}"
    return f"{format_cell(score[0])} {names[0]}, run {trial.runs[0]}: {told_trial(trial, MOST)}"


def told_running(standing: "Standing", running: Mapping[int, float]) -> str:
    """Return which runs are worked on, and since when."""
    texts = []
    for number, seconds in list(running.items())[:RUNNING]:
        entry = standing.book.runs.get(number)
        family = f" {entry.trial[0]}" if entry is not None and entry.trial[0] else ""
        texts.append(f"run {number}{family} {clock(seconds)}")
    more = [f"and {len(running) - RUNNING} more"] if len(running) > RUNNING else []
    return ", ".join([*texts, *more]) or "nothing"


def family_lines(standing: "Standing") -> Iterator[str]:
    """Yield a line an algorithm, the best first, where there are several."""
    if len(standing.families) < 2:
        return
    sign = 1 if standing.judge.objectives[0][1] == "maximize" else -1
    ranked = sorted(
        standing.families.items(), key=lambda pair: float("inf") if pair[1].best is None else -sign * pair[1].best
    )
    width = max(len(name) for name, _ in ranked[:FAMILIES])
    for name, family in ranked[:FAMILIES]:
        best = "" if family.best is None else f", best {format_cell(family.best)}"
        yield f"{'':<{LABEL}}{name:<{width}}  {counted(family.ended, 'run')}{best}"
    if len(ranked) > FAMILIES:
        yield f"{'':<{LABEL}}and {len(ranked) - FAMILIES} more algorithms"


def drawn(title: str, standing: "Standing", seconds: float, running: Mapping[int, float], note: str = "") -> "Drawn":
    """Return what rich shows: a title, a bar, the lines, and what is to be said now."""
    lines = tuple(picture(standing, seconds, running))
    return Drawn(title, progress_line(standing, seconds), standing.share(seconds), lines, note)


@dataclass(frozen=True)
class Drawn:
    """A sweep as a terminal of any width shows it; a line that is too long is cut."""

    title: str
    far: str
    share: float | None
    lines: tuple[str, ...]
    note: str = ""

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Draw, a few columns narrower than the terminal: a `^C` typed behind a full line would begin another one."""
        width = max(options.max_width - ECHO, 1)
        rows = [_line(self.title, "bold"), *self._progress(width), *map(_line, self.lines)]
        for row in [*rows, *([_line(self.note, "yellow")] if self.note else [])]:
            yield from console.render(row, options.update_width(width))

    def _progress(self, width: int) -> "list[RenderableType]":
        """Return the bar and how far it is, side by side where there is room for both."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        room = width - len(self.far) - 1
        beside = room >= LEAST_BAR
        share = self.share
        bar = ProgressBar(
            total=1.0, completed=share or 0.0, width=min(BAR, room if beside else width), pulse=share is None
        )
        if not beside:
            below = Table.grid()
            below.add_row(bar)
            return [below, _line(self.far)]
        row = Table.grid(padding=(0, 1))
        row.add_row(bar, _line(self.far))
        return [row]


def _line(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
