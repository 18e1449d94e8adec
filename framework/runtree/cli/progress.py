"""The progress of a run, on stderr: a spinner and a bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.cli.format import printable
from runtree.contract.output import SafeStream

if TYPE_CHECKING:
    from runtree.training.active_run import ActiveRun

NOT_METRICS = ("step", "seconds", "learning_rate")  # in a line of the history
WIDE_TERMINAL = 110  # columns, with room for two metrics


class Spinner:
    """Shows the current step. Rich is imported, and the terminal touched, only once there is something to show."""

    def __init__(self) -> None:
        self._status: Any = None

    def show(self, text: str) -> None:
        if not sys.stderr.isatty():
            return
        if self._status is None:
            self._status = make_console().status("")
            self._status.start()
        self._status.update(printable(text))

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()


class RunProgress:
    """Shows the stage of a run, and while a fit iterates how far it is."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._ended_runs = 0

    def on_stage(self, name: str) -> None:
        """Show the stage that begins."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = _make_bar()
            self._task = self._bar.add_task("", total=None, text="")
            self._bar.start()
        run = f"run {self._ended_runs + 1}: " if self._ended_runs else ""  # of a multirun
        self._bar.update(self._task, description=f"{run}{name}", total=None, completed=0, text="")

    def on_iteration(self, run: "ActiveRun", line: Mapping[str, Any]) -> None:
        """Show the number of iterations, the time that is left at most, and the latest metrics."""
        if self._bar is None or not run.is_set("plan"):
            return
        plan, step = run.plan, int(line["step"])
        # the limit that the algorithm has in fact, which its own default or the fit block may have set
        limit = run.estimator.get_params(deep=False).get(plan.bound) if plan.bound else None
        text = format_iteration(line, plan.iterations.unit, limit, 2 if self._bar.console.width >= WIDE_TERMINAL else 1)
        # rich redraws ten times a second by itself; the first iteration is drawn at once, because the line is empty
        self._bar.update(self._task, total=limit, completed=step, text=printable(text), refresh=step == 1)

    def on_run_end(self, run: "ActiveRun") -> None:
        self._ended_runs += 1

    def stop(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar.stop()


def make_console() -> Any:
    """Return the console of a bar or a panel on stderr: it may move the cursor, which other output may not."""
    from rich.console import Console

    stream: Any = sys.stderr.with_cursor() if isinstance(sys.stderr, SafeStream) else sys.stderr
    return Console(file=stream, highlight=False)


def _make_bar() -> Any:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[text]}"),
    )
    # stderr, because stdout may be piped; transient: the bar is removed, and the result stands alone
    return Progress(*columns, console=make_console(), transient=True)


def format_iteration(line: Mapping[str, Any], unit: str, limit: int | None, max_metrics: int = 1) -> str:
    """Return ``epoch 12/200, at most 9 s, validation_loss 0.35``.

    The last metrics of a line are those that decide about the fit: they are computed on the watched rows.
    """
    step = int(line["step"])
    values = [f"{name} {value:.4g}" for name, value in line.items() if name not in NOT_METRICS and value is not None]
    seconds = line.get("seconds")
    left = [f"at most {seconds / step * (limit - step):.0f} s"] if limit and seconds else []
    return ", ".join([f"{unit} {step}/{limit}" if limit else f"{unit} {step}", *left, *values[-max_metrics:]])
