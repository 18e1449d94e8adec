"""The driver's end of a worker: the connection, the job it has, and how that stands."""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from runtree.sweeps.descendants import resident
from runtree.sweeps.executor import Cause, Died, Job, Returned
from runtree.sweeps.output import cut
from runtree.sweeps.work import send


@dataclass(eq=False)
class WorkerLink:
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
    cause: Cause | None = None
    kill_at: float | None = None
    kept: Returned | None = field(default=None, repr=False)

    def begin(self, job: Job, payload: bytes) -> bool:
        """Hand over a job; return False if nobody takes it."""
        try:
            send(self.link, "work", job.id, payload, job.memory, str(job.log.absolute()) if job.log else None)
        except OSError:
            return False
        self.job, self.began, self.peak = job, time.monotonic(), 0
        return True

    def answer(self, kind: str) -> None:
        """Answer the last report of the job: "prune" or "go_on"."""
        if self.job is not None and not self.gone:
            with suppress(OSError):  # it is gone, which is told elsewhere
                send(self.link, kind, self.job.id)

    def watched(self) -> bool:
        """Tell whether something about the job has to be looked at again and again."""
        job = self.job
        return job is not None and bool(job.max_seconds or job.memory or job.log or self.kill_at)

    def overstepped(self, now: float) -> Cause | None:
        """Look at time, memory and log; return the limit that was overstepped just now."""
        job = self.job
        if job is None:
            return None
        if job.log is not None:
            cut(job.log)
        if job.memory is not None and self.cause != "memory":
            used = resident(self.pid, job.memory)
            self.peak = max(self.peak, used)
            if used > job.memory:
                return "memory"
        late = job.max_seconds is not None and now - self.began >= job.max_seconds
        return "max_seconds" if late and self.cause is None else None

    def died(self, job: Job, code: int, peak: int) -> Died:
        """Return the end of a job without a result."""
        seconds = time.monotonic() - self.began if self.began else 0.0
        return Died(job.id, self.cause or "crashed", code, round(seconds, 6), max(self.peak, peak))

    def close(self) -> None:
        """Forget the worker."""
        self.gone = True
        self.link.close()
        self.theirs.close()
