"""The one reader of a run's files. A file that is missing or damaged is empty for it, and never breaks a page."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError, first_line
from runtree.contract.files import UnsafeFileError, read_regular
from runtree.contract.types import TASKS, RunRecord
from runtree.records.layout import RunFolder

PLACES = ("outputs", "experiment")
# the results of the evaluation that every reader expects in one shape; a damaged one counts as missing
SHAPES: Mapping[str, type] = {
    **dict.fromkeys(("test_looks", "intervals", "benchmark"), dict),
    **dict.fromkeys(("baselines", "findings", "fairness", "representation"), list),
}


def read_json(file: Path) -> tuple[dict[str, Any], str | None]:
    """Return the mapping in a JSON file, and why it cannot be read, None if it can."""
    try:
        content = json.loads(read_regular(file))
    except FileNotFoundError:
        return {}, f"there is no {file.name}"
    # ValueError covers invalid JSON and invalid UTF-8, RecursionError a file that is nested too deeply
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{file.name} cannot be read ({first_line(error)})"
    return (content, None) if isinstance(content, dict) else ({}, f"{file.name} holds no mapping")


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the mappings of a JSON-lines file. Torn and damaged lines are left out: a kill may tear the last one."""
    try:
        lines = read_regular(file).splitlines()
    except OSError:  # there is none, or it is not a file that is read
        return []
    return [line for line in map(_parse_line, lines) if line]


def _parse_line(text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


@dataclass(frozen=True)
class RunReader:
    """Reads the files in the folder of a run, each at most once."""

    folder: Path

    @property
    def files(self) -> RunFolder:
        """Return the names of the files."""
        return RunFolder(self.folder)

    @cached_property
    def data(self) -> dict[str, Any]:
        """Return ``data.json``."""
        return read_json(self.files.data)[0]

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """Return ``evaluation.json``, without results that have another shape than they are written in."""
        content = read_json(self.files.evaluation)[0]
        return {key: value for key, value in content.items() if isinstance(value, SHAPES.get(key, object) | None)}

    @cached_property
    def folds(self) -> list[Mapping[str, Any]]:
        """Return the scores of each fold that ended, even if the run failed later."""
        # folds.jsonl has each fold that ended, metrics.json only the folds of a completed run
        return list(read_lines(self.files.folds) or read_json(self.files.metrics)[0].get("folds") or [])

    @cached_property
    def undefined(self) -> dict[str, dict[str, str]]:
        """Return why metrics of `metrics.json` have no value: reasons by name, by split."""
        found = read_json(self.files.metrics)[0].get("undefined")
        return found if isinstance(found, dict) else {}

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """Return the lines of ``history.jsonl``."""
        return read_lines(self.files.history)

    def read_environment(self) -> tuple[dict[str, Any], str | None]:
        """Return ``environment.json`` and a note. A run of a sweep without artifacts has that of its sweep."""
        own = self.files.environment
        if own.exists() or self.folder.parent.name != "runs":
            return read_json(own)
        content, fault = read_json(self.folder.parent.parent / own.name)
        return content, f"{fault}, nor one of its sweep" if fault else "the environment is that of its sweep"

    def read_log(self) -> str:
        """Return ``log.txt``.

        Raises
        ------
        NotFoundError
            There is none.
        """
        try:
            return read_regular(self.files.log).decode(errors="replace")
        except FileNotFoundError:
            raise NotFoundError(f"{self.folder}: no log.txt here") from None
        except UnsafeFileError as error:
            raise NotFoundError(f"{self.files.log}: {error.strerror}") from None

    def read_config(self) -> str:
        """Return ``config.yaml`` as it was written.

        Raises
        ------
        NotFoundError
            There is none.
        """
        try:
            return read_regular(self.files.config).decode(errors="replace")
        except FileNotFoundError:
            raise NotFoundError(f"{self.folder}: no config.yaml here") from None
        except UnsafeFileError as error:
            raise NotFoundError(f"{self.files.config}: {error.strerror}") from None


def nested_settings(record: RunRecord) -> dict[str, Any]:
    """Return the config nested by group, without targets, spaces and places; of values by task only those in use."""
    nested: dict[str, Any] = {}
    for path, value in record.config.items():
        *groups, key = path.split(".")
        if groups and key in TASKS:
            if key != (record.task or key):
                continue
            *groups, key = groups
        if not {"_target_", "space", "iterations"} & {*groups[1:], key} and (groups or [key])[0] not in PLACES:
            inner = nested
            for group in groups:
                values = inner.setdefault(group, {})
                if not isinstance(values, dict):  # a value by task was here before
                    values = inner[group] = {}
                inner = values
            inner[key] = value
    return nested


def flatten(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in nested mappings by dotted path, without nulls."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from flatten(value, f"{path}.{key}" if path else str(key))
    elif node is not None:
        yield path, node
