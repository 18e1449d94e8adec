"""What the loop asks of whoever works on its jobs, and what it hears back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from runtree.contract.errors import ConfigError

Cause = Literal["crashed", "max_seconds", "memory", "terminated"]


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
class Reported:
    """A job told intermediate metrics."""

    job: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Returned:
    """A job ended and returned a result; `cause` is why it was asked to end, if it was."""

    job: int
    result: Any
    cause: Cause | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Died:
    """A job ended without a result: its process is gone, and so are all processes below it.

    `code` is the exit code, negative for a signal; `peak` the largest resident memory seen, in bytes.
    """

    job: int
    cause: Cause
    code: int
    seconds: float
    peak: int


Event = Reported | Returned | Died


def refuse_limits(job: Job, where: str) -> None:
    """Refuse a job with limits where nobody is there to enforce them."""
    for name in ("max_seconds", "memory"):
        if getattr(job, name) is not None:
            raise ConfigError(
                f"compute.{name}: a run {where} cannot be held to a limit",
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

    def go_on(self, job: int) -> None:
        """Answer a report: the job is not given up. Nothing waits for it unless reports are synchronous."""
        ...

    def terminate(self, job: int) -> None:
        """End a job: TERM, a grace period, KILL for it and all below it. `Died` or `Returned` follows."""
        ...

    def close(self) -> None:
        """End whatever is running, at once, and leave no process behind."""
        ...
