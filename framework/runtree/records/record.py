"""`run.json`: written at the start and at the end, read in one small read."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

from runtree.contract.errors import NotFoundError
from runtree.contract.files import MAX_BYTES, UnsafeFileError, open_regular
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, timestamp
from runtree.records.writer import write_lines

SCHEMA = 1
# states of a run that no process works on
FINAL_STATES = ("completed", "pruned", "stopped", "failed", "interrupted")
# values that may be missing, by their type
OPTIONAL: Mapping[str, type | UnionType] = {
    "error": dict,
    "seconds": int | float,
    **dict.fromkeys(("reason", "task", "finished"), str),
}
RECORD_FIELDS = tuple(field.name for field in fields(RunRecord) if field.name != "folder")
SUMMARY_FIELDS = ("id", "experiment", "state", "reason", "task", "started", "finished", "seconds")
JsonReader = Callable[[bytes], Any]
FileStamp = tuple[int, int, int]


def file_stamp(status: os.stat_result) -> FileStamp:
    """Return the values of which one differs after any change of a file. No program can set back st_ctime."""
    return status.st_ctime_ns, status.st_size, status.st_ino


def new_record(
    id: str,
    experiment: str,
    state: str,
    overrides: Sequence[str],
    config: Mapping[str, Any],
    fingerprint: str,
    folder: Path,
) -> RunRecord:
    """Return the record of a run that has just begun."""
    return RunRecord(
        id=id,
        experiment=experiment,
        state=state,
        reason=None,
        started=timestamp(),
        finished=None,
        seconds=None,
        overrides=tuple(overrides),
        config=config,
        metrics={},
        objective={},
        fingerprints={"config": fingerprint},
        stages={},
        task=None,
        error=None,
        folder=folder,
    )


def write_record(folder: RunFolder, record: RunRecord, durable: bool = True, **facts: Any) -> None:
    """Write the record of a run; `facts` (process id, host) are added as they are."""
    content = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "folder"}
    write_lines(folder.record, {"schema": SCHEMA, **content, **facts}, durable)


def read_record(folder: RunFolder) -> RunRecord:
    """Read the record of a run. If it is "running" and no process holds the folder, it was interrupted.

    Raises
    ------
    NotFoundError
        There is no record, or it cannot be read.
    """
    return read_record_file(str(folder.path)).record()


class RecordFile(NamedTuple):
    """The content of a ``run.json``, its stamp, and whether the run has ended according to the file itself."""

    folder: str
    content: dict[str, Any]
    stamp: FileStamp
    ended: bool

    def record(self) -> RunRecord:
        """Return the content as a record."""
        return RunRecord(folder=Path(self.folder), **{name: self.content.get(name) for name in RECORD_FIELDS})  # type: ignore[arg-type]


def read_record_file(folder: str, parse: JsonReader = json.loads) -> RecordFile:
    """Read the ``run.json`` in a folder, with the stamp by which a later change shows.

    Raises
    ------
    NotFoundError
        There is no file, or it cannot be read.
    """
    try:
        file, stamp = _content(f"{folder}/run.json")
        content = parse(file)
        ended = content["state"] in FINAL_STATES
        return RecordFile(folder, _checked(content, folder), stamp, ended)
    except FileNotFoundError:
        raise NotFoundError(f"{folder}: no run.json here") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotFoundError(f"{folder}/run.json: cannot be read ({error})") from None


def _content(file: str) -> tuple[bytes, FileStamp]:
    """Return the bytes of a small file and its stamp.

    Both come from one open file, so they belong together even if another process replaces the file in between.
    """
    handle = open_regular(file)
    try:
        status = os.fstat(handle)
        if status.st_size > MAX_BYTES:
            raise UnsafeFileError(file, f"has {status.st_size:,} bytes")
        # one read of the known size: an open file object would need a
        # buffer and more system calls, for each of 50,000 runs
        return os.read(handle, status.st_size + 1), file_stamp(status)
    finally:
        os.close(handle)


def _checked(content: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return the content with each value of its type; a running run whose folder no process holds is interrupted."""
    for key in ("id", "experiment", "state", "started"):
        # checked by hand: a schema library would take longer than parsing
        content[key] = str(content[key])
    for key in ("config", "metrics", "objective", "fingerprints", "stages", "fit", "plugins"):
        content[key] = content.get(key) or {}
        if not isinstance(content[key], dict):
            raise TypeError(f"'{key}' is not a mapping")
    for key, kind in OPTIONAL.items():
        if content.get(key) is not None and (not isinstance(content[key], kind) or isinstance(content[key], bool)):
            raise TypeError(f"'{key}' is {content[key]!r:.40}")
    if not all(isinstance(value, int | float) for value in content["stages"].values()):
        raise TypeError("'stages' are not seconds")
    for key in ("overrides", "flags", "missed"):
        texts = content.get(key) or ()
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"'{key}' is not a list of texts")
        content[key] = tuple(texts)
    # a killed process cannot write its end; the lock, which the kernel releases, is the proof
    if content["state"] == "running" and not RunFolder(Path(folder)).is_held():
        content["state"] = content["reason"] = "interrupted"
    return content


def fast_json_reader() -> JsonReader:
    """Return a parser that behaves like `json.loads`, errors included, in a third of its time (by msgspec)."""
    try:
        from msgspec.json import decode
    except ImportError:
        return json.loads

    def read(content: bytes) -> Any:
        try:
            return decode(content)
        except ValueError:  # NaN and lone surrogates, which only Python accepts; or an error, in Python's words
            return json.loads(content)

    return read


def sweep_path(record: RunRecord) -> Path | None:
    """Return the folder of the sweep that a run belongs to, None if it belongs to none."""
    return record.folder.parent.parent if "/" in record.id and record.folder.parent.name == "runs" else None
