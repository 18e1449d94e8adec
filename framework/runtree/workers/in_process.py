"""The engine "in_process": one job at a time in this process, where a debugger sees it."""

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
    """Runs a job inside `wait`.

    Its output goes where this process prints, and an exception of the job function escapes from `wait`.

    Parameters
    ----------
    factory, argument
        As for `ProcessExecutor`; called when the first job starts.
    on_report
        Called with each report while the job waits: the moment to call `prune`. None: reports are returned by `wait`
        after the job has ended, too late for pruning.
    """

    slots = 1

    def __init__(self, factory: str, argument: Any, on_report: Callable[[JobReported], None] | None = None) -> None:
        self.on_report = on_report
        self._make_function: Callable[[], JobFunction] = lambda: make_job_function(factory, argument)
        self._function: JobFunction | None = None
        self._job: Job | None = None
        self._pruned = self._running = False
        self._events: list[Event] = []

    def submit(self, job: Job) -> None:
        """Take a job; limits are refused, since nothing outside of this process could enforce them."""
        if self._job is not None:
            raise ValueError(f"job {job.id}: the only slot is taken")
        refuse_limits(job, "in this process")
        self._job, self._pruned = job, False

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Run the job to its end, ignoring `timeout`, and return the events."""
        if (job := self._job) is not None:
            # made with the first job and not in the constructor: a sweep that is refused before it need not import the
            # libraries
            self._function = self._function or self._make_function()
            self._events.append(self._run(job, self._function))
        events, self._events = self._events, []
        return events

    def _run(self, job: Job, function: JobFunction) -> Event:
        started, self._running = time.monotonic(), True
        try:
            return JobReturned(job.id, function(job.payload, self))
        except KeyboardInterrupt:  # before the job had a result to return
            return JobDied(job.id, "terminated", 0, time.monotonic() - started, 0)
        finally:
            self._job, self._running = None, False

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Report intermediate metrics of the running job; return whether it shall end now."""
        assert self._job is not None
        event = JobReported(self._job.id, int(step), {name: float(value) for name, value in metrics.items()})
        if self.on_report is None:
            self._events.append(event)
        elif not self._pruned:
            self.on_report(event)
        return self._pruned

    def prune(self, job: int) -> None:
        """Let the report that is being handled end the job, or the next one."""
        self._pruned |= self._job is not None and self._job.id == job

    def acknowledge(self, job: int) -> None:
        """Do nothing: the job continues as soon as `on_report` returns."""

    def terminate(self, job: int) -> None:
        """Drop a job that has not started. While one runs, only a signal handler can call this: it interrupts it."""
        # this can only be called by a signal handler, within the run: raising here is what interrupts it
        if self._running:
            raise KeyboardInterrupt
        if self._job is not None and self._job.id == job:
            self._job = None
            self._events.append(JobDied(job, "terminated", 0, 0.0, 0))

    def close(self) -> None:
        """Drop a job that has not started."""
        self._job = None
