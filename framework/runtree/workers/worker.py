"""A worker: does one job after the other, in a process of its own that the nursery forked."""

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
from typing import Literal, NoReturn

from runtree.workers.executor import JobFunction, send_message
from runtree.workers.log_capture import LogCapture
from runtree.workers.resource_limits import (
    PeakMemory,
    become_subreaper,
    die_with_parent,
    limit_allocation,
    prefer_oom_kill,
)


class SigtermHandler:
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


def serve(link: Connection, work: JobFunction, nursery: int, sync: bool) -> NoReturn:
    """Lead a session of its own, which no Ctrl-C reaches, and work until nobody asks any more."""
    os.setsid()
    die_with_parent(nursery)
    become_subreaper()
    prefer_oom_kill()
    try:
        _Worker(link, work, sync).run()
    except (EOFError, OSError):  # the driver is gone
        os._exit(0)


class _Worker:
    def __init__(self, link: Connection, work: JobFunction, sync: bool) -> None:
        self._link, self._work, self._sync = link, work, sync
        self._process, self._home = os.getpid(), os.open(".", os.O_RDONLY)
        self._output, self._interruption, self._peak = LogCapture(), SigtermHandler(), PeakMemory()

    def run(self) -> NoReturn:
        self._interruption.listen()
        send_message(self._link, "ready", self._process)
        while True:
            self._interruption.rest()
            kind, *task = self._link.recv()
            if kind == "work":  # else an answer to a job that has ended since
                self._do(*task)

    def _do(self, job: int, payload: bytes, memory: int | None, log: str | None) -> None:
        self._interruption.listen()
        os.fchdir(self._home)
        self._peak.forget()
        with self._output.to(log):
            result = self._result(job, payload, memory)
        leaving = _has_children()
        send_message(self._link, "returned", job, result, leaving)
        if leaving:  # the nursery ends them; whatever in here relied on them is not to meet the next job
            os._exit(0)

    def _result(self, job: int, payload: bytes, memory: int | None) -> bytes:
        channel = _Channel(job, self._link, self._sync, self._interruption)
        try:
            with limit_allocation(memory), self._interruption.working():
                result = self._work(pickle.loads(payload), channel)
            if os.getpid() == self._process:  # else a fork of the worker that was to end inside the work
                return pickle.dumps(result)
        except KeyboardInterrupt:
            self._leave(-signal.SIGTERM)
        except BaseException:
            traceback.print_exc()
        return self._leave(1)

    def _leave(self, code: int) -> NoReturn:
        """Exit without a result; in a fork without a word either."""
        with suppress(BaseException):
            self._output.flush()
        if code < 0 and os.getpid() == self._process:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(self._process, -code)
        os._exit(abs(code))


def _has_children() -> bool:
    """Tell whether a process that this one started lives; reap those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


class _Channel:
    """Any thread of the job may report; SIGTERM concerns the main one alone."""

    def __init__(self, job: int, link: Connection, sync: bool, interruption: SigtermHandler) -> None:
        self._job, self._link, self._sync, self._interruption = job, link, sync, interruption
        self._pruned, self._one_at_a_time = False, threading.Lock()
        self._heard = select.poll()
        self._heard.register(link.fileno(), select.POLLIN)

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Tell metrics; return whether the driver has asked to end, in sync mode after waiting for its answer."""
        told = {name: float(value) for name, value in metrics.items()}
        with self._one_at_a_time:
            if not self._pruned:
                self._tell(int(step), told)
            return self._pruned

    def _tell(self, step: int, metrics: Mapping[str, float]) -> None:
        with self._whole():
            send_message(self._link, "reported", self._job, step, metrics)
        answered = not self._sync
        while not self._pruned and self._heard.poll(None if not answered else 0):
            answered |= self._hear()

    def _hear(self) -> bool:
        with self._whole():
            kind, job = self._link.recv()
        self._pruned |= job == self._job and kind == "prune"
        return bool(job == self._job)

    def _whole(self) -> AbstractContextManager[None]:
        main = threading.current_thread() is threading.main_thread()
        return self._interruption.talking() if main else nullcontext()
