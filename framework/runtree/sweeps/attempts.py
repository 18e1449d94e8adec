"""How an attempt at a run ended, and whether it is tried again."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RuntreeError
from runtree.sweeps.messages import AttemptResult
from runtree.workers.executor import JobDied, describe_exit

# Errors of the machine rather than of the run: these are tried again.
TRANSIENT_ERRORS = (
    "OSError",
    "ConnectionError",
    "ConnectionResetError",
    "ConnectionAbortedError",
    "ConnectionRefusedError",
    "BrokenPipeError",
    "TimeoutError",
    "InterruptedError",
    "BlockingIOError",
)
DISK_FULL_MESSAGES = ("No space left on device", "Disk quota exceeded", "File too large", "Read-only file system")


def is_disk_full(error: OSError) -> bool:
    """Tell whether the disk takes no more: it is full, a quota or a limit is, it fails, or it is only read by now."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def disk_full_message(error: OSError) -> str:
    """Say why the disk takes no more."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "the disk is full" if full else f"the disk takes no more ({error.strerror})"


@dataclass(frozen=True)
class AttemptEnd:
    """What became of an attempt.

    `again`: it is worth another one. `leave`: the sweep is to end, and the run waits for the next session.
    """

    state: str
    reason: str | None = None
    seconds: float = 0.0
    error: Mapping[str, Any] | None = None
    outcome: AttemptResult | None = None
    again: bool = False
    leave: str | None = None
    cause: str = ""


def from_return(result: Any, asked: str | None, cause: str | None = None) -> AttemptEnd:
    """Return what a worker's answer means; `asked` and `cause`: why driver or executor told the run to end, if so."""
    if isinstance(result, RuntreeError):  # the request itself was refused: before any folder was made
        return AttemptEnd("failed", "error", error=error_record(type(result).__name__, result.message, *result.hints))
    if not isinstance(result, AttemptResult):
        return AttemptEnd("failed", "error", error=error_record("TypeError", f"the worker returned {result!r}"))
    if result.state == "interrupted":
        return _interrupted(result, asked, cause)
    error = result.error or {}
    if result.state == "failed" and any(text in str(error.get("message")) for text in DISK_FULL_MESSAGES):
        return AttemptEnd("interrupted", leave="disk", error=error)
    again = result.state == "failed" and error.get("type") in TRANSIENT_ERRORS
    return AttemptEnd(
        result.state, result.reason, result.seconds, result.error, result, again=again, cause=str(error.get("type"))
    )


def _interrupted(result: AttemptResult, asked: str | None, cause: str | None) -> AttemptEnd:
    if asked == "interrupt":
        return AttemptEnd("interrupted", leave="interrupt")
    if asked is None and cause is None:  # somebody else's signal: as if its process had been killed
        text = "something other than this sweep told it to end"
        return AttemptEnd("failed", "error", result.seconds, error_record("Crashed", text), again=True, cause=text)
    reason = "max_seconds" if asked is None else "interrupted"
    return AttemptEnd("stopped", reason, result.seconds, outcome=result)


def from_death(died: JobDied, asked: str | None) -> AttemptEnd:
    """Return what the death of a run's process means."""
    if asked == "interrupt":
        return AttemptEnd("interrupted", leave="interrupt")
    if asked == "stop" or died.cause == "terminated":
        return AttemptEnd("stopped", "interrupted", died.seconds)
    if died.cause == "max_seconds":
        error = error_record(
            "TimeLimit", f"it took longer than compute.max_seconds, and was ended after {died.seconds:.1f} s"
        )
        return AttemptEnd("stopped", "max_seconds", died.seconds, error)
    if died.cause == "memory":
        error = error_record("MemoryLimit", f"it took {died.peak / 2**20:,.0f} MiB, more than compute.memory allows")
        return AttemptEnd("failed", "error", died.seconds, error)
    return AttemptEnd(
        "failed",
        "error",
        died.seconds,
        error_record("Crashed", describe_exit(died)),
        again=True,
        cause=describe_exit(died),
    )


def error_record(kind: str, message: str, *hints: str) -> dict[str, Any]:
    """Return an error as records keep it."""
    return {"type": kind, "message": message, "hints": list(hints)}
