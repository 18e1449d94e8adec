"""JSON that lies beside a record, and why it cannot be read: what two runs are compared by must not break it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtree.contract.types import RunRecord
from runtree.records.folder import RunFolder


def read(file: Path) -> tuple[dict[str, Any], str | None]:
    """Return what a JSON file maps, and what is wrong with it, if anything is."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}, f"there is no {file.name}"
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{file.name} cannot be read ({str(error).partition(chr(10))[0]})"
    return (found, None) if isinstance(found, dict) else ({}, f"{file.name} holds no mapping")


def environment(record: RunRecord) -> tuple[dict[str, Any], str | None]:
    """Return `environment.json`; a run that its sweep did not keep has that of the sweep."""
    own = RunFolder(record.folder).environment
    if own.exists() or record.folder.parent.name != "runs":
        return read(own)
    found, fault = read(record.folder.parent.parent / own.name)
    return found, f"{fault}, nor one of its sweep" if fault else "the environment is that of its sweep"


def data(record: RunRecord) -> tuple[dict[str, Any], str | None]:
    """Return `data.json` with its columns by name; without it what the record itself knows of the data."""
    found, fault = read(RunFolder(record.folder).data)
    if fault:
        known = {"fingerprint": record.fingerprints.get("data"), "split": {"id": record.fingerprints.get("split")}}
        return known | {"task": record.task}, fault
    columns = found.get("columns")
    named = [column for column in columns if isinstance(column, dict)] if isinstance(columns, list) else []
    return {**found, "columns": {str(column.get("name")): {**column, "name": None} for column in named}}, None


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what nested mappings hold, by dotted path; what is null is left out."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif node is not None:
        yield path, node
