"""Checkpoints of a fit: folders that are whole or not there, the best and the last of them kept."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.records.writer import sync_folder, write_json

log = logging.getLogger(__name__)

STATE = "checkpoint.json"  # written last: the step, what the loop has counted, and the sha256 of the algorithm's files


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that is whole."""

    folder: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Return the count of iterations done."""
        return int(self.state["step"])


@dataclass
class Checkpoints:
    """The checkpoints of one fit.

    Parameters
    ----------
    folder
        Where they are: `checkpoints/00000120/` is the one after 120 iterations.
    asked
        What makes two fits the same, so that no run goes on from another's state.
    """

    folder: Path
    asked: str
    written: list[Path] = field(default_factory=list)

    def write(self, step: int, save: Callable[[Path], None], state: Mapping[str, Any]) -> Path:
        """Write one: aside first, then in its place. What was there under its name is gone only then."""
        self.folder.mkdir(exist_ok=True)
        place = self.folder / f"{step:08d}"
        if place in self.written:
            return place
        aside = self.folder / f".{place.name}.{os.getpid()}.part"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            save(aside)
            hashes = {name: _durable_hash(aside / name) for name in _files(aside)}
            write_json(aside / STATE, {"step": step, "asked": self.asked, **state, "files": hashes})
            shutil.rmtree(place, ignore_errors=True)
            aside.replace(place)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(self.folder)
        self.written.append(place)
        return place

    def whole(self) -> list[SavedCheckpoint]:
        """Return those that are whole and this fit's own, the latest first; a damaged one is told and passed over."""
        return [kept for path in sorted(self._places(), reverse=True) if (kept := self._read(path))]

    def _places(self) -> list[Path]:
        return [path for path in self.folder.glob("[0-9]*") if path.is_dir()] if self.folder.is_dir() else []

    def _read(self, path: Path) -> SavedCheckpoint | None:
        try:
            state = json.loads((path / STATE).read_bytes())
            if state["asked"] != self.asked:
                log.warning("checkpoint %s is of another config: not used", path)
                return None
            damaged = [name for name, known in state["files"].items() if _hash(path / name) != known]
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("checkpoint %s cannot be read (%s): not used", path, error)
            return None
        if damaged:
            log.warning("checkpoint %s is damaged (%s): not used", path, ", ".join(damaged))
            return None
        self.written.append(path)
        return SavedCheckpoint(path, state)

    def prune(self, keep: "set[Path]") -> None:
        """Remove all but some, and what a process left that died while it wrote."""
        for path in self._places():
            if path not in keep:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(".*.part"):
            shutil.rmtree(path, ignore_errors=True)
        self.written = [path for path in self.written if path in keep]


def retarget_checkpoints(folder: Path, before: str, now: str) -> None:
    """Let a copy of a run's checkpoints be those of another config, which differs in how long it is trained."""
    for file in folder.glob(f"[0-9]*/{STATE}"):
        state = json.loads(file.read_bytes())
        write_json(file, {**state, "asked": state["asked"].replace(before, now, 1)})


def _files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _durable_hash(file: Path) -> str:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return _hash(file)
