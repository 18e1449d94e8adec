"""How an attempt at a run ended when its worker did not say so, and whether the run is tried again."""

import errno
import os
from dataclasses import replace
from typing import Any, Literal

from runtree.contract.errors import RuntreeError
from runtree.contract.storage import DISK_ERRORS
from runtree.contract.types import RunRecord
from runtree.sweeps.messages import AttemptResult, RunRequest
from runtree.workers.executor import JobDied, describe_exit

# Errors of the machine rather than of the run: another attempt may succeed.
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
# A worker's error arrives as text: its errno is lost, but not the text that the C library has for it.
DISK_FULL_MESSAGES = tuple(os.strerror(number) for number in DISK_ERRORS)

# Why the driver terminated a run: Ctrl-C, a request to stop or a criterion that terminates, the end of `max_seconds`
Termination = Literal["interrupt", "stop", "time"]


STOP_REASONS: dict[Termination, str] = {"stop": "interrupted", "time": "max_seconds"}


def is_disk_full(error: OSError) -> bool:
    """Return whether the disk takes no more: full, over a quota or a limit, read-only by now, or broken."""
    return error.errno in DISK_ERRORS


def disk_full_message(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "the disk is full" if full else f"the disk takes no more ({error.strerror})"


def error_record(kind: str, message: str, *hints: str) -> dict[str, Any]:
    """Return an error in the form of `run.json`."""
    return {"type": kind, "message": message, "hints": list(hints)}


def time_limit_error(seconds: float) -> dict[str, Any]:
    """Return the error of a run that exceeded its own limit; one that the sweep's time ended has no error."""
    message = f"it took longer than compute.max_seconds, and was ended after {seconds:.1f} s"
    return error_record("TimeLimit", message)


def difference_from_request(record: RunRecord, request: RunRequest, attempt: bool = True) -> str:
    """Return why a record is not of the run that was requested, empty if it is: a folder alone proves nothing.

    Parameters
    ----------
    attempt
        Whether it has to be of the requested attempt, too.
    """
    if record.number != request.number:
        return f"the record there is of run {'?' if record.number is None else record.number}"
    if record.fingerprints.get("config") != request.fingerprint:
        return "the record there is of another config"
    if attempt and record.attempt != request.attempt:
        return f"the record there is of attempt {record.attempt}, and this is {request.attempt}"
    return ""


def result_from_return(value: Any, termination: Termination | None, cause: str | None = None) -> AttemptResult:
    """Return the result of a job that returned a value.

    Parameters
    ----------
    termination, cause
        Why the driver, or the executor, stopped the run; None: it did not.
    """
    if isinstance(value, RuntreeError):  # the request itself was refused, or not even a record could be written
        refusal = error_record(type(value).__name__, value.message, *value.hints)
        value = AttemptResult("failed", "error", error=refusal)
    if not isinstance(value, AttemptResult):
        return AttemptResult("failed", "error", error=error_record("TypeError", f"the worker returned {value!r}"))
    if value.state == "interrupted":
        return _interrupted(value, termination, cause)
    error = value.error or {}
    # a full disk is not the fault of the run: it waits for the next session, and the sweep stops, as further runs would
    # fail alike
    if value.state == "failed" and any(text in str(error.get("message")) for text in DISK_FULL_MESSAGES):
        return AttemptResult("interrupted", error=error, suspends="disk")
    return replace(value, retryable=value.state == "failed" and error.get("type") in TRANSIENT_ERRORS)


def _interrupted(result: AttemptResult, termination: Termination | None, cause: str | None) -> AttemptResult:
    # Ctrl-C suspends: the run is done again when the sweep is resumed, as if it had not begun
    if termination == "interrupt":
        return AttemptResult("interrupted", suspends="interrupt")
    if termination is None and cause is None:
        # A signal from outside of the sweep ended it. It counts like a killed process: the run is not at fault.
        message = "it was interrupted by a signal from outside of this sweep"
        error = error_record("Crashed", message)
        return AttemptResult("failed", "error", result.seconds, error, retryable=True)
    if termination is None:
        return replace(result, state="stopped", reason="max_seconds", error=time_limit_error(result.seconds))
    return replace(result, state="stopped", reason=STOP_REASONS[termination], error=None)


def result_from_death(died: JobDied, termination: Termination | None) -> AttemptResult:
    """Return the result of a job whose process died."""
    # first, whatever killed the process: during Ctrl-C a run may die in many ways, and all of them are the user's wish
    if termination == "interrupt":
        return AttemptResult("interrupted", suspends="interrupt")
    if termination is not None or died.cause == "terminated":
        return AttemptResult("stopped", STOP_REASONS[termination or "stop"], died.seconds)
    if died.cause == "max_seconds":
        return AttemptResult("stopped", "max_seconds", died.seconds, time_limit_error(died.seconds))
    if died.cause == "memory":
        # not retryable: the same run would exceed the limit again
        message = f"it took {died.peak / 2**20:,.0f} MiB, more than compute.memory allows"
        return AttemptResult("failed", "error", died.seconds, error_record("MemoryLimit", message))
    error = error_record("Crashed", describe_exit(died))
    return AttemptResult("failed", "error", died.seconds, error, retryable=True)
