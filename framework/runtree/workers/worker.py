"""A worker process: forked by the fork server, it runs one job after the other until its connection closes."""

import os
import pickle
import select
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Literal, NoReturn

from runtree.workers.executor import JobFunction
from runtree.workers.log_capture import LogCapture
from runtree.workers.messages import send_message
from runtree.workers.resource_limits import (
    PeakMemory,
    become_subreaper,
    die_with_parent,
    limit_allocation,
    prefer_oom_kill,
)


def serve_jobs(connection: Connection, function: JobFunction, fork_server: int, sync_reports: bool) -> NoReturn:
    """Run jobs in this process until the driver closes the connection; `fork_server` is the pid of the parent."""
    os.setsid()  # Ctrl-C reaches the foreground group of the terminal alone; and killpg ends what a job forks
    die_with_parent(fork_server)
    become_subreaper()
    prefer_oom_kill()
    # an error in here is one of this process or this machine: its code tells the pool, which starts another worker
    _Worker(connection, function, sync_reports).run()


class SigtermHandler:
    """Turns SIGTERM into KeyboardInterrupt while a job runs, so that it can save its state and return.

    An idle worker exits at once. While a message is written the signal stays pending: half a message would leave the
    driver waiting for the rest.
    """

    def __init__(self) -> None:
        self._mode: Literal["idle", "running", "messaging"] = "messaging"
        self._pending = False
        # A process that the job forks must end at SIGTERM, not raise KeyboardInterrupt in a copy of this worker
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

    def install(self) -> None:
        """Handle SIGTERM; repeated before each job, because the last one may have installed its own handler."""
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._pending = True
        self._deliver()

    def _deliver(self) -> None:
        if self._pending and self._mode == "running":
            self._pending = False
            raise KeyboardInterrupt
        if self._pending and self._mode == "idle":
            os._exit(128 + signal.SIGTERM)

    def set_idle(self) -> None:
        """Let the signal end this process, until the next job."""
        self._mode = "idle"
        self._deliver()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the signal interrupt the body; afterwards it stays pending until `set_idle`."""
        self._mode = "running"
        try:
            self._deliver()  # a signal between two jobs was meant for the new one
            yield
        finally:
            self._mode = "messaging"

    @contextmanager
    def messaging(self) -> Iterator[None]:
        """Keep the signal pending until the body has sent or received a whole message."""
        before, self._mode = self._mode, "messaging"
        try:
            yield
        finally:
            self._mode = before
            self._deliver()


class _Worker:
    def __init__(self, connection: Connection, function: JobFunction, sync_reports: bool) -> None:
        self._connection, self._function, self._sync_reports = connection, function, sync_reports
        self._pid = os.getpid()
        self._home = os.open(".", os.O_RDONLY)  # a descriptor, since the folder may be renamed meanwhile
        self._output, self._sigterm, self._peak = LogCapture(), SigtermHandler(), PeakMemory()

    def run(self) -> NoReturn:
        self._sigterm.install()
        self._send("ready", self._pid)
        while True:
            self._sigterm.set_idle()
            kind, *arguments = self._receive()
            if kind == "run":  # else a decision about a report of a job that has ended since
                self._run_job(*arguments)

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError):  # the driver is gone
            os._exit(0)

    def _send(self, *message: Any) -> None:
        try:
            send_message(self._connection, *message)
        except OSError:  # the driver is gone
            os._exit(0)

    def _run_job(self, job: int, payload: bytes, memory: int | None, log: str | None) -> None:
        # What the last job may have changed about this process
        self._sigterm.install()
        os.fchdir(self._home)
        self._peak.reset()
        with self._output.to(log):
            result = self._call(job, payload, memory)
        leaving = _has_children()
        self._send("returned", job, result, leaving)
        if leaving:
            # Only a new worker is free of what the job left running: the fork server kills the children once this
            # process is gone, and objects in here that rely on them (a pool of processes) must not meet the next job
            os._exit(0)

    def _call(self, job: int, payload: bytes, memory: int | None) -> bytes:
        channel = _ConnectionChannel(job, self._connection, self._sync_reports, self._sigterm)
        try:
            with limit_allocation(memory), self._sigterm.running():
                result = self._function(pickle.loads(payload), channel)
            if os.getpid() == self._pid:  # else a process that the job forked has returned out of the job function
                return pickle.dumps(result)
        except KeyboardInterrupt:
            self._exit(-signal.SIGTERM)
        except BaseException:  # SystemExit too: a job that calls sys.exit() must not end as if it had been idle
            traceback.print_exc()
        return self._exit(1)

    def _exit(self, code: int) -> NoReturn:
        """Exit without a result; a negative code is the signal to die of, so that the driver reads why."""
        with suppress(BaseException):
            self._output.flush()
        if code < 0 and os.getpid() == self._pid:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(self._pid, -code)
        os._exit(abs(code))


def _has_children() -> bool:
    """Return whether a process that this one started is alive; reap those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


class _ConnectionChannel:
    """The channel of one job. Any thread of the job may report; SIGTERM is only ever delivered to the main one."""

    def __init__(self, job: int, connection: Connection, sync: bool, sigterm: SigtermHandler) -> None:
        self._job, self._connection, self._sync, self._sigterm = job, connection, sync, sigterm
        self._pruned, self._lock = False, threading.Lock()
        self._incoming = select.poll()
        self._incoming.register(connection.fileno(), select.POLLIN)

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Send metrics; return whether the job is pruned, with synchronous reports after waiting for the decision."""
        values = {name: float(value) for name, value in metrics.items()}
        with self._lock:
            if not self._pruned:
                self._send(int(step), values)
            return self._pruned

    def _send(self, step: int, metrics: Mapping[str, float]) -> None:
        with self._whole_message():
            send_message(self._connection, "reported", self._job, step, metrics)
        decided = not self._sync
        # Asynchronous: read only the decisions that have arrived already, those about earlier reports
        while not self._pruned and self._incoming.poll(None if not decided else 0):
            decided |= self._receive_decision()

    def _receive_decision(self) -> bool:
        with self._whole_message():
            kind, job = self._connection.recv()
        self._pruned |= job == self._job and kind == "prune"
        return bool(job == self._job)  # else a late decision about the job before

    def _whole_message(self) -> AbstractContextManager[None]:
        main = threading.current_thread() is threading.main_thread()
        return self._sigterm.messaging() if main else nullcontext()
