"""The workers of a driver: as many as there are slots, each replaced when it is gone, the nursery included."""

import selectors
import signal
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from runtree.contract.errors import RuntreeError
from runtree.sweeps.nursery_link import NurseryLink
from runtree.sweeps.work import not_prepared
from runtree.sweeps.worker_link import WorkerLink

Heard = tuple[WorkerLink, tuple[Any, ...]]


class Crew:
    """Workers that come, tell and go.

    `idle` are those that wait for a job; `failure` is why no more will come.
    """

    def __init__(self, size: int, open_nursery: Callable[[], NurseryLink]) -> None:
        self.idle: list[WorkerLink] = []
        self.failure: RuntreeError | None = None
        self._size, self._open_nursery = size, open_nursery
        self._workers: dict[int, WorkerLink] = {}
        self._numbers, self._unborn = count(), 0
        self._selector = selectors.DefaultSelector()
        self._open()

    def _open(self) -> None:
        self._nursery = self._open_nursery()
        self._selector.register(self._nursery.link, selectors.EVENT_READ)
        for _ in range(self._size):
            self._hire()

    def _hire(self) -> None:
        number = next(self._numbers)
        worker = self._workers[number] = WorkerLink(number, *self._nursery.fork(number))
        self._selector.register(worker.link, selectors.EVENT_READ, worker)

    def hear(self, timeout: float | None) -> Iterator[Heard]:
        """Yield what workers say: "reported", "returned" and, once it and all below it are gone, "gone"."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                yield from self._hear_nursery()
            elif not key.data.gone:
                yield from self._hear_worker(key.data)

    def _hear_worker(self, worker: WorkerLink) -> Iterator[Heard]:
        try:
            message = worker.link.recv()
        except (EOFError, OSError):  # it died, or stopped amid a message
            self._unplug(worker)
            self._nursery.kill(worker.number)
            return
        if message[0] != "ready":
            yield worker, message
            return
        worker.pid, self._unborn = message[1], 0
        worker.theirs.close()
        if not worker.gone:
            self.idle.append(worker)

    def _hear_nursery(self) -> Iterator[Heard]:
        try:
            kind, *told = self._nursery.link.recv()
        except (EOFError, OSError):
            yield from self._start_again()
            return
        if kind == "ready":
            self._nursery.ready = True
        elif kind == "failed":
            self.failure, trace = told
            self.failure.__cause__ = RuntimeError(f"in the process that starts the workers:\n{trace}")
        elif kind == "exited":
            number, code, peak = told
            yield from self._part_with(self._workers.pop(number), code, peak)
            self._hire()

    def _part_with(self, worker: WorkerLink, code: int, peak: int) -> Iterator[Heard]:
        """Listen to what a worker said before its end, then forget it."""
        worker.gone = True
        if worker in self.idle:
            self.idle.remove(worker)
        while not worker.link.closed and worker.link.poll():
            yield from self._hear_worker(worker)
        self._unplug(worker)
        self._unborn += not worker.pid
        if self._unborn > 3 * self._size:
            self.failure = not_prepared(f"{self._unborn} of them ended as soon as they had begun, with code {code}")
        yield worker, ("gone", code, peak)

    def _start_again(self) -> Iterator[Heard]:
        """Open another nursery, unless this one has never been ready: the next would do no better."""
        self._selector.unregister(self._nursery.link)
        self._nursery.end()
        for number in list(self._workers):
            yield from self._part_with(self._workers.pop(number), -signal.SIGKILL, 0)
        if self.failure is not None:
            return
        if self._nursery.ready:
            self._open()
        else:
            code = self._nursery.process.returncode
            self.failure = not_prepared(f"the process that starts them ended with code {code}")

    def _unplug(self, worker: WorkerLink) -> None:
        if not worker.link.closed:
            self._selector.unregister(worker.link)
        worker.close()

    def interrupt(self, worker: WorkerLink) -> None:
        """Send SIGTERM to a worker."""
        self._nursery.interrupt(worker.number)

    def kill(self, worker: WorkerLink) -> None:
        """End a worker and all below it, at once; "gone" follows."""
        self._nursery.kill(worker.number)

    def dismiss(self) -> None:
        """End all workers and the nursery; nothing is left when this returns."""
        self._nursery.end()
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
        self.idle.clear()
        self._selector.close()
