"""The manifest: the sha256 of each file of a run, so that any change is detected."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from runtree.contract.errors import RequestError
from runtree.contract.files import read_regular
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json

BLOCK = 1 << 20


def sha256(file: Path) -> str:
    """Return the hash of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(folder: RunFolder) -> None:
    """Write the hash of every file of a run, except the log, which is written until the very end."""
    # POSIX paths: the manifest must be the same wherever the folder is copied
    write_json(folder.manifest, {file.relative_to(folder.path).as_posix(): sha256(file) for file in folder.files()})


def amend_manifest(folder: RunFolder, files: Iterable[Path]) -> None:
    """Update the manifest for files that were made again, such as a report."""
    try:
        known = json.loads(read_regular(folder.manifest))
    except (OSError, ValueError, RecursionError):  # missing or damaged: it protects nothing any more
        return
    if isinstance(known, dict):
        new = {file.relative_to(folder.path).as_posix(): sha256(file) for file in files}
        write_json(folder.manifest, dict(sorted({**known, **new}.items())))


def check_manifest(folder: RunFolder, below: Path) -> None:
    """Refuse a folder whose files are not those that the run wrote.

    Raises
    ------
    RequestError
        There is no manifest, or a file is changed, missing or new.
    """
    if not folder.manifest.is_file():
        raise RequestError(f"{folder.path}: there is no manifest.json, so the model cannot be verified")
    try:
        known: dict[str, str] = dict(json.loads(read_regular(folder.manifest)))
    except (OSError, ValueError, TypeError, RecursionError):
        raise RequestError(f"{folder.manifest}: cannot be read, so the model cannot be verified") from None
    files = {file.relative_to(folder.path).as_posix(): file for file in sorted(below.rglob("*")) if file.is_file()}
    # both directions: a file that was added could be loaded with the model, too
    expected = {name for name in known if name.startswith(f"{below.relative_to(folder.path).as_posix()}/")}
    for name in sorted(expected | set(files)):
        if name not in files or name not in known or sha256(files[name]) != known[name]:
            raise RequestError(f"{folder.path / name}: not the file that the run wrote", "train again, or restore it")
