"""What lies beside `run.json` in a run's folder, read for people and for other programs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.contract.types import TASKS, RunRecord
from runtree.records.layout import RunFolder

PLACES = ("outputs", "experiment")


def data(record: RunRecord) -> dict[str, Any]:
    """Return `data.json`; empty where the run did not come so far."""
    return mapping(RunFolder(record.folder).data)


def folds(record: RunRecord) -> list[Mapping[str, Any]]:
    """Return the scores of each fold, of one that ended while others did not too; empty where there are no folds."""
    recorded = _lines(RunFolder(record.folder).folds)
    return list(recorded or mapping(RunFolder(record.folder).metrics).get("folds") or [])


def evaluation(record: RunRecord) -> dict[str, Any]:
    """Return `evaluation.json`; empty where the run was not examined."""
    return mapping(RunFolder(record.folder).evaluation)


def mapping(file: Path) -> dict[str, Any]:
    """Return what a JSON file holds; empty where it is not there, damaged, or no mapping."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def iterations(record: RunRecord) -> list[dict[str, Any]]:
    """Return the lines of `history.jsonl`, less those that are torn."""
    return _lines(RunFolder(record.folder).history)


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [line for line in map(_line, lines) if line]


def _line(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def log(record: RunRecord) -> str:
    """Return what was said during the run."""
    try:
        return RunFolder(record.folder).log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise NotFoundError(f"{record.id}: nothing was logged") from None


def whole_config(record: RunRecord) -> str:
    """Return `config.yaml` as it was written."""
    try:
        return RunFolder(record.folder).config.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"{record.folder}: no config.yaml here") from None


def settings(record: RunRecord) -> dict[str, Any]:
    """Return the config nested by group, without targets, spaces and places; of values by task the one that held."""
    nested: dict[str, Any] = {}
    for path, value in record.config.items():
        *groups, key = path.split(".")
        if groups and key in TASKS:
            if key != (record.task or key):
                continue
            *groups, key = groups
        if not {"_target_", "space", "iterations"} & {*groups[1:], key} and (groups or [key])[0] not in PLACES:
            _inner(nested, groups)[key] = value
    return nested


def _inner(nested: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    for group in groups:
        found = nested.setdefault(group, {})
        nested[group] = nested = found if isinstance(found, dict) else {}
    return nested


# --- JSON that lies beside a record, and why it cannot be read: what two runs are compared by must not break it.


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


def data_or_fault(record: RunRecord) -> tuple[dict[str, Any], str | None]:
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
