"""`run.json`: written at the start and at the end, read in one small read."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, timestamp
from runtree.records.writer import write_lines

SCHEMA = 1
FINAL_STATES = ("completed", "pruned", "stopped", "failed", "interrupted")
RECORD_FIELDS = tuple(field.name for field in fields(RunRecord) if field.name != "folder")
SUMMARY_FIELDS = ("id", "experiment", "state", "reason", "task", "started", "finished", "seconds")
JsonReader = Callable[[bytes], Any]
FileStamp = tuple[int, int, int]


def file_stamp(found: os.stat_result) -> FileStamp:
    """Return what is other after any change of a file: no program can set back the time of its inode's change."""
    return found.st_ctime_ns, found.st_size, found.st_ino


def new_record(
    id: str,
    experiment: str,
    state: str,
    overrides: Sequence[str],
    config: Mapping[str, Any],
    fingerprint: str,
    folder: Path,
) -> RunRecord:
    """Return the record of a run of which nothing is found yet."""
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
    """Write a run's record; `facts` are added as they are (process id, host)."""
    content = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "folder"}
    write_lines(folder.record, {"schema": SCHEMA, **content, **facts}, durable)


def read_record(folder: RunFolder) -> RunRecord:
    """Read a run's record. One that says "running" while nobody holds the folder died: it was interrupted.

    Raises
    ------
    NotFoundError
        Where there is no record, or none that can be read.
    """
    return read_record_file(str(folder.path)).record()


class RecordFile(NamedTuple):
    """What a run.json holds, its stamp, and whether it says itself that the run has ended."""

    folder: str
    content: dict[str, Any]
    stamp: FileStamp
    ended: bool

    def record(self) -> RunRecord:
        """Return it as a record."""
        return RunRecord(folder=Path(self.folder), **{name: self.content.get(name) for name in RECORD_FIELDS})  # type: ignore[arg-type]


def read_record_file(folder: str, parse: JsonReader = json.loads) -> RecordFile:
    """Read the run.json of the run in a folder, with what shows that it has changed since.

    Raises
    ------
    NotFoundError
        Where there is none, or none that can be read.
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
    """Return a small file's bytes and its stamp, of one and the same file, whoever replaces it meanwhile."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        return os.read(handle, found.st_size + 1), file_stamp(found)
    finally:
        os.close(handle)


def _checked(content: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return the content with every key of its own type; what never ended though nobody works on it was interrupted."""
    for key in ("id", "experiment", "state", "started"):
        content[key] = str(content[key])
    for key in ("config", "metrics", "objective", "fingerprints", "stages", "fit"):
        content[key] = content.get(key) or {}
        if not isinstance(content[key], dict):
            raise TypeError(f"'{key}' is no mapping")
    content["overrides"] = tuple(content.get("overrides") or ())
    content["missed"] = tuple(content.get("missed") or ())
    if content["state"] == "running" and not RunFolder(Path(folder)).is_held():
        content["state"] = content["reason"] = "interrupted"
    return content


# --- JSON for those who read thousands of documents: msgspec takes a third of the time of Python's own reader.


def fast_json_reader() -> JsonReader:
    """Return what reads a document, the same as `json.loads` does, errors included; it is that without msgspec."""
    try:
        from msgspec.json import decode
    except ImportError:
        return json.loads

    def read(content: bytes) -> Any:
        try:
            return decode(content)
        except ValueError:  # NaN and lone surrogates, which Python writes and reads; or a fault, told in Python's words
            return json.loads(content)

    return read


def sweep_path(record: RunRecord) -> Path | None:
    """Return the folder of the sweep that a run is of."""
    return record.folder.parent.parent if "/" in record.id and record.folder.parent.name == "runs" else None
