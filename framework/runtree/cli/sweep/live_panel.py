"""The panel of a running sweep on a terminal, and the lines that it shares with `runtree status`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtree.cli.format import (
    MAX_SETTINGS,
    format_cell,
    format_duration,
    format_trial,
    labelled,
    pluralize,
    printable,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

    from runtree.cli.sweep.progress_state import ProgressState
    from runtree.sweeps.state import Trial

MAX_ALGORITHMS = 5
MAX_RUNNING = 4
BAR_WIDTH = 28  # columns, which leaves enough of 80 for the text beside it
MIN_BAR_WIDTH = 10  # below, the bar gets a line of its own
RESERVED_COLUMNS = 3  # for the ^C that a terminal echoes: after a full line it would begin another one


def format_progress(progress: "ProgressState", seconds: float, has_ended: bool = False) -> str:
    """Return ``5/20 runs, 1:05, 3:15 left at most``."""
    total, left = progress.total, None if has_ended else progress.seconds_left(seconds)
    runs = f"{progress.ended:,}/{total:,} runs" if total is not None else pluralize(progress.ended, "run")
    max_seconds = progress.monitor.rules.max_seconds
    of = f" of {format_duration(max_seconds)}" if max_seconds else ""
    # at most: patience, convergence or a target may end it earlier
    estimate = [] if left is None else [f"{format_duration(left)} left at most"]
    return ", ".join([runs, f"{format_duration(seconds)}{of}", *estimate])


def format_best(progress: "ProgressState") -> str:
    """Return score, run and settings of the best so far; of several objectives the size of the Pareto front."""
    if not progress.comparable:
        return f"{len(progress.ranking_keys)} rankings, since the runs differ in data, split or scoring"
    if progress.best is None:
        return "none yet"
    trial, score = progress.best
    names = [name for name, _ in progress.objectives.metrics]
    if len(names) > 1:
        values = ", ".join(f"{name} {format_cell(value)}" for name, value in zip(names, score, strict=True))
        return f"{pluralize(len(progress.front.best), 'run')} on the Pareto front, e.g. run {trial.runs[0]}: {values}"
    return format_trial_score(progress, trial, score)


def format_trial_score(progress: "ProgressState", trial: "Trial", score: tuple[float, ...]) -> str:
    """Return ``0.9778 ± 0.0385 over 3 seeds balanced_accuracy, run 0: C=0.1``."""
    text, name = progress.format_score(trial, score), progress.objectives.metrics[0][0]
    return f"{text} {name}, run {trial.runs[0]}: {format_trial(trial, MAX_SETTINGS)}"


def format_running(progress: "ProgressState", running: Mapping[int, float]) -> str:
    """Return the running runs with algorithm and duration; `running` holds the seconds of each."""
    texts = []
    for number, seconds in list(running.items())[:MAX_RUNNING]:
        entry = progress.sweep_state.runs.get(number)
        algorithm = f" {entry.trial[0]}" if entry is not None and entry.trial[0] else ""
        texts.append(f"run {number}{algorithm} {format_duration(seconds)}")
    hidden = [f"{len(running) - MAX_RUNNING} more"] if len(running) > MAX_RUNNING else []
    return ", ".join([*texts, *hidden]) or "none"


def algorithm_lines(progress: "ProgressState") -> Iterator[str]:
    """Yield a line for each algorithm, the best first; none where there is only one."""
    if len(progress.algorithms) < 2:
        return
    ranked = progress.ranked_algorithms()
    width = max(len(name) for name, _ in ranked[:MAX_ALGORITHMS])
    for name, algorithm in ranked[:MAX_ALGORITHMS]:
        best = "" if algorithm.best is None else f", best {format_cell(algorithm.best)}"
        yield labelled("", f"{name:<{width}}  {pluralize(algorithm.ended, 'run')}{best}")
    if len(ranked) > MAX_ALGORITHMS:
        yield labelled("", f"{len(ranked) - MAX_ALGORITHMS} more algorithms")


def panel_lines(progress: "ProgressState", seconds: float, running: Mapping[int, float]) -> Iterator[str]:
    """Yield the lines below the bar."""
    yield labelled("best", format_best(progress))
    for name, text in progress.criteria(seconds):
        if name not in ("max_runs", "max_seconds"):  # the bar shows these
            yield labelled("stop", f"{name}: {text}")
    yield labelled("running", format_running(progress, running))
    yield from algorithm_lines(progress)
    if progress.failures:
        message, runs = list(progress.failures.items())[-1]
        count = pluralize(sum(map(len, progress.failures.values())), "run")
        yield labelled("failed", f"{count}, the last: run {runs[-1]}: {message}")


@dataclass(frozen=True)
class LivePanel:
    """A title, a bar, lines and a note as rich draws them; lines that are too long for the terminal are cut."""

    title: str
    status: str
    fraction: float | None
    lines: tuple[str, ...]
    note: str = ""

    @classmethod
    def of(
        cls, title: str, progress: "ProgressState", seconds: float, running: Mapping[int, float], note: str = ""
    ) -> "LivePanel":
        lines = tuple(panel_lines(progress, seconds, running))
        return cls(title, format_progress(progress, seconds), progress.fraction(seconds), lines, note)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        width = max(options.max_width - RESERVED_COLUMNS, 1)
        rows = [_make_line(self.title, "bold"), *self._make_bar(width), *map(_make_line, self.lines)]
        for row in [*rows, *([_make_line(self.note, "yellow")] if self.note else [])]:
            # row by row, since each is cut at the width and none may wrap: the panel would jump
            yield from console.render(row, options.update_width(width))

    def _make_bar(self, width: int) -> "list[RenderableType]":
        """Return the bar and the status, side by side where there is room for both."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        room = width - len(self.status) - 1
        beside = room >= MIN_BAR_WIDTH
        bar = ProgressBar(
            total=1.0,
            completed=self.fraction or 0.0,
            width=min(BAR_WIDTH, room if beside else width),
            pulse=self.fraction is None,
        )
        row = Table.grid(padding=(0, 1))
        if beside:
            row.add_row(bar, _make_line(self.status))
            return [row]
        row.add_row(bar)
        return [row, _make_line(self.status)]


def _make_line(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")
