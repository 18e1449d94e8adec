"""The worker pool: as many worker processes as there are slots, each replaced when it has ended.

The life of a worker, as the pool sees it::

            spawn()               "ready"                start_job()
    (none) ────────▶ starting ────────────────▶ idle ─────────────────▶ running ─┐ "reported", "prune", "continue"
                        │                        ▲ │                      │ ▲ └────┘
                        │                        │ │ "returned"           │
                        │                        └─┼──────────────────────┤
                        │                          │                      │ limit exceeded, terminate(), or
                        │                          │                      ▼ "returned" with children left
                        │ EOF on its connection    │ EOF               ending: SIGTERM, later SIGKILL
                        ▼                          ▼                      │
                       dead, orders KILL ◀────────────────────────────────┤ EOF
                        │                                                 │
                        └───────────────▶ "exited" ◀──────────────────────┘
                                             │ the fork server has reaped it and killed all below it
                                             ▼
                                          gone, a new one is spawned

Only the fork server's "exited" ends a job. EOF on the connection means that the worker has closed its end, while
processes of its job may still write into the run's folder, in which the next attempt may start at once. If the fork
server itself dies, its supervisor kills all workers; the pool waits for the end of the supervisor, counts all workers
as gone, and starts another fork server. It does so a limited number of times in a row: a worker that has started ends
the row.
"""

import logging
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
from runtree.workers.executor import Job, JobDied, JobReturned, TerminationCause, startup_error
from runtree.workers.fork_server import ForkServerClient
from runtree.workers.log_capture import truncate_log
from runtree.workers.messages import send_message
from runtree.workers.process_tree import resident_bytes

log = logging.getLogger(__name__)

MAX_FAILED_STARTS_PER_SLOT = 3
# In a row, without a worker that started in between. Who is killed from outside, by a person or for want of memory, may
# live the next time; what crashes by itself will mostly crash again, after seconds of imports.
MAX_FORK_SERVER_KILLS, MAX_FORK_SERVER_CRASHES = 5, 1
# Of the supervisor itself, or of the fork server as the supervisor passes it on
KILLED_CODES = tuple(code for number in (signal.SIGKILL, signal.SIGTERM) for code in (-number, 128 + number))
START_RETRY_SECONDS = 0.5  # what the system lacks (memory, processes) needs time to come back


@dataclass(eq=False)
class WorkerHandle:
    """One worker, from the order to fork it until it is reaped.

    Attributes
    ----------
    gone
        Its connection is closed, or it has been reaped.
    cause
        Why its job was stopped. Such a worker gets no further job: the signal may arrive late, in the next one.
    held_result
        A result that is reported only once the worker is gone, and with it the processes that its job left behind.
    """

    number: int
    connection: Connection
    worker_end: socket.socket
    pid: int = 0  # 0: starting
    gone: bool = False
    job: Job | None = None
    started: float = 0.0
    peak: int = 0
    cause: TerminationCause | None = None
    kill_at: float | None = None
    held_result: JobReturned | None = field(default=None, repr=False)

    def start_job(self, job: Job, payload: bytes) -> bool:
        """Send a job; return False if the worker has exited."""
        log = str(job.log.absolute()) if job.log else None
        try:
            send_message(self.connection, "run", job.id, payload, job.memory, log)
        except OSError:
            return False
        self.job, self.started, self.peak = job, time.monotonic(), 0
        return True

    def send_decision(self, decision: str) -> None:
        """Send "prune" or "continue" for the job's last report."""
        if self.job is not None and not self.gone:
            with suppress(OSError):  # the worker has died: the pool sees that elsewhere
                send_message(self.connection, decision, self.job.id)

    @property
    def needs_polling(self) -> bool:
        """Whether limits, log or deadline of the job have to be checked while nothing arrives."""
        job = self.job
        return job is not None and bool(job.max_seconds or job.memory or job.log or self.kill_at)

    def exceeded_limit(self, now: float) -> TerminationCause | None:
        """Check time, memory and log; return a limit that is exceeded and was not before."""
        job = self.job
        if job is None:
            return None
        if job.log is not None:
            truncate_log(job.log)
        if job.memory is not None and self.cause != "memory":
            resident = resident_bytes(self.pid, job.memory)
            self.peak = max(self.peak, resident)
            if resident > job.memory:
                return "memory"
        late = job.max_seconds is not None and now - self.started >= job.max_seconds
        return "max_seconds" if late and self.cause is None else None

    def died(self, job: Job, code: int, peak: int) -> JobDied:
        seconds = time.monotonic() - self.started if self.started else 0.0
        return JobDied(job.id, self.cause or "crashed", code, round(seconds, 6), max(self.peak, peak))

    def close(self) -> None:
        self.gone = True
        self.connection.close()
        self.worker_end.close()


WorkerMessage = tuple[WorkerHandle, tuple[Any, ...]]


class WorkerPool:
    """Worker processes below one fork server.

    Attributes
    ----------
    idle
        The workers that can take a job.
    failure
        Why no more workers will come, if so.
    """

    def __init__(self, size: int, start_fork_server: Callable[[], ForkServerClient]) -> None:
        self.idle: list[WorkerHandle] = []
        self.failure: RuntreeError | None = None
        self._size, self._start_fork_server = size, start_fork_server
        self._workers: dict[int, WorkerHandle] = {}
        self._numbers, self.failed_starts, self._server_deaths = count(), 0, 0
        self._selector = selectors.DefaultSelector()
        self._open()

    def _open(self) -> None:
        self._fork_server = self._try_start()
        self._selector.register(self._fork_server.connection, selectors.EVENT_READ)
        for _ in range(self._size):  # orders wait in the socket until the fork server has imported everything
            self.spawn()

    def _try_start(self) -> ForkServerClient:
        while True:
            try:
                return self._start_fork_server()
            except OSError as error:  # too many processes or open files, no memory, no space for its files
                self._server_deaths += 1
                if self._server_deaths > MAX_FORK_SERVER_KILLS:
                    raise startup_error(f"{error.strerror}, {self._server_deaths} times") from error
                time.sleep(START_RETRY_SECONDS)

    def spawn(self) -> None:
        number = next(self._numbers)
        worker = self._workers[number] = WorkerHandle(number, *self._fork_server.fork(number))
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)

    def receive(self, timeout: float | None) -> Iterator[WorkerMessage]:
        """Yield the messages of workers: "reported", "returned" and, once all below it are gone too, "gone"."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                yield from self._receive_from_fork_server()
            elif not key.data.gone:  # else removed by a message before this one
                yield from self._receive_from(key.data)

    def _receive_from(self, worker: WorkerHandle) -> Iterator[WorkerMessage]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):  # it has died, or was stopped half-way through a message (the socket timed out)
            self._disconnect(worker)
            self._fork_server.kill(worker.number)
            return
        if message[0] != "ready":
            yield worker, message
            return
        worker.pid, self.failed_starts, self._server_deaths = message[1], 0, 0
        worker.worker_end.close()
        if not worker.gone:
            self.idle.append(worker)

    def _receive_from_fork_server(self) -> Iterator[WorkerMessage]:
        try:
            kind, *details = self._fork_server.connection.recv()
        except (EOFError, OSError):
            yield from self._restart()
            return
        if kind == "failed":
            self.failure, trace = details
            self.failure.__cause__ = RuntimeError(f"in the process that starts the workers:\n{trace}")
        elif kind == "exited":
            number, code, peak = details
            worker = self._workers.pop(number)
            yield from self.remove(worker, code, peak)
            self.failed_starts += not worker.pid
            if self.failed_starts > MAX_FAILED_STARTS_PER_SLOT * self._size:
                self.failure = startup_error(
                    f"{self.failed_starts} of them ended right after their start, with code {code}"
                )
            self.spawn()

    def remove(self, worker: WorkerHandle, code: int, peak: int) -> Iterator[WorkerMessage]:
        """Yield the last messages of a worker that has been reaped, then "gone"."""
        worker.gone = True
        if worker in self.idle:
            self.idle.remove(worker)
        # "exited" and the worker's own messages come over two sockets: a result may still be unread in its own
        while not worker.connection.closed and worker.connection.poll():
            yield from self._receive_from(worker)
        self._disconnect(worker)
        yield worker, ("gone", code, peak)

    def _restart(self) -> Iterator[WorkerMessage]:
        """Start another fork server, whatever ended this one, unless it has reported that the factory fails."""
        self._selector.unregister(self._fork_server.connection)
        self._fork_server.end()  # returns when the supervisor has killed every worker
        for number in list(self._workers):  # those that it had not forked yet, too: their orders died with it
            yield from self.remove(self._workers.pop(number), -signal.SIGKILL, 0)
        if self.failure is not None:
            return
        self._server_deaths += 1
        code = self._fork_server.process.returncode
        died = f"the process that starts the workers ended with code {code}"
        if self._server_deaths > (MAX_FORK_SERVER_KILLS if code in KILLED_CODES else MAX_FORK_SERVER_CRASHES):
            self.failure = startup_error(f"{died}, {self._server_deaths} times in a row")
            return
        log.warning("%s, and is started again", died)
        self._open()

    def _disconnect(self, worker: WorkerHandle) -> None:
        if not worker.connection.closed:
            self._selector.unregister(worker.connection)
        worker.close()

    def terminate(self, worker: WorkerHandle) -> None:
        """Send SIGTERM to a worker, through the fork server: only a parent knows that the pid is still the worker's."""
        self._fork_server.terminate(worker.number)

    def kill(self, worker: WorkerHandle) -> None:
        """End a worker and all processes below it at once; "gone" follows."""
        self._fork_server.kill(worker.number)

    def shutdown(self) -> None:
        """End all workers and the fork server; no process is left when this returns."""
        self._fork_server.end()
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
        self.idle.clear()
        self._selector.close()
