"""Removal from the output tree, so that one who is killed while removing leaves nothing that looks whole.

What goes is first renamed to a name that no listing looks at, in its own folder, and only then removed. No symbolic
link is ever followed.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runtree.records.layout import RunFolder, timestamp
from runtree.records.writer import write_json

REMOVABLE_KINDS = ("failed", "leaves", "attempts", "halves")  # of what may go
REMOVED_PREFIX = ".removed-"  # how the name of what is being removed begins
ARTIFACTS = ("model", "plots", "checkpoints", "predictions.parquet")  # what weighs, and is not needed to compare runs


def disk_usage(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; what vanishes meanwhile counts nothing."""
    if path.is_symlink() or not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def remove(path: Path) -> None:
    """Remove a file or a folder: aside first.

    Raises
    ------
    OSError
        It could not be renamed, or not all of it be removed; what is left is aside.
    """
    aside = (
        path if path.name.startswith(REMOVED_PREFIX) else path.with_name(f"{REMOVED_PREFIX}{path.name}-{os.getpid()}")
    )
    if aside != path:
        path.rename(aside)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)


def unfinished_removals(folder: Path) -> Iterator[Path]:
    """Yield what a removal left aside in a folder that did not come to its end."""
    yield from sorted(path for path in folder.glob(f"{REMOVED_PREFIX}*") if not path.is_symlink())


def list_artifacts(folder: RunFolder) -> list[Path]:
    """Return the heavy leaves that a run has."""
    found = [folder.path / name for name in ARTIFACTS]
    return [path for path in found if path.exists() and not path.is_symlink()]


def remove_artifacts(folder: RunFolder, gone: Sequence[Path]) -> None:
    """Remove heavy leaves of a run; `cleaned.json` says so before, the manifest after."""
    told = removed_artifacts(folder)
    names = {path.name: {"bytes": disk_usage(path), "removed": timestamp()} for path in gone}
    write_json(folder.cleaned, {**told, **names})
    for path in gone:
        remove(path)
    _strike_out(folder, [path.name for path in gone])


def removed_artifacts(folder: RunFolder) -> dict[str, Any]:
    """Return the leaves that were removed from a run and are not there, each with its bytes and when it was."""
    try:
        told = json.loads(folder.cleaned.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    known = told.items() if isinstance(told, dict) else ()
    return {name: fact for name, fact in known if isinstance(fact, dict) and not (folder.path / name).exists()}


def _strike_out(folder: RunFolder, names: Sequence[str]) -> None:
    """Take what was removed out of the manifest, which then is true again."""
    try:
        known = json.loads(folder.manifest.read_bytes())
    except (OSError, ValueError, RecursionError):  # there is none, or it guards nothing any more
        return
    if isinstance(known, dict):
        write_json(folder.manifest, {file: sum_ for file, sum_ in known.items() if file.split("/")[0] not in names})
