"""What is said while a sweep runs and nobody looks at a terminal: plain lines on stderr."""

import time
from typing import TYPE_CHECKING

import click

from runtree.cli.cells import format_cell, printable
from runtree.cli.sweep.picture import progress_line
from runtree.cli.sweep.watcher import Scene, title
from runtree.cli.sweep.words import MOST, shown_path, told_error, told_total, told_trial
from runtree.cli.words import counted

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.state import RunState, Trial

PAUSE = 5.0  # seconds between two lines where nothing has improved


class Lines(Scene):
    """Plain lines: at the beginning, at each improvement, at each new kind of failure, and else every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._best: tuple[Trial, tuple[float, ...]] | None = None
        self._spoke = 0.0

    def opening(self, plan: "SweepPlan", driver: "Driver") -> None:
        """Say what begins, how long it may be, and where it is kept."""
        assert self.standing is not None
        bound = told_total(self.standing.total, driver.progress.rules.max_seconds)
        folder = f", in {shown_path(plan.folder.path)}" if plan.folder else ""
        self._write(f"{title(plan)}: {bound}{folder}")
        self._best = self._top()

    def show(self, driver: "Driver", entry: "RunState | None") -> None:
        """Say what is new, or that it goes on."""
        if entry is not None and entry.state == "failed":
            self._failed(entry)
        top = self._top()
        if entry is not None and top is not None and top != self._best:  # else the run is not counted yet
            self._best = top
            self._write(f"{self._told(*top)} ({self._far(driver)})")
        elif time.monotonic() - self._spoke > PAUSE and driver.running:
            self._write(f"{self._far(driver)}, {counted(len(driver.running), 'run')} at work")

    def _far(self, driver: "Driver") -> str:
        assert self.standing is not None
        return progress_line(self.standing, driver.seconds)

    def _top(self) -> "tuple[Trial, tuple[float, ...]] | None":
        assert self.standing is not None
        return self.standing.best if self.standing.comparable else None

    def _told(self, trial: "Trial", score: tuple[float, ...]) -> str:
        assert self.standing is not None
        pairs = zip(score, self.standing.judge.objectives, strict=True)
        values = ", ".join(f"{format_cell(value)} {name}" for value, (name, _) in pairs)
        return f"run {trial.runs[0]}: best so far {values}, {told_trial(trial, MOST)}"

    def _failed(self, entry: "RunState") -> None:
        message = told_error(entry)
        if self.standing is not None and len(self.standing.failures.get(message, ())) == 1:
            self._write(f"run {entry.number} failed: {message}")

    def say(self, driver: "Driver", text: str) -> None:
        """Say something that matters now."""
        self._write(text)

    def finishing(self, what: str) -> None:
        """Say what is done after the last run."""
        self._write(what)

    def _write(self, text: str) -> None:
        self._spoke = time.monotonic()
        click.echo(printable(text), err=True)
