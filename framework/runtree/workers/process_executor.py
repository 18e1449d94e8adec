"""The engine "processes": jobs run in the warm worker processes of a `WorkerPool` on this machine."""

import pickle
import tempfile
import time
import traceback
import weakref
from collections import deque
from functools import partial
from types import TracebackType
from typing import Any, Self

from runtree.workers.executor import Event, Job, JobDied, JobReported, JobReturned, TerminationCause
from runtree.workers.fork_server import ForkServerClient, write_startup
from runtree.workers.log_capture import append_to_log, clean_log
from runtree.workers.pool import WorkerHandle, WorkerPool

_LIMIT_CHECK_SECONDS = 0.1


class ProcessExecutor:
    """Runs jobs in `slots` worker processes.

    Parameters
    ----------
    factory, argument
        "package.module:function", called once, in the fork server, as ``job_function = factory(argument)``; each job
        calls ``job_function(payload, channel)``. What it must not do there: see `runtree.workers.fork_server`.
    threads
        How many native threads each worker uses (OpenMP, BLAS); None: as the environment sets it.
    grace
        Seconds between SIGTERM, which the job function sees as KeyboardInterrupt, and SIGKILL.
    sync_reports
        Whether each report waits for `prune` or `acknowledge`.

    Raises
    ------
    RuntreeError
        From `wait`, if the factory failed: its own error, or RunFailedError.
    """

    def __init__(
        self,
        slots: int,
        factory: str,
        argument: Any,
        threads: int | None = None,
        grace: float = 10.0,
        sync_reports: bool = False,
    ) -> None:
        self.slots, self._grace, self._sync_reports = slots, grace, sync_reports
        # Written once, for every fork server that may be started. A file without a name vanishes with this process.
        startup = tempfile.TemporaryFile()  # noqa: SIM115
        self._release_startup = weakref.finalize(self, startup.close)
        write_startup(startup, factory, argument, sync_reports)
        self._pool = WorkerPool(slots, partial(ForkServerClient, startup, threads))
        self._jobs: dict[int, WorkerHandle | None] = {}  # None: no worker has it yet
        self._queue: deque[tuple[Job, bytes]] = deque()
        self._prune_at_start: set[int] = set()
        self._events: list[Event] = []
        self._next_check, self._closed = 0.0, False

    def submit(self, job: Job) -> None:
        """Start a job as soon as a worker is ready; there must be a free slot. Returns at once."""
        if self._closed or len(self._jobs) >= self.slots or job.id in self._jobs:
            raise ValueError(f"job {job.id}: the executor is closed, has no free slot or has a job of this id")
        self._queue.append((job, pickle.dumps(job.payload)))
        self._jobs[job.id] = None
        self._assign()

    def _assign(self) -> None:
        while self._queue and self._pool.idle:
            worker = self._pool.idle.pop()
            if worker.start_job(*self._queue[0]):
                job, _ = self._queue.popleft()
                self._jobs[job.id] = worker
                if job.id in self._prune_at_start:
                    self._prune_at_start.remove(job.id)
                    worker.send_decision("prune")
            else:  # it died while idle, or is stopped: the job stays in the queue for another one
                self._pool.kill(worker)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events, oldest first; block up to `timeout` seconds for one, but not while there is no job."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closed:
            for worker, message in self._pool.receive(0 if self._events else self._wait_seconds(deadline)):
                self._handle(worker, *message)
            self._assign()
            self._check_limits()
            if self._pool.failure is not None and not self._events:
                raise self._pool.failure
            if self._events or not self._jobs or (deadline is not None and time.monotonic() >= deadline):
                break
        events, self._events = self._events, []
        return events

    def _wait_seconds(self, deadline: float | None) -> float | None:
        if not self._jobs:
            return 0
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not any(worker and worker.needs_polling for worker in self._jobs.values()):
            return left
        return _LIMIT_CHECK_SECONDS if left is None else min(left, _LIMIT_CHECK_SECONDS)

    def _handle(self, worker: WorkerHandle, kind: str, *details: Any) -> None:
        if kind == "gone":
            if worker.job is not None:
                self._end(worker, worker.job, worker.held_result or worker.died(worker.job, *details))
        elif worker.job is not None and worker.job.id == details[0]:  # else from a thread that an earlier job left
            if kind == "reported":
                self._events.append(JobReported(*details))
            elif kind == "returned":
                self._returned(worker, worker.job, *details[1:])

    def _returned(self, worker: WorkerHandle, job: Job, result: bytes, leaving: bool) -> None:
        try:
            returned = JobReturned(job.id, pickle.loads(result), worker.cause)
        except Exception:  # not all that can be pickled can be unpickled: an exception with its own constructor
            append_to_log(job.log, traceback.format_exc())
            self._pool.kill(worker)
            return
        if leaving or worker.cause or worker.gone:
            worker.held_result = returned
            self._pool.kill(worker)
            return
        self._end(worker, job, returned)
        self._pool.idle.append(worker)

    def _end(self, worker: WorkerHandle, job: Job, event: JobReturned | JobDied) -> None:
        worker.job = None
        if job.log is not None:
            clean_log(job.log)
        del self._jobs[job.id]
        self._events.append(event)

    def _check_limits(self) -> None:
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + _LIMIT_CHECK_SECONDS
        for worker in filter(None, self._jobs.values()):
            cause = worker.exceeded_limit(now)
            if cause == "memory":  # no grace: what it allocates to save its state could end the machine
                worker.cause = cause
                self._pool.kill(worker)
            elif cause is not None:
                self._terminate(worker, cause)
            elif worker.kill_at is not None and now >= worker.kill_at:
                self._pool.kill(worker)

    def _terminate(self, worker: WorkerHandle, cause: TerminationCause) -> None:
        if worker.cause is None:
            worker.cause, worker.kill_at = cause, time.monotonic() + self._grace
            self._pool.terminate(worker)

    def prune(self, job: int) -> None:
        """Let a job's next report return True (with `sync_reports`: the one that waits)."""
        if (worker := self._jobs.get(job)) is not None:
            worker.send_decision("prune")
        elif job in self._jobs:
            self._prune_at_start.add(job)

    def acknowledge(self, job: int) -> None:
        """Let a job continue that waits for the decision about its report; without `sync_reports` none does."""
        if self._sync_reports and (worker := self._jobs.get(job)) is not None:
            worker.send_decision("continue")

    def terminate(self, job: int) -> None:
        """End a job: SIGTERM, a grace period, SIGKILL for it and all below it. `JobDied` or `JobReturned` follows."""
        if (worker := self._jobs.get(job)) is not None:
            self._terminate(worker, "terminated")
        elif job in self._jobs:  # still queued
            self._queue = deque(entry for entry in self._queue if entry[0].id != job)
            del self._jobs[job]
            self._events.append(JobDied(job, "terminated", 0, 0.0, 0))

    def close(self) -> None:
        """End all running jobs at once and leave no process behind."""
        if not self._closed:
            self._closed = True
            self._pool.shutdown()
            self._release_startup()
            self._jobs.clear()
            self._queue.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
