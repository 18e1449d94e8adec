"""Files that are whole or not there: written aside in the same folder, fsynced, moved into place."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtree.records.dump import dump_json, dump_yaml, encoded


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace a file at once; on a full disk the old one stays as it was.

    `durable` waits until it would survive a loss of power; what a sweep's ledger can restore need not.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write_whole(aside, content, durable)
        os.replace(aside, path)  # noqa: PTH105 - Path.replace takes thrice as long, for a path that nobody asked for
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def _write_whole(path: Path, content: bytes, durable: bool) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        left = memoryview(content)
        while left:  # write() may take less than it is given, without an error
            left = left[os.write(file, left) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Replace a text file at once."""
    write_bytes(path, encoded(text), durable)


def write_json(path: Path, content: Any, durable: bool = True) -> None:
    """Replace a JSON file at once. Keys keep their order; NaN and infinities become null."""
    write_bytes(path, dump_json(content, spaces=1) + b"\n", durable)


def write_lines(path: Path, content: Mapping[str, Any], durable: bool = True) -> None:
    """Replace a JSON file at once, a line for each of its keys: quick to write, and still to be read by people."""
    lines = (dump_json(str(key)) + b": " + dump_json(value, spaces=0) for key, value in content.items())
    write_bytes(path, b"{\n" + b",\n".join(lines) + b"\n}\n", durable)


def write_yaml(path: Path, content: Mapping[str, Any], durable: bool = True) -> None:
    """Replace a YAML file at once."""
    write_text(path, dump_yaml(content), durable)


def append_line(path: Path, content: Any) -> None:
    """Append one JSON line; a reader drops a torn last one."""
    with path.open("ab") as file:
        file.write(dump_json(content, spaces=0) + b"\n")
