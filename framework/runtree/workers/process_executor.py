"""The engine "processes": warm workers on this machine, forked from one process that has imported everything."""

import pickle
import time
import traceback
from collections import deque
from functools import partial
from types import TracebackType
from typing import Any, Self

from runtree.workers.executor import Event, Job, JobDied, JobReported, JobReturned, TerminationCause
from runtree.workers.fork_server import ForkServerClient
from runtree.workers.log_capture import append_to_log, truncate_log
from runtree.workers.pool import WorkerHandle, WorkerPool

_GLANCE = 0.1  # seconds between two looks at the limits


class ProcessExecutor:
    """Works on jobs in `slots` processes.

    Parameters
    ----------
    setup, argument
        "package.module:function", called once as ``work = function(argument)`` where the workers come from; each job
        calls ``work(payload, channel)`` (`runtree.workers.executor`). It may import what it likes, yet must not begin a
        parallel region of OpenMP: those threads are not there in a fork, and it would wait for them.
    threads
        How many native threads each worker uses (OpenMP, BLAS); None: what the environment says.
    grace
        Seconds between SIGTERM, which the work sees as KeyboardInterrupt, and SIGKILL.
    sync_reports
        Whether each report waits for the answer of the driver, `prune` or `acknowledge`.

    Raises
    ------
    RuntreeError
        By `wait`, if `setup` failed: its own error, or RunFailedError.
    """

    def __init__(
        self,
        slots: int,
        setup: str,
        argument: Any,
        threads: int | None = None,
        grace: float = 10.0,
        sync_reports: bool = False,
    ) -> None:
        self.slots, self._grace, self._sync = slots, grace, sync_reports
        self._crew = WorkerPool(slots, partial(ForkServerClient, setup, pickle.dumps(argument), sync_reports, threads))
        self._jobs: dict[int, WorkerHandle | None] = {}  # None: not begun
        self._queue: deque[tuple[Job, bytes]] = deque()
        self._early: set[int] = set()  # to be pruned, and not begun
        self._events: list[Event] = []
        self._next_glance, self._closed = 0.0, False

    def submit(self, job: Job) -> None:
        """Begin a job as soon as a worker is there; there must be a free slot. Returns at once."""
        if self._closed or len(self._jobs) >= self.slots or job.id in self._jobs:
            raise ValueError(f"job {job.id}: the executor is closed, has no free slot or has this very job")
        self._queue.append((job, pickle.dumps(job.payload)))
        self._jobs[job.id] = None
        self._assign()

    def _assign(self) -> None:
        while self._queue and self._crew.idle:
            worker = self._crew.idle.pop()
            if worker.begin(*self._queue[0]):
                job, _ = self._queue.popleft()
                self._jobs[job.id] = worker
                if job.id in self._early:
                    self._early.remove(job.id)
                    worker.answer("prune")
            else:  # it died idle, or is stopped
                self._crew.kill(worker)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return what has happened, oldest first; wait up to `timeout` seconds, but not while there is no job."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._closed:
            for worker, message in self._crew.hear(0 if self._events else self._pause(end)):
                self._understand(worker, *message)
            self._assign()
            self._glance()
            if self._crew.failure is not None and not self._events:
                raise self._crew.failure
            if self._events or not self._jobs or (end is not None and time.monotonic() >= end):
                break
        events, self._events = self._events, []
        return events

    def _pause(self, end: float | None) -> float | None:
        if not self._jobs:
            return 0
        left = None if end is None else max(0.0, end - time.monotonic())
        if not any(worker and worker.watched() for worker in self._jobs.values()):
            return left
        return _GLANCE if left is None else min(left, _GLANCE)

    def _understand(self, worker: WorkerHandle, kind: str, *told: Any) -> None:
        if kind == "gone":
            self._gone(worker, *told)
        elif worker.job is not None and worker.job.id == told[0]:  # else a thread that its job left behind
            if kind == "reported":
                self._events.append(JobReported(*told))
            elif kind == "returned":
                self._returned(worker, worker.job, *told[1:])

    def _returned(self, worker: WorkerHandle, job: Job, result: bytes, leaving: bool) -> None:
        try:
            returned = JobReturned(job.id, pickle.loads(result), worker.cause)
        except Exception:  # it can be written and not read: an exception with a constructor of its own, say
            append_to_log(job.log, traceback.format_exc())
            self._crew.kill(worker)
            return
        if leaving or worker.cause or worker.gone:  # told once it is gone, with what it left behind
            worker.kept = returned
            self._crew.kill(worker)
            return
        self._end(worker, job, returned)
        self._crew.idle.append(worker)

    def _gone(self, worker: WorkerHandle, code: int, peak: int) -> None:
        if worker.job is not None:
            self._end(worker, worker.job, worker.kept or worker.died(worker.job, code, peak))

    def _end(self, worker: WorkerHandle, job: Job, event: JobReturned | JobDied) -> None:
        worker.job = None
        if job.log is not None:
            truncate_log(job.log)
        del self._jobs[job.id]
        self._events.append(event)

    def _glance(self) -> None:
        """Enforce the limits of all jobs, several times a second."""
        now = time.monotonic()
        if now < self._next_glance:
            return
        self._next_glance = now + _GLANCE
        for worker in filter(None, self._jobs.values()):
            cause = worker.overstepped(now)
            if cause == "memory":
                worker.cause = cause
                self._crew.kill(worker)
            elif cause is not None:
                self._interrupt(worker, cause)
            elif worker.kill_at is not None and now >= worker.kill_at:
                self._crew.kill(worker)

    def _interrupt(self, worker: WorkerHandle, cause: TerminationCause) -> None:
        if worker.cause is None:
            worker.cause, worker.kill_at = cause, time.monotonic() + self._grace
            self._crew.interrupt(worker)

    def prune(self, job: int) -> None:
        """Let a job's next report end it (with `sync_reports`: the one that waits)."""
        if (worker := self._jobs.get(job)) is not None:
            worker.answer("prune")
        elif job in self._jobs:
            self._early.add(job)

    def acknowledge(self, job: int) -> None:
        """Let a job go on that waits for the answer to its report; without `sync_reports` none does."""
        if self._sync and (worker := self._jobs.get(job)) is not None:
            worker.answer("acknowledge")

    def terminate(self, job: int) -> None:
        """End a job: TERM, a grace period, KILL for it and all below it. `Died` or `Returned` follows."""
        if (worker := self._jobs.get(job)) is not None:
            self._interrupt(worker, "terminated")
        elif job in self._jobs:  # not begun
            self._queue = deque(task for task in self._queue if task[0].id != job)
            del self._jobs[job]
            self._events.append(JobDied(job, "terminated", 0, 0.0, 0))

    def close(self) -> None:
        """End whatever is running, at once, and leave no process behind."""
        if not self._closed:
            self._closed = True
            self._crew.dismiss()
            self._jobs.clear()
            self._queue.clear()

    def __enter__(self) -> Self:
        """Return the executor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
