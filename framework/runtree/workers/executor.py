"""What the loop asks of whoever works on its jobs, and what it hears back."""

import pickle
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Protocol

from runtree.contract.errors import ConfigError, RunFailedError, RuntreeError

POLL_SECONDS = 0.5  # how often a loop that waits for jobs looks at clock, signals and requests

TerminationCause = Literal["crashed", "max_seconds", "memory", "terminated"]


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Parameters
    ----------
    id
        By which events refer to it; no two jobs of a sweep have the same.
    payload
        What the work function is called with; it must be picklable.
    max_seconds, memory
        Limits: seconds of wall time, bytes of resident memory of the worker and all processes below it. None: no limit.
    log
        The file that what the job prints is appended to, C extensions and child processes included.
    """

    id: int
    payload: Any
    max_seconds: float | None = None
    memory: int | None = None
    log: Path | None = None


@dataclass(frozen=True)
class JobReported:
    """A job told intermediate metrics."""

    job: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class JobReturned:
    """A job ended and returned a result; `cause` is why it was asked to end, if it was."""

    job: int
    result: Any
    cause: TerminationCause | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class JobDied:
    """A job ended without a result: its process is gone, and so are all processes below it.

    `code` is the exit code, negative for a signal; `peak` the largest resident memory seen, in bytes.
    """

    job: int
    cause: TerminationCause
    code: int
    seconds: float
    peak: int


Event = JobReported | JobReturned | JobDied


def refuse_limits(job: Job, where: str) -> None:
    """Refuse a job with limits where nobody is there to enforce them."""
    for name in ("max_seconds", "memory"):
        if getattr(job, name) is not None:
            raise ConfigError(
                f"compute.{name}: cannot be enforced for a run {where}",
                "type compute.engine=processes, or leave the limit out",
            )


class Executor(Protocol):
    """Works on jobs, at most `slots` at a time."""

    slots: int

    def submit(self, job: Job) -> None:
        """Begin a job; there must be a free slot. Returns at once."""
        ...

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return what has happened, oldest first; wait up to `timeout` seconds for it (None: until something does)."""
        ...

    def prune(self, job: int) -> None:
        """Let a job's next report end it; a job that has ended already is left alone."""
        ...

    def acknowledge(self, job: int) -> None:
        """Answer a report: the job is not given up. Nothing waits for it unless reports are synchronous."""
        ...

    def terminate(self, job: int) -> None:
        """End a job: TERM, a grace period, KILL for it and all below it. `Died` or `Returned` follows."""
        ...

    def close(self) -> None:
        """End whatever is running, at once, and leave no process behind."""
        ...


# --- What an executor works with: a function made once where the work is done, and the way it tells how it goes.


class Channel(Protocol):
    """By which a job tells how it goes."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Tell intermediate metrics; return whether the job is to end now because it is pruned."""
        ...


def send_message(link: Connection, *message: Any) -> None:
    """Send a message that `Connection.recv` reads; a plain pickle is quicker than the one of `Connection.send`."""
    link.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


JobFunction = Callable[[Any, Channel], Any]


def make_job_function(setup: str, argument: Any) -> JobFunction:
    """Call the function named "package.module:function" and return the work function that it makes.

    Raises
    ------
    RuntreeError
        As `setup` raised it; RunFailedError for whatever else it raised.
    """
    try:
        return pkgutil.resolve_name(setup)(argument)  # type: ignore[no-any-return]
    except RuntreeError:
        raise
    except Exception as error:
        raise startup_error(f"{type(error).__name__}: {error}") from error


def startup_error(reason: str) -> RunFailedError:
    """Return the error for workers that cannot start."""
    return RunFailedError(f"the workers could not start: {' '.join(reason.split())}")


def run_on_workers(
    executor: Executor, payloads: Sequence[Any], cancelled: Callable[[], bool] = lambda: False
) -> list[Any]:
    """Run one job per payload and return the results in order, None for a job without a result.

    The job ids run from -1 downwards: they never collide with those of a sweep's runs. As soon as `cancelled` returns
    True, jobs that have not ended count as without a result.
    """
    results: dict[int, Any] = {}
    begun = 0
    while len(results) < len(payloads) and not cancelled():
        while begun < len(payloads) and begun - len(results) < executor.slots:
            executor.submit(Job(-1 - begun, payloads[begun]))
            begun += 1
        for event in executor.wait(POLL_SECONDS):
            if isinstance(event, JobReported):
                executor.acknowledge(event.job)
            else:
                results[event.job] = event.result if isinstance(event, JobReturned) else None
    return [results.get(-1 - place) for place in range(len(payloads))]
