"""Predict each file of a folder once, also over a crash, and the new ones as they come.

A file is done when its line is in the list in the folder of the predictions. Its predictions are written under a hidden
name before that line, and get their name after it: a process that is killed in between leaves one of the two to be
finished, and never predicts a file again that a reader may have taken already.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.errors import DataError, RequestError, RuntreeError
from runtree.contract.files import APPEND, open_regular, read_regular
from runtree.lifecycle.predict import RowCounts
from runtree.records.layout import RunFolder
from runtree.records.writer import dump_json, sync_folder
from runtree.tables.places import list_url

log = logging.getLogger(__name__)

LIST = ".predicted.jsonl"
OUTPUT, PENDING = ".parquet", ".pending.parquet"
MAX_LIST_BYTES = 1_000_000_000
Stamp = tuple[int, int | str]  # bytes, and nanoseconds of the last change, or the version at a URL


@dataclass(frozen=True)
class PredictedFile:
    """A file of the folder by its path in it, with the rows that were predicted, or the error."""

    name: str
    rows: int = 0
    error: str = ""


def predict_folder(
    source: Path | str,
    target: Path,
    predict: Callable[[Path | str, Path], RowCounts],
    suffixes: tuple[str, ...],
    seconds: float | None = None,
) -> Iterator[PredictedFile]:
    """Predict the files of a folder that are not in the list yet, and yield each.

    Parameters
    ----------
    source
        A folder, or the URL of one.
    predict
        Writes the predictions for a file into another, as a whole.
    seconds
        The time between two looks for new files; None: only those that are there. A file is taken when it has not
        changed between two looks: it may still be copied. A URL that cannot be listed for a while is looked at again.

    Raises
    ------
    RequestError
        Another process predicts into the folder, or it is that of the files.
    """
    if isinstance(source, Path) and target.resolve() == source.resolve():
        raise RequestError(f"-o {target}: is the folder of the files", "choose another: -o predictions/")
    target.mkdir(parents=True, exist_ok=True)
    with RunFolder(target).held():
        done = _read_list(target)
        for name in done:
            _publish(target, name)  # whose line was written, and no more
        before: dict[str, Stamp] | None = None
        while True:
            now = _look(source, target, suffixes, before)
            if seconds is None and not now and isinstance(source, str):  # most likely a typing error
                raise DataError(
                    f"FOLDER: no table below {source}",
                    "expected is a folder with .csv, .parquet or other tables; for one file, let -o name a file",
                )
            for name, stamp in now.items():
                if done.get(name) == stamp or (seconds is not None and (before is None or before.get(name) != stamp)):
                    continue
                yield _predict(source, target, name, stamp, predict)
                done[name] = stamp
            if seconds is None:
                return
            before = now
            time.sleep(seconds)


def _look(
    source: Path | str, target: Path, suffixes: tuple[str, ...], before: dict[str, Stamp] | None
) -> dict[str, Stamp]:
    """Return the files by name, each with its stamp; where a URL cannot be listed any more, those of the last look."""
    if isinstance(source, Path):
        return dict(_files(source, target, suffixes))
    try:
        return dict(list_url(source, suffixes, "FOLDER"))
    except DataError as error:
        if before is None:
            raise
        log.warning("%s; it is tried again", error.message)
        return before


def _files(source: Path, target: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Stamp]]:
    hidden = (".", "_")
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source)
        if any(part.startswith(hidden) for part in name.parts) or not name.name.lower().endswith(suffixes):
            continue
        if file.is_relative_to(target):
            continue
        with suppress(OSError):  # removed in this moment
            status = file.stat()
            if file.is_file():
                yield name.as_posix(), (status.st_size, status.st_mtime_ns)


def _predict(
    source: Path | str, target: Path, name: str, stamp: Stamp, predict: Callable[[Path | str, Path], RowCounts]
) -> PredictedFile:
    pending = _pending(target, name)
    pending.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = source / name if isinstance(source, Path) else f"{source.rstrip('/')}/{name}"
        found = PredictedFile(name, predict(file, pending).rows)
    except RuntreeError as error:
        # it is tried again when it changes, and by the next command; the others go on
        found = PredictedFile(name, error=str(error))
    else:
        _sync(pending)
    _append(target, {"file": name, "stamp": stamp, "rows": found.rows, "error": found.error})
    _publish(target, name)
    return found


def _pending(target: Path, name: str) -> Path:
    place = target / name
    return place.with_name(f".{place.name}{PENDING}")


def _publish(target: Path, name: str) -> None:
    with suppress(FileNotFoundError):
        _pending(target, name).replace(target / f"{name}{OUTPUT}")


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(file.parent)


def _append(target: Path, line: Any) -> None:
    handle = open_regular(target / LIST, APPEND)
    try:
        # on a line of its own, also after one that a kill tore
        os.write(handle, b"\n" + dump_json(line) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_list(target: Path) -> dict[str, Stamp]:
    try:
        lines = read_regular(target / LIST, MAX_LIST_BYTES).splitlines()
    except FileNotFoundError:
        return {}
    done: dict[str, Stamp] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # empty, or torn
            entry = json.loads(line)
            done[entry["file"]] = (entry["stamp"][0], entry["stamp"][1])
            if entry["error"]:  # the next command may be given what it lacked
                del done[entry["file"]]
    return done
