"""The manifest: a sha256 for each file of a run, so that a changed byte is noticed."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from runtree.contract.errors import RequestError
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json

BLOCK = 1 << 20


def sha256(file: Path) -> str:
    """Hash a file's content."""
    found = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def write_manifest(folder: RunFolder) -> None:
    """Hash every file of a run but the log, which is written to until the very end."""
    write_json(folder.manifest, {file.relative_to(folder.path).as_posix(): sha256(file) for file in folder.files()})


def amend_manifest(folder: RunFolder, files: Iterable[Path]) -> None:
    """Take files into the manifest that were made again from the others; what it says of the others stays."""
    try:
        known = json.loads(folder.manifest.read_bytes())
    except (OSError, ValueError, RecursionError):  # there is none, or it guards nothing any more
        return
    if isinstance(known, dict):
        new = {file.relative_to(folder.path).as_posix(): sha256(file) for file in files}
        write_json(folder.manifest, dict(sorted({**known, **new}.items())))


def check_manifest(folder: RunFolder, below: Path) -> None:
    """Refuse files below a folder that are not what they were when the run ended."""
    if not folder.manifest.is_file():
        raise RequestError(f"{folder.path}: there is no manifest.json, so nobody can say what the model should be")
    known: dict[str, str] = json.loads(folder.manifest.read_text())
    files = {file.relative_to(folder.path).as_posix(): file for file in sorted(below.rglob("*")) if file.is_file()}
    expected = {name for name in known if name.startswith(f"{below.relative_to(folder.path).as_posix()}/")}
    for name in sorted(expected | set(files)):
        if name not in files or name not in known or sha256(files[name]) != known[name]:
            raise RequestError(f"{folder.path / name}: not the file that the run wrote", "train again, or restore it")
