"""The engine "in_process": one job at a time, in this very process, where a debugger sees it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from runtree.workers.executor import (
    Event,
    Job,
    JobDied,
    JobFunction,
    JobReported,
    JobReturned,
    make_job_function,
    refuse_limits,
)


class InProcessExecutor:
    """Works on a job while `wait` is called.

    What it prints goes where this process prints, and an error that escapes from the work escapes from `wait`.

    Parameters
    ----------
    setup, argument
        As for `Processes`; called when the first job begins.
    on_report
        Called with each report while the job waits: the time to call `prune`. None: reports are returned by `wait`
        when the job has ended, and pruning comes too late.
    """

    slots = 1

    def __init__(self, setup: str, argument: Any, on_report: Callable[[JobReported], None] | None = None) -> None:
        self.on_report = on_report
        self._prepare: Callable[[], JobFunction] = lambda: make_job_function(setup, argument)
        self._work: JobFunction | None = None
        self._job: Job | None = None
        self._pruned = self._working = False
        self._events: list[Event] = []

    def submit(self, job: Job) -> None:
        """Take a job on; limits are refused, as nobody is there to enforce them."""
        if self._job is not None:
            raise ValueError(f"job {job.id}: there is one already")
        refuse_limits(job, "in this process")
        self._job, self._pruned = job, False

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Do the job, however long it takes, and return what has happened."""
        if (job := self._job) is not None:
            self._work = self._work or self._prepare()
            self._events.append(self._do(job, self._work))
        events, self._events = self._events, []
        return events

    def _do(self, job: Job, work: JobFunction) -> Event:
        began, self._working = time.monotonic(), True
        try:
            return JobReturned(job.id, work(job.payload, self))
        except KeyboardInterrupt:  # before there was anything to return
            return JobDied(job.id, "terminated", 0, time.monotonic() - began, 0)
        finally:
            self._job, self._working = None, False

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Tell intermediate metrics of the job at hand; return whether it is to end now."""
        assert self._job is not None
        event = JobReported(self._job.id, int(step), {name: float(value) for name, value in metrics.items()})
        if self.on_report is None:
            self._events.append(event)
        elif not self._pruned:
            self.on_report(event)
        return self._pruned

    def prune(self, job: int) -> None:
        """Let the job's report that is being told end it, or the next."""
        self._pruned |= self._job is not None and self._job.id == job

    def acknowledge(self, job: int) -> None:
        """Let the job go on, as it does unless it is pruned."""

    def terminate(self, job: int) -> None:
        """Drop a job that has not begun; one that has is interrupted, by whoever handles a signal meanwhile."""
        if self._working:
            raise KeyboardInterrupt
        if self._job is not None and self._job.id == job:
            self._job = None
            self._events.append(JobDied(job, "terminated", 0, 0.0, 0))

    def close(self) -> None:
        """Forget a job that has not begun."""
        self._job = None
