"""The Executor protocol: what runs jobs, for sweeps and for the folds of one run, and the events that it returns.

A job function is made once per worker and called once per job, as ``function(payload, channel)``. It is named by its
factory, "package.module:function", because the function itself may not be picklable: ``function = factory(argument)``.
"""

import pkgutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from runtree.contract.errors import ConfigError, RunFailedError, RuntreeError, raise_if_ours

POLL_SECONDS = 0.5  # how often a loop that waits for jobs looks at clock, signals and requests

TerminationCause = Literal["crashed", "max_seconds", "memory", "terminated"]


@dataclass(frozen=True)
class Job:
    """One call of the job function.

    Parameters
    ----------
    id
        Events refer to it; unique among the jobs of an executor that have not ended.
    payload
        The argument of the job function; picklable.
    max_seconds, memory
        Limits: seconds of wall time; bytes of resident memory of the worker and all processes below it. None: no limit.
    log
        File to which the output of the job is appended, that of C extensions and child processes included. None: the
        output is dropped.
    """

    id: int
    payload: Any
    max_seconds: float | None = None
    memory: int | None = None
    log: Path | None = None


@dataclass(frozen=True)
class JobReported:
    """A job reported intermediate metrics."""

    job: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class JobReturned:
    """A job returned a result. `cause`: why the executor had stopped it, or None."""

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


def describe_exit(died: JobDied) -> str:
    """Return in words how the process of a job ended."""
    if died.code >= 0:
        return f"its process exited with code {died.code} and without a result"
    try:
        name = signal.Signals(-died.code).name
    except ValueError:  # real-time signals have no name
        name = f"signal {-died.code}"
    # The kernel's OOM killer sends SIGKILL, too, and leaves no other trace that can be read without privileges
    memory = f" (perhaps out of memory: it held {died.peak / 2**20:,.0f} MiB)" if died.code == -9 and died.peak else ""
    return f"its process was killed by {name}{memory}"


Event = JobReported | JobReturned | JobDied


class Executor(Protocol):
    """Runs jobs, at most `slots` at a time."""

    slots: int

    def submit(self, job: Job) -> None:
        """Start a job and return at once. There must be a free slot."""
        ...

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return events since the last call, oldest first; wait up to `timeout` seconds for one (None: for ever)."""
        ...

    def prune(self, job: int) -> None:
        """Let the job's next report return True. No effect on a job that has ended."""
        ...

    def acknowledge(self, job: int) -> None:
        """Let a job continue after its report. Only with synchronous reports does a job wait for this."""
        ...

    def terminate(self, job: int) -> None:
        """End a job: SIGTERM, a grace period, SIGKILL for it and all processes below it.

        `JobDied` or `JobReturned` follows.
        """
        ...

    def close(self) -> None:
        """End all running jobs at once and leave no process behind."""
        ...


class Channel(Protocol):
    """The second argument of a job function."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Report intermediate metrics; return whether the job shall end now because it is pruned."""
        ...


JobFunction = Callable[[Any, Channel], Any]


def make_job_function(factory: str, argument: Any) -> JobFunction:
    """Call the factory named "package.module:function" and return the job function that it makes.

    Raises
    ------
    RuntreeError
        The factory's own, or RunFailedError for any other exception.
    """
    try:
        return pkgutil.resolve_name(factory)(argument)  # type: ignore[no-any-return]
    except RuntreeError:
        raise
    except BaseException as error:
        raise_if_ours(error)
        raise startup_error(f"{type(error).__name__}: {error}") from error


def startup_error(reason: str) -> RunFailedError:
    """Return the error for workers that cannot start."""
    return RunFailedError(f"the workers could not start: {' '.join(reason.split())}")


def refuse_limits(job: Job, where: str) -> None:
    """Refuse a job with limits where no process boundary allows to enforce them."""
    for name in ("max_seconds", "memory"):
        if getattr(job, name) is not None:
            raise ConfigError(
                f"compute.{name}: cannot be enforced for a run {where}",
                "type compute.engine=processes, or leave the limit out",
            )


def run_on_workers(
    executor: Executor, payloads: Sequence[Any], cancelled: Callable[[], bool] = lambda: False
) -> list[Any]:
    """Run one job per payload and return the results in order, None for a job without a result.

    The job ids run from -1 downwards: they never collide with those of a sweep's runs. As soon as `cancelled` returns
    True, jobs that have not ended count as without a result.
    """
    results: dict[int, Any] = {}
    submitted = 0
    while len(results) < len(payloads) and not cancelled():
        while submitted < len(payloads) and submitted - len(results) < executor.slots:
            executor.submit(Job(-1 - submitted, payloads[submitted]))
            submitted += 1
        for event in executor.wait(POLL_SECONDS):
            if isinstance(event, JobReported):
                executor.acknowledge(event.job)  # else a job with synchronous reports would wait for ever
            else:
                results[event.job] = event.result if isinstance(event, JobReturned) else None
    return [results.get(-1 - place) for place in range(len(payloads))]
