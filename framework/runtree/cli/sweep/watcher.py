"""Who watches a sweep while it runs: what a picture on a terminal and plain lines have in common."""

from typing import TYPE_CHECKING

from runtree.cli.sweep.standing import Standing
from runtree.cli.sweep.words import plural

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.state import RunState

LEAVING = {
    "interrupt": "finishing what runs; Ctrl-C again ends it now",
    "stop": "asked to stop: finishing what runs",
    "failure": "a run failed (tuner.on_failure=stop): finishing what runs",
}
AT_ONCE = "ending what runs now"


def why_nothing_begins(driver: "Driver") -> str | None:
    """Return why a sweep begins nothing more, None where it still does."""
    return f"{driver.no_room}: finishing what runs" if driver.leaving == "disk" else LEAVING.get(driver.leaving or "")


class Scene:
    """Watches a sweep; what a drawing and a line have in common. It is also the scene of one that nobody looks at."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self._why = ""

    def look(self) -> None:
        """Say that everything is looked at before the first run."""

    def began(self, plan: "SweepPlan", driver: "Driver") -> None:
        """Take over what earlier sessions did."""
        repeats = driver.options.repeats
        size = None if plan.size is None else plan.size * repeats
        self.standing = Standing(driver.book, driver.judge, driver.front, driver.progress, size)
        for number in driver.book.ended:
            self.standing.take(driver.book.runs[number])
        self.opening(plan, driver)

    def ended(self, driver: "Driver", entry: "RunState") -> None:
        """Count a run."""
        assert self.standing is not None
        self.standing.take(entry)
        self.show(driver, entry)

    def tick(self, driver: "Driver") -> None:
        """Show how time goes by, and why nothing new begins."""
        why = AT_ONCE if driver.signals > 1 else why_nothing_begins(driver)
        if why and why != self._why and driver.running:
            self.say(driver, why)
        self._why = why or self._why
        self.show(driver, None)

    def finishing(self, what: str) -> None:
        """Say what is done after the last run."""

    def opening(self, plan: "SweepPlan", driver: "Driver") -> None:
        """Say what begins."""

    def show(self, driver: "Driver", entry: "RunState | None") -> None:
        """Show how it stands; `entry` has just ended."""

    def say(self, driver: "Driver", text: str) -> None:
        """Say something that matters now."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def title(plan: "SweepPlan") -> str:
    """Return what begins: tuner, algorithms, slots."""
    names = plural([family.name for family in plan.families if family.name])
    slots = f", {plan.slots} at once" if plan.slots > 1 else ""
    return f"{plan.node.get('name')}{f' over {names}' if names else ''}{slots}"
