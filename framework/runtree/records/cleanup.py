"""Removal from the output tree. A process that is killed meanwhile leaves nothing that looks complete.

A file or folder is first renamed, in its own folder, to a name that every listing ignores, and removed after that. No
symbolic link is followed.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runtree.contract.files import read_regular
from runtree.records.layout import RunFolder, timestamp
from runtree.records.writer import write_json

REMOVABLE_KINDS = ("failed", "artifacts", "attempts", "incomplete")  # of what can be removed
# a dot, because every listing ignores hidden names
REMOVED_PREFIX = ".removed-"  # prefix of a name while it is being removed
ARTIFACTS = ("model", "plots", "checkpoints", "predictions.parquet")  # large, and not needed to compare runs


def disk_usage(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder. A file that vanishes meanwhile counts as 0."""
    # a link to a data set elsewhere is not space that could be freed here
    if path.is_symlink() or not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def remove(path: Path) -> None:
    """Rename a file or a folder, then remove it.

    Raises
    ------
    OSError
        It cannot be renamed, or not removed completely; the rest has a name that listings ignore.
    """
    aside = (
        path if path.name.startswith(REMOVED_PREFIX) else path.with_name(f"{REMOVED_PREFIX}{path.name}-{os.getpid()}")
    )
    # a rename is atomic, rmtree is not: a kill in the middle of
    # rmtree would leave a folder that looks like a damaged run
    if aside != path:
        path.rename(aside)
    # of a link only the link is removed, never what it points to
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)


def unfinished_removals(folder: Path) -> Iterator[Path]:
    """Yield what interrupted removals have left in a folder."""
    yield from sorted(path for path in folder.glob(f"{REMOVED_PREFIX}*") if not path.is_symlink())


def list_artifacts(folder: RunFolder) -> list[Path]:
    """Return the artifacts that a run has."""
    paths = [folder.path / name for name in ARTIFACTS]
    return [path for path in paths if path.exists() and not path.is_symlink()]


def remove_artifacts(folder: RunFolder, paths: Sequence[Path]) -> None:
    """Remove artifacts of a run.

    ``cleaned.json`` is written first: after a kill it names artifacts that may still be there, which readers check. The
    manifest is updated last, because until then it must still match the files.
    """
    before = removed_artifacts(folder)
    # sizes are taken before anything is removed
    names = {path.name: {"bytes": disk_usage(path), "removed": timestamp()} for path in paths}
    write_json(folder.cleaned, {**before, **names})
    for path in paths:
        remove(path)
    _delete_from_manifest(folder, [path.name for path in paths])


def removed_artifacts(folder: RunFolder) -> dict[str, Any]:
    """Return the artifacts that were removed from a run, each with its bytes and the time."""
    try:
        content = json.loads(read_regular(folder.cleaned))
    except (OSError, ValueError, RecursionError):
        return {}
    known = content.items() if isinstance(content, dict) else ()
    return {name: fact for name, fact in known if isinstance(fact, dict) and not (folder.path / name).exists()}


def _delete_from_manifest(folder: RunFolder, names: Sequence[str]) -> None:
    """Delete names from the manifest."""
    try:
        known = json.loads(read_regular(folder.manifest))
    except (OSError, ValueError, RecursionError):  # missing or damaged: it protects nothing any more
        return
    if isinstance(known, dict):
        write_json(folder.manifest, {file: digest for file, digest in known.items() if file.split("/")[0] not in names})
