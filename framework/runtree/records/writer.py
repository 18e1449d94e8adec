"""Files that are whole or not there: written aside in the same folder, fsynced, moved into place."""

import json
import math
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from textwrap import indent
from threading import get_ident
from typing import Any


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace a file at once; on a full disk the old one stays as it was.

    `durable` waits until it would survive a loss of power; what a sweep's ledger can restore need not.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")  # processes and threads may write at once
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
    write_bytes(path, encode_text(text), durable)


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


# --- How what is recorded is written as text: JSON by msgspec, YAML in entries that runs share.

ENCODE_ERRORS = (TypeError, ValueError, OverflowError, RecursionError)  # what a key that is no text, a set … end in


def dump_json(value: Any, spaces: int | None = None) -> bytes:
    """Return a value as JSON on one line, or with `spaces` for each level; NaN and infinities become null.

    Keys keep their order. What JSON does not know (a path, a numpy scalar) is told as a number or a text.
    """
    encode, layout = _writer()
    try:
        content: bytes = encode(value)
    except ENCODE_ERRORS:
        # msgspec's own layout refuses half a surrogate pair, which `encode_text` escapes
        separators = (",", ":") if spaces is None else (", ", ": ") if spaces == 0 else (",", ": ")
        text = json.dumps(jsonable(value), ensure_ascii=False, separators=separators, indent=spaces or None)
        return encode_text(text)
    return content if spaces is None else layout(content, indent=spaces)


@lru_cache(maxsize=1)
def _writer() -> tuple[Any, Any]:
    from msgspec.json import Encoder, format

    return Encoder(enc_hook=jsonable).encode, format


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


def encode_text(text: str) -> bytes:
    """Return a text as UTF-8; half a surrogate, as in file names that are no UTF-8, as JSON and Python escape it."""
    return text.encode("utf-8", "backslashreplace")


def dump_yaml(content: Mapping[str, Any]) -> str:
    """Return a mapping as YAML, its keys in their order."""
    return "".join(_entry(str(key), _packed(value)) for key, value in content.items()) or "{}\n"


def _packed(value: Any) -> str:
    """Return a value as a text that is the same for the same value of the same type; YAML knows infinity and NaN."""
    try:
        return json.dumps(value)
    except TypeError:  # a path, a numpy scalar
        return json.dumps(jsonable(value))


@lru_cache(maxsize=2048)
def _entry(key: str, packed: str) -> str:
    """Return one key of a YAML mapping. The runs of a sweep share most of theirs, and YAML is slow to write."""
    value = json.loads(packed)
    head = _dumped({key: None}).removesuffix(" null\n") + "\n"
    if not isinstance(value, dict) or not value or not head.endswith(":\n"):
        return _dumped({key: value})
    return head + indent("".join(_entry(str(name), _packed(item)) for name, item in value.items()), "  ")


def _dumped(node: Mapping[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(node, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text
