"""What tests see of workers: what a driver hears, and which processes there are."""

import os
import time
from collections.abc import Callable

import psutil

from runtree.workers.executor import Event, Job, JobReported
from runtree.workers.process_executor import ProcessExecutor


def until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait for a condition; return whether it came."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return bool(met)


class Driver:
    """An executor that is made for one test."""

    def __init__(self, executor: ProcessExecutor) -> None:
        self.executor = executor

    def do(self, *payload: object, job: int = 0, **limits: object) -> list[Event]:
        """Submit a job and return all that is heard of it."""
        self.executor.submit(Job(job, payload, **limits))
        return self.hear(job)

    def hear(self, job: int = 0, seconds: float = 30.0) -> list[Event]:
        """Return all that is heard until a job has ended."""
        heard, end = [], time.monotonic() + seconds
        while not any(event.job == job and not isinstance(event, JobReported) for event in heard):
            assert time.monotonic() < end, f"nothing more than {heard}"
            heard += self.executor.wait(1)
        return heard


def nursery() -> psutil.Process:
    """Return the nursery of this process's only executor, once it has been forked."""
    found: list[psutil.Process] = []
    assert until(lambda: found.extend(guards_children()) or found)
    return found[0]


def guards_children() -> list[psutil.Process]:
    """Return the nurseries below this process."""
    guards = [
        child for child in psutil.Process().children() if "runtree.workers.fork_server" in " ".join(child.cmdline())
    ]
    return [child for guard in guards for child in guard.children()]


def workers() -> list[int]:
    """Return the workers of this process's only executor: they lead sessions of their own."""
    return [child.pid for child in nursery().children() if os.getsid(child.pid) == child.pid]
