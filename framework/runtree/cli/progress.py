"""What is being done, on stderr: a spinner and a bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtree.contract.run import Run

ASIDE = ("step", "seconds", "learning_rate")  # of a line of the history: not what one waits for
WIDE = 110  # columns of a terminal that has room for two metrics


class Progress:
    """Shows the stage that a run is in, and while it iterates how far it is."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._runs = 0

    def stage(self, name: str) -> None:
        """Show the stage that begins."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = make_bar()
            self._task = self._bar.add_task("", total=None, told="")
            self._bar.start()
        self._bar.update(self._task, description=f"run {self._runs + 1}: {name}", total=None, completed=0, told="")

    def iterated(self, run: "Run", line: Mapping[str, Any]) -> None:
        """Show an iteration: how many there are at most, the time that is left till then, and how good it is."""
        if self._bar is None or not run.filled("plan"):
            return
        plan, step = run.plan, int(line["step"])
        bound = run.estimator.get_params(deep=False).get(plan.bound) if plan.bound else None
        text = told(line, plan.iterations.unit, bound, 2 if self._bar.console.width >= WIDE else 1)
        self._bar.update(self._task, total=bound, completed=step, told=text, refresh=step == 1)

    def run(self, run: "Run") -> None:
        """Count a run that has ended."""
        self._runs += 1

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()


def make_bar() -> Any:
    """Return rich's progress display, which goes away when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[told]}"),
    )
    return Bar(*columns, console=Console(stderr=True), transient=True)


def told(line: Mapping[str, Any], unit: str, bound: int | None, shown: int = 1) -> str:
    """Return ``epoch 12/200, at most 9 s, validation_loss 0.35``, of metrics the last: those of the watched rows."""
    step = int(line["step"])
    values = [f"{name} {value:.4g}" for name, value in line.items() if name not in ASIDE and value is not None]
    seconds = line.get("seconds")
    left = [f"at most {seconds / step * (bound - step):.0f} s"] if bound and seconds else []
    return ", ".join([f"{unit} {step}/{bound}" if bound else f"{unit} {step}", *left, *values[-shown:]])
