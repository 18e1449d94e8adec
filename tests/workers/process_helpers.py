"""Helpers of these tests: an executor that collects events, and a look at the processes below this one."""

import os
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from runtree.workers.executor import Event, Job, JobReported
from runtree.workers.process_executor import ProcessExecutor


def until(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait up to `seconds` for a condition; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(met)


class ObservedExecutor(ProcessExecutor):
    def run_job(self, *payload: object, job: int = 0, **limits: object) -> list[Event]:
        """Submit a job and return its events."""
        self.submit(Job(job, payload, **limits))
        return self.events_until_end(job)

    def events_until_end(self, job: int = 0, seconds: float = 60.0) -> list[Event]:
        """Return all events up to the end of a job."""
        events, deadline = [], time.monotonic() + seconds
        while not any(event.job == job and not isinstance(event, JobReported) for event in events):
            assert time.monotonic() < deadline, f"nothing after {events}"
            events += self.wait(1)
        return events


def fork_server() -> psutil.Process:
    """Return the fork server of this process's only executor, once its supervisor has forked it."""
    found: list[psutil.Process] = []
    assert until(lambda: found.extend(_fork_servers()) or found)
    return found[0]


def _fork_servers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it ends just now
            found += child.children() if "runtree.workers.fork_server" in " ".join(child.cmdline()) else []
    return found


def worker_pids() -> list[int]:
    """Return the workers of this process's only executor: they lead sessions of their own."""
    found = []
    with suppress(psutil.Error):
        for child in fork_server().children():
            with suppress(ProcessLookupError):  # it ends just now
                found += [child.pid] if os.getsid(child.pid) == child.pid else []
    return found
