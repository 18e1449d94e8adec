"""What is shown while a sweep runs: a picture that is redrawn on a terminal, plain lines elsewhere; all on stderr."""

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from runtree.cli.sweep.lines import Lines
from runtree.cli.sweep.picture import drawn
from runtree.cli.sweep.watcher import Scene, title

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.state import RunState

INTERVAL = 0.12  # seconds between two drawings at least
EFFORT = 50  # … and so many times what a drawing takes: a fiftieth of a processor at most


class Drawing(Scene):
    """A picture on the terminal; it goes away at the end, when the report takes its place."""

    def __init__(self, console: Any = None) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        console = console or Console(stderr=True, highlight=False)
        # drawn by the loop itself: a thread of its own would draw while workers are forked
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._title, self._note, self._next = "", "", 0.0

    def look(self) -> None:
        """Say that everything is looked at before the first run."""
        self._draw("looking at the data, the space and the algorithms …")

    def opening(self, plan: "SweepPlan", driver: "Driver") -> None:
        """Show what begins."""
        name = f"{plan.folder.path.name}   " if plan.folder else ""
        self._title = f"{name}{title(plan)}"
        self.show(driver, None)

    def show(self, driver: "Driver", entry: "RunState | None") -> None:
        """Draw, unless that was done just now."""
        now = time.monotonic()
        if now < self._next or self.standing is None:
            return
        running = {number: now - began for number, began in driver.running.items()}
        self._draw(drawn(self._title, self.standing, driver.seconds, running, self._note))
        done = time.monotonic()
        self._next = done + max(INTERVAL, EFFORT * (done - now))

    def say(self, driver: "Driver", text: str) -> None:
        """Keep a note below the picture from now on."""
        self._note, self._next = text, 0.0

    def finishing(self, what: str) -> None:
        """Say what is done after the last run."""
        self._draw(what)

    def _draw(self, picture: Any) -> None:
        if not self._live.is_started:
            self._live.start()
        self._live.update(picture, refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live.is_started:
            self._live.update("", refresh=True)
            self._live.stop()


def make_scene() -> Scene:
    """Return a picture on a terminal, lines elsewhere."""
    drawable = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Drawing() if drawable else Lines()
