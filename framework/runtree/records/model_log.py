"""``log.jsonl`` of a registered model: all that was ever done with it, one line each, each sealed by the one before.

The registry has such a log of its own, ``audit.jsonl``: the acts on all models, and those of the services.

A line carries the sha256 of its own text, which contains the sha256 of the line before. So a line that is changed,
removed or inserted later breaks the chain at that place. Lines are only ever appended, under a kernel lock, and a line
is the commit point of an act: a version whose line is missing was never registered.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.errors import RequestError
from runtree.contract.files import open_regular, read_regular
from runtree.contract.storage import reason, remedy
from runtree.records.layout import FileName, RunFolder, timestamp
from runtree.records.locks import acquire_lock
from runtree.records.writer import dump_json

Entry = Mapping[str, Any]

START = "0" * 64  # what the first line names as the line before it
MAX_LOG_BYTES = 500_000_000
LOCK_SECONDS = 60.0  # registering copies the files of a model while it holds the lock
SEAL = b',"sha256":"'


@dataclass(frozen=True)
class LogFolder:
    """A folder with a log of sealed lines, which one process at a time continues."""

    path: Path

    log = FileName("log.jsonl")  # what was done with it, by whom and why
    lock = FileName(".lock")  # the file whose kernel lock a process holds while it changes the folder

    @contextmanager
    def held(self, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold the model by a kernel lock; wait for another process that holds it.

        Raises
        ------
        RequestError
            The other process did not release it in time, or the folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = open_regular(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except OSError as error:
            raise _not_writable(self.path, error) from None
        try:
            try:
                acquire_lock(handle, self.lock, seconds=seconds)
            except BlockingIOError:
                raise RequestError(
                    f"{self.path}: another process has been changing this folder for {seconds:.0f} s",
                    "try again when it has finished",
                ) from None
            yield
        except OSError as error:
            raise _not_writable(self.path, error) from None
        finally:
            os.close(handle)


@dataclass(frozen=True)
class ModelFolder(LogFolder):
    """The folder of a registered model. This class alone knows the names of its files."""

    versions = FileName("versions")  # a folder for each version, named by its number
    report = FileName("report.html")  # the page for everybody who has to do with the model
    evaluations = FileName("evaluations")  # a folder for each time that a version was scored on other rows

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.path.name

    def version(self, number: int) -> RunFolder:
        """Return the folder of a version: that of a run, with the card of the model."""
        return RunFolder(self.versions / str(number))


@dataclass(frozen=True)
class AuditFolder(LogFolder):
    """The folder of the registry with its audit log."""

    log = FileName("audit.jsonl")  # every act on a model, and of a service
    keys = FileName("keys.json")  # the hashes of the API keys of services


def audit(root: Path, act: str, by: str, **facts: Any) -> None:
    """Append an act to the audit log of a registry.

    Raises
    ------
    RequestError
        The log was changed by something else than runtree, or cannot be written.
    """
    folder = AuditFolder(root)
    with folder.held():
        append_entry(folder, act, by, **facts)


def _not_writable(folder: Path, error: OSError) -> RequestError:
    return RequestError(
        f"registry: cannot write to {folder} ({reason(error)})",
        "choose another folder: --registry /path/to/folder",
        remedy(error) and f"or {remedy(error)}",
    )


def append_entry(folder: LogFolder, act: str, by: str, moment: str = "", **facts: Any) -> dict[str, Any]:
    """Append what was done, durably, and return the line. The caller holds the lock of the folder.

    `moment` is its time, by default now.

    Raises
    ------
    RequestError
        The log was changed by something else than runtree, and must not be continued.
    OSError
        The disk is full, for example; the log is then as it was.
    """
    entries = read_whole_log(folder)
    previous = entries[-1]["sha256"] if entries else START
    entry = {
        "number": len(entries) + 1,
        "time": moment or timestamp(),
        "act": act,
        "by": by,
        **facts,
        "previous": previous,
    }
    body = dump_json(entry)[:-1]
    digest = hashlib.sha256(body).hexdigest()
    handle = open_regular(folder.log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
    try:
        size = _drop_torn_line(handle)
        try:
            _write(handle, body + SEAL + digest.encode() + b'"}\n')
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    return {**json.loads(body + b"}"), "sha256": digest}


def read_whole_log(folder: LogFolder) -> list[dict[str, Any]]:
    """Return all lines of a log.

    Raises
    ------
    RequestError
        The log was changed by something else than runtree, and must not be continued.
    """
    entries, faults = read_log(folder)
    if faults:
        raise RequestError(
            f"{folder.log}: {faults[0]}",
            "the log is evidence: restore it from a backup, or move it aside and begin anew",
        )
    return entries


def _drop_torn_line(handle: int) -> int:
    """Remove a last line without its end, whose act never happened; return the size that is left."""
    size = os.fstat(handle).st_size
    end = size
    while end and os.pread(handle, 1, end - 1) != b"\n":
        end -= 1
    if end < size:
        os.ftruncate(handle, end)
    return end


def _write(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:  # write() may write less than it is given, without an error
        left = left[os.write(handle, left) :]


def read_log(folder: LogFolder) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the lines up to the first that is not as it was written, and what is wrong from there on.

    A last line without its end is left out: the process was killed before the act counted.
    """
    try:
        content = read_regular(folder.log, MAX_LOG_BYTES)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"cannot be read ({error.strerror})"]
    entries: list[dict[str, Any]] = []
    previous = START
    for number, raw in enumerate(content.split(b"\n")[:-1], 1):
        entry = _parse(raw)
        if entry is None:
            return entries, [f"line {number} was changed after it was written"]
        if entry.get("previous") != previous or entry.get("number") != number:
            return entries, [f"line {number} does not follow the line before it: lines were removed or inserted"]
        entries.append(entry)
        previous = entry["sha256"]
    return entries, []


def _parse(raw: bytes) -> dict[str, Any] | None:
    """Return the entry of a line, None if the line is not as it was written."""
    body, separator, rest = raw.rpartition(SEAL)
    digest = hashlib.sha256(body).hexdigest()
    if not separator or rest != digest.encode() + b'"}':
        return None
    try:
        entry = json.loads(body + b"}")
    except (ValueError, RecursionError):
        return None
    return {**entry, "sha256": digest} if isinstance(entry, dict) else None
