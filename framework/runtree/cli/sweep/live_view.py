"""The view of a running sweep, on stderr: a panel that is redrawn on a terminal, plain lines elsewhere."""

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import (
    MAX_SETTINGS,
    display_path,
    format_bound,
    format_cell,
    format_error,
    format_trial,
    list_names,
    printable,
)
from runtree.cli.progress import make_console
from runtree.cli.sweep.live_panel import LivePanel, format_progress
from runtree.cli.sweep.progress_state import ProgressState

if TYPE_CHECKING:
    from runtree.app.sweep_plan import SweepPlan
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.state import RunState, Trial

MIN_DRAW_SECONDS = 0.12  # between two drawings
DRAW_COST_FACTOR = 50  # the pause lasts at least this many drawings: drawing takes 2 % of a core
LINE_SECONDS = 5.0  # between two lines while nothing improves
PREPARING = "checking the data, the search space and the algorithms …"
STOP_MESSAGES = {
    "interrupt": "finishing the running jobs; press Ctrl-C again to stop them",
    "stop": "stop requested: finishing the running jobs",
    "failure": "a run failed (tuner.on_failure=stop): finishing the running jobs",
}
TERMINATING = "stopping the running jobs"


class SweepView:
    """Observes a sweep and counts its runs. This base class shows nothing."""

    def __init__(self) -> None:
        self.progress: ProgressState | None = None
        self._stop_message = ""

    def preparing(self) -> None:
        """Show that the preflight begins."""

    def began(self, plan: "SweepPlan", driver: "Driver") -> None:
        """Count the runs of earlier sessions, and show the start."""
        size = None if plan.size is None else plan.size * driver.options.repeats
        self.progress = ProgressState(driver.state, driver.objectives, driver.front, driver.monitor, size)
        for number in driver.state.ended:
            self.progress.count(driver.state.runs[number])
        self.show_start(plan, driver)

    def ended(self, driver: "Driver", entry: "RunState") -> None:
        """Count a run, and show the progress."""
        assert self.progress is not None
        self.progress.count(entry)
        self.show_progress(driver, entry)

    # The driver calls tick several times a second, also while no run ends.
    def tick(self, driver: "Driver") -> None:
        """Show how time passes, and once the reason why no new runs are started."""
        message = TERMINATING if driver.signals > 1 else STOP_MESSAGES.get(driver.stop_cause or "")
        if driver.stop_cause == "disk" and driver.signals <= 1:
            message = f"{driver.disk_message}: finishing the running jobs"
        if not message and driver.monitor.time_is_over and driver.monitor.rules.running != "finish":
            message = f"{driver.monitor.rules.max_seconds:g} s are over (max_seconds): {TERMINATING}"
        # once for each reason; without running jobs the sweep ends at once, and a note would come too late
        if message and message != self._stop_message and driver.running:
            self.show_note(driver, message)
        self._stop_message = message or self._stop_message
        self.show_progress(driver, None)

    def finishing(self, what: str) -> None:
        """Show the step that follows the last run."""

    def show_start(self, plan: "SweepPlan", driver: "Driver") -> None:
        """Show tuner, algorithms and limits."""

    def show_progress(self, driver: "Driver", entry: "RunState | None") -> None:
        """Show the progress; `entry` is the run that has just ended."""

    def show_note(self, driver: "Driver", text: str) -> None:
        """Show a note that matters now."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class PanelView(SweepView):
    """A panel on the terminal, which is removed at the end: the report follows."""

    def __init__(self, console: Any = None) -> None:
        super().__init__()
        from rich.live import Live

        console = console or make_console()
        # Drawn by the loop of the sweep itself. A thread of rich would hold locks while workers are forked.
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._title, self._note, self._next_draw = "", "", 0.0

    def preparing(self) -> None:
        self._draw(PREPARING)

    def show_start(self, plan: "SweepPlan", driver: "Driver") -> None:
        name = f"{plan.folder.path.name}   " if plan.folder else ""
        self._title = f"{name}{format_title(plan)}"
        self.show_progress(driver, None)

    def show_progress(self, driver: "Driver", entry: "RunState | None") -> None:
        now = time.monotonic()
        if now < self._next_draw or self.progress is None:
            return
        running = {number: now - began for number, began in driver.running.items()}
        self._draw(LivePanel.of(self._title, self.progress, driver.seconds, running, self._note))
        drawn = time.monotonic()
        # over a slow connection a drawing takes long, and the driver must not wait for it while runs end
        self._next_draw = drawn + max(MIN_DRAW_SECONDS, DRAW_COST_FACTOR * (drawn - now))

    def show_note(self, driver: "Driver", text: str) -> None:
        self._note, self._next_draw = text, 0.0

    def finishing(self, what: str) -> None:
        self._draw(what)

    def _draw(self, content: Any) -> None:
        if not self._live.is_started:
            self._live.start()
        self._live.update(content, refresh=True)

    def close(self) -> None:
        if self._live.is_started:
            # rich would otherwise draw the last panel once more when it stops
            self._live.update("", refresh=True)
            self._live.stop()


class LogView(SweepView):
    """Plain lines: at the start, at each improvement, at each new kind of failure, else every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._best: tuple[Trial, tuple[float, ...]] | None = None
        self._last_line = 0.0

    def show_start(self, plan: "SweepPlan", driver: "Driver") -> None:
        assert self.progress is not None
        bound = format_bound(self.progress.total, driver.monitor.rules.max_seconds)
        folder = f", in {display_path(plan.folder.path)}" if plan.folder else ""
        self._print(f"{format_title(plan)}: {bound}{folder}")
        for text in driver.state.warm.get("says") or ():
            self._print(str(text))
        self._best = self._current_best()

    def show_progress(self, driver: "Driver", entry: "RunState | None") -> None:
        assert self.progress is not None
        if entry is not None and entry.state == "failed":
            message = format_error(entry)
            if len(self.progress.failures.get(message, ())) == 1:  # a thousand equal failures are one line
                self._print(f"run {entry.number} failed: {message}")
        best, status = self._current_best(), format_progress(self.progress, driver.seconds)
        # Only when a run has ended: the front knows it as soon as its line is in the ledger, before it is counted here.
        if entry is not None and best is not None and best != self._best:
            self._best = best
            trial, score = best
            pairs = zip(score, self.progress.objectives.metrics, strict=True)
            values = ", ".join(f"{format_cell(value)} {name}" for value, (name, _) in pairs)
            self._print(f"run {trial.runs[0]}: best so far {values}, {format_trial(trial, MAX_SETTINGS)} ({status})")
        elif time.monotonic() - self._last_line > LINE_SECONDS and driver.running:
            self._print(f"{status}, running: {len(driver.running)}")

    def _current_best(self) -> "tuple[Trial, tuple[float, ...]] | None":
        assert self.progress is not None
        return self.progress.best if self.progress.comparable else None

    def show_note(self, driver: "Driver", text: str) -> None:
        self._print(text)

    def finishing(self, what: str) -> None:
        self._print(what)

    def _print(self, text: str) -> None:
        self._last_line = time.monotonic()
        click.echo(printable(text), err=True)


def format_title(plan: "SweepPlan") -> str:
    """Return ``tpe over logistic, knn, 2 in parallel``."""
    names = list_names([family.name for family in plan.spaces if family.name])
    slots = f", {plan.slots} in parallel" if plan.slots > 1 else ""
    return f"{plan.node.get('name')}{f' over {names}' if names else ''}{slots}"


def make_view() -> SweepView:
    """Return a panel on a terminal, plain lines elsewhere."""
    return PanelView() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else LogView()
