"""Files that are whole or not there: written aside in the same folder, fsynced, moved into place."""

import json
import math
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace a file at once; on a full disk the old one stays as it was.

    `durable` waits until it would survive a loss of power; what a sweep's ledger can restore need not.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write_whole(aside, content, durable)
        aside.replace(path)
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


def encoded(text: str) -> bytes:
    """Return a text as UTF-8; half a surrogate, as in file names that are no UTF-8, as JSON and Python escape it."""
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, content: Any, durable: bool = True) -> None:
    """Replace a JSON file at once. Keys keep their order; NaN and infinities become null."""
    write_text(path, json.dumps(jsonable(content), indent=1, ensure_ascii=False) + "\n", durable)


def write_lines(path: Path, content: Mapping[str, Any], durable: bool = True) -> None:
    """Replace a JSON file at once, a line for each of its keys: quick to write, and still to be read by people."""
    lines = (f"{json.dumps(str(key))}: {_dumped(value)}" for key, value in content.items())
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n", durable)


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # a path, a numpy scalar, NaN: seldom enough to look twice
        return json.dumps(jsonable(value), ensure_ascii=False)


def write_yaml(path: Path, content: Mapping[str, Any], durable: bool = True) -> None:
    """Replace a YAML file at once."""
    sections = (_section(str(key), _dumped(value)) for key, value in content.items())
    write_text(path, "".join(sections) or "{}\n", durable)


@lru_cache(maxsize=256)
def _section(key: str, value: str) -> str:
    """Return one key of a YAML file. The runs of a sweep share most of theirs, and YAML is slow to write."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump({key: json.loads(value)}, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


def jsonable(value: Any) -> Any:
    """Return a value that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "item") and callable(value.item):  # a numpy scalar
        return jsonable(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def append_line(path: Path, content: Any) -> None:
    """Append one JSON line; a reader drops a torn last one."""
    with path.open("ab") as file:
        file.write(encoded(json.dumps(jsonable(content), ensure_ascii=False)) + b"\n")
