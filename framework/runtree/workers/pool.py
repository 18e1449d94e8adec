"""The workers of a driver: as many as there are slots, each replaced when it is gone, the nursery included."""

import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from runtree.contract.errors import RuntreeError
from runtree.workers.executor import Job, JobDied, JobReturned, TerminationCause, send_message, startup_error
from runtree.workers.fork_server import ForkServerClient
from runtree.workers.log_capture import truncate_log
from runtree.workers.process_tree import resident_bytes


@dataclass(eq=False)
class WorkerHandle:
    """One worker, from the order to fork it until it is reaped.

    `cause` says why its job was asked to end; a worker that was is not used again, as the signal may come late.
    `kept` is a result that is told only once the worker is gone, and with it what its job left behind.
    """

    number: int
    link: Connection
    theirs: socket.socket
    pid: int = 0
    gone: bool = False
    job: Job | None = None
    began: float = 0.0
    peak: int = 0
    cause: TerminationCause | None = None
    kill_at: float | None = None
    kept: JobReturned | None = field(default=None, repr=False)

    def begin(self, job: Job, payload: bytes) -> bool:
        """Hand over a job; return False if nobody takes it."""
        try:
            send_message(self.link, "work", job.id, payload, job.memory, str(job.log.absolute()) if job.log else None)
        except OSError:
            return False
        self.job, self.began, self.peak = job, time.monotonic(), 0
        return True

    def answer(self, kind: str) -> None:
        """Answer the last report of the job: "prune" or "acknowledge"."""
        if self.job is not None and not self.gone:
            with suppress(OSError):  # it is gone, which is told elsewhere
                send_message(self.link, kind, self.job.id)

    def watched(self) -> bool:
        """Tell whether something about the job has to be looked at again and again."""
        job = self.job
        return job is not None and bool(job.max_seconds or job.memory or job.log or self.kill_at)

    def overstepped(self, now: float) -> TerminationCause | None:
        """Look at time, memory and log; return the limit that was overstepped just now."""
        job = self.job
        if job is None:
            return None
        if job.log is not None:
            truncate_log(job.log)
        if job.memory is not None and self.cause != "memory":
            used = resident_bytes(self.pid, job.memory)
            self.peak = max(self.peak, used)
            if used > job.memory:
                return "memory"
        late = job.max_seconds is not None and now - self.began >= job.max_seconds
        return "max_seconds" if late and self.cause is None else None

    def died(self, job: Job, code: int, peak: int) -> JobDied:
        """Return the end of a job without a result."""
        seconds = time.monotonic() - self.began if self.began else 0.0
        return JobDied(job.id, self.cause or "crashed", code, round(seconds, 6), max(self.peak, peak))

    def close(self) -> None:
        """Forget the worker."""
        self.gone = True
        self.link.close()
        self.theirs.close()


Heard = tuple[WorkerHandle, tuple[Any, ...]]


class WorkerPool:
    """Workers that come, tell and go.

    `idle` are those that wait for a job; `failure` is why no more will come.
    """

    def __init__(self, size: int, open_nursery: Callable[[], ForkServerClient]) -> None:
        self.idle: list[WorkerHandle] = []
        self.failure: RuntreeError | None = None
        self._size, self._open_nursery = size, open_nursery
        self._workers: dict[int, WorkerHandle] = {}
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
        worker = self._workers[number] = WorkerHandle(number, *self._nursery.fork(number))
        self._selector.register(worker.link, selectors.EVENT_READ, worker)

    def hear(self, timeout: float | None) -> Iterator[Heard]:
        """Yield what workers say: "reported", "returned" and, once it and all below it are gone, "gone"."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                yield from self._hear_nursery()
            elif not key.data.gone:
                yield from self._hear_worker(key.data)

    def _hear_worker(self, worker: WorkerHandle) -> Iterator[Heard]:
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

    def _part_with(self, worker: WorkerHandle, code: int, peak: int) -> Iterator[Heard]:
        """Listen to what a worker said before its end, then forget it."""
        worker.gone = True
        if worker in self.idle:
            self.idle.remove(worker)
        while not worker.link.closed and worker.link.poll():
            yield from self._hear_worker(worker)
        self._unplug(worker)
        self._unborn += not worker.pid
        if self._unborn > 3 * self._size:
            self.failure = startup_error(f"{self._unborn} of them ended as soon as they had begun, with code {code}")
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
            self.failure = startup_error(f"the process that starts them ended with code {code}")

    def _unplug(self, worker: WorkerHandle) -> None:
        if not worker.link.closed:
            self._selector.unregister(worker.link)
        worker.close()

    def interrupt(self, worker: WorkerHandle) -> None:
        """Send SIGTERM to a worker."""
        self._nursery.interrupt(worker.number)

    def kill(self, worker: WorkerHandle) -> None:
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
