"""`run.json`: written at the start and at the end, read in one small read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.folder import RunFolder
from runtree.records.write import write_lines

SCHEMA = 1


def timestamp() -> str:
    """Return the present time as ISO 8601 in UTC, for people: durations come from a monotonic clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


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
    try:
        content = json.loads(folder.record.read_bytes())
        record = _record(content, folder.path)
    except FileNotFoundError:
        raise NotFoundError(f"{folder.path}: no run.json here") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotFoundError(f"{folder.record}: cannot be read ({error})") from None
    return record


def _record(content: Mapping[str, Any], path: Path) -> RunRecord:
    state, reason = str(content["state"]), content.get("reason")
    for key in ("config", "metrics", "objective", "fingerprints", "stages", "fit"):
        if not isinstance(content.get(key) or {}, dict):
            raise TypeError(f"'{key}' is no mapping")
    if state == "running" and not RunFolder(path).is_held():
        state, reason = "interrupted", "interrupted"
    return RunRecord(
        id=str(content["id"]),
        experiment=str(content["experiment"]),
        state=state,
        reason=reason,
        started=str(content["started"]),
        finished=content.get("finished"),
        seconds=content.get("seconds"),
        overrides=tuple(content.get("overrides") or ()),
        config=content.get("config") or {},
        metrics=content.get("metrics") or {},
        objective=content.get("objective") or {},
        fingerprints=content.get("fingerprints") or {},
        stages=content.get("stages") or {},
        task=content.get("task"),
        error=content.get("error"),
        folder=path,
        fit=content.get("fit") or {},
    )
