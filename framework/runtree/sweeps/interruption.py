"""SIGTERM for a worker: ends an idle one, interrupts a working one, waits for a talking one."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal


class Interruption:
    """Turn SIGTERM into KeyboardInterrupt while a job works, so that it can save what it has and return."""

    def __init__(self) -> None:
        self._mode: Literal["idle", "working", "talking"] = "talking"
        self._due = False
        self._process = os.getpid()
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

    def listen(self) -> None:
        """Handle the signal; again before each job, as one may have put a handler of its own there."""
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._due = True
        self._answer()

    def _answer(self) -> None:
        if self._due and self._mode == "working":
            self._due = False
            raise KeyboardInterrupt
        if self._due and self._mode == "idle":
            os._exit(128 + signal.SIGTERM)

    def rest(self) -> None:
        """Let the signal end this process until it works again."""
        self._mode = "idle"
        self._answer()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let the signal interrupt what is done meanwhile, and wait from then on until there is rest."""
        self._mode = "working"
        try:
            self._answer()
            yield
        finally:
            self._mode = "talking"

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Let the signal wait until a message of the work is whole."""
        before, self._mode = self._mode, "talking"
        try:
            yield
        finally:
            self._mode = before
            self._answer()
