"""Checkpoints of a fit: folders that are complete or absent; the best ones and the last are kept."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.contract.files import read_regular
from runtree.records.writer import sync_folder, write_json

log = logging.getLogger(__name__)

STATE = "checkpoint.json"  # written last: step, counters of the stop criteria, and the sha256 of the algorithm's files


@dataclass(frozen=True)
class SavedCheckpoint:
    """A complete checkpoint."""

    folder: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """The number of iterations done."""
        return int(self.state["step"])


@dataclass
class Checkpoints:
    """The checkpoints of one fit.

    Parameters
    ----------
    folder
        The parent folder: `checkpoints/00000120/` is the checkpoint after 120 iterations.
    key
        The key of the fit: a checkpoint with another key is not resumed from.
    """

    folder: Path
    key: str
    written: list[Path] = field(default_factory=list)

    def write(self, step: int, save: Callable[[Path], None], state: Mapping[str, Any]) -> Path:
        """Write a checkpoint into a temporary folder and rename it, so that one is never seen half-written."""
        self.folder.mkdir(exist_ok=True)
        target = self.folder / f"{step:08d}"
        if target in self.written:
            return target
        draft = self.folder / f".{target.name}.{os.getpid()}.part"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            save(draft)
            # the files of the algorithm are on disk before the state that lists their hashes: after a power failure a
            # checkpoint is complete or has no valid state
            hashes = {name: _durable_hash(draft / name) for name in _files(draft)}
            write_json(draft / STATE, {"step": step, "asked": self.key, **state, "files": hashes})
            # a folder can only be renamed onto an empty one; a kill in between loses this checkpoint alone
            shutil.rmtree(target, ignore_errors=True)
            draft.replace(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        # the rename itself is an entry of this folder: without this fsync a power failure could undo it
        sync_folder(self.folder)
        self.written.append(target)
        return target

    def complete(self) -> list[SavedCheckpoint]:
        """Return the complete checkpoints of this fit, the latest first; a damaged one is logged and skipped."""
        return [saved for path in sorted(self._folders(), reverse=True) if (saved := self._read(path))]

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.glob("[0-9]*") if path.is_dir()] if self.folder.is_dir() else []

    def _read(self, path: Path) -> SavedCheckpoint | None:
        try:
            state = json.loads(read_regular(path / STATE))
            if state["asked"] != self.key:
                log.warning("checkpoint %s is of another config or data: not used", path)
                return None
            # hashes are compared because safetensors reads flipped bytes without an error
            damaged = [name for name, known in state["files"].items() if _hash(path / name) != known]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.warning("checkpoint %s cannot be read (%s): not used", path, error)
            return None
        if damaged:
            log.warning("checkpoint %s is damaged (%s): not used", path, ", ".join(damaged))
            return None
        self.written.append(path)
        return SavedCheckpoint(path, state)

    def prune(self, keep: "set[Path]") -> None:
        """Remove all checkpoints but `keep`, and the temporary folders of processes that were killed."""
        for path in self._folders():
            if path not in keep:
                shutil.rmtree(path, ignore_errors=True)
        # only the process that holds the run's folder comes here, so no other one is writing into a temporary folder
        for path in self.folder.glob(".*.part"):
            shutil.rmtree(path, ignore_errors=True)
        self.written = [path for path in self.written if path in keep]


def retarget_checkpoints(folder: Path, before: str, now: str) -> None:
    """Give copied checkpoints the fingerprint of a config that differs only in how long it is trained."""
    for file in folder.glob(f"[0-9]*/{STATE}"):
        state = json.loads(read_regular(file))
        # the state is not among the files that it hashes, so it can be rewritten without new hashes
        write_json(file, {**state, "asked": state["asked"].replace(before, now, 1)})


def _files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _durable_hash(file: Path) -> str:
    # the algorithm's `save` has closed the file already; fsync on a descriptor opened again writes the same pages
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return _hash(file)
