"""Files that are complete or do not exist: written to a temporary file in the same folder, fsynced, renamed."""

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from textwrap import indent
from threading import get_ident
from typing import Any

from runtree.contract.files import APPEND, create_file, open_regular
from runtree.contract.redaction import holds_secret, redact_values
from runtree.contract.storage import naming


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace a file atomically; on a full disk the old one stays as it was.

    With `durable` the new file survives a power failure when this returns. Files that can be restored from the ledger
    of a sweep do not need that.
    """
    # in the same folder, because a rename is atomic only within a file system
    aside = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")  # processes and threads may write at once
    try:
        _write_whole(aside, content, durable)
        os.replace(aside, path)  # noqa: PTH105 - Path.replace takes three times as long, for a return value we do not need
    except OSError as error:
        with suppress(OSError):  # the first error is the one to tell
            aside.unlink(missing_ok=True)
        error.filename = str(path)  # it has none, or that of the temporary file
        raise
    if durable:  # the rename is an entry of the folder, which the fsync of the file does not cover
        sync_folder(path.parent)


def _write_whole(path: Path, content: bytes, durable: bool) -> None:
    file = create_file(path)
    try:
        left = memoryview(content)
        while left:  # write() may write less than it is given, without an error
            left = left[os.write(file, left) :]
        if durable:  # before the rename: else a power failure may leave the new name with no content
            os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable: new, renamed and removed files."""
    # a folder is opened to be synced: its entries have no other handle
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Replace a text file atomically."""
    write_bytes(path, encode_text(text), durable)


def write_json(path: Path, content: Any, durable: bool = True) -> None:
    """Replace a JSON file atomically. Keys keep their order; NaN and infinities become null."""
    write_bytes(path, dump_json(content, spaces=1) + b"\n", durable)


def write_lines(path: Path, content: Mapping[str, Any], durable: bool = True) -> None:
    """Replace a JSON file atomically, with one line for each key: fast to write, and still readable."""
    lines = (dump_json(str(key)) + b": " + dump_json(value, spaces=0) for key, value in content.items())
    write_bytes(path, b"{\n" + b",\n".join(lines) + b"\n}\n", durable)


def write_yaml(path: Path, content: Mapping[str, Any], durable: bool = True) -> None:
    """Replace a YAML file atomically."""
    write_text(path, dump_yaml(content), durable)


def append_line(path: Path, content: Any) -> None:
    """Append one JSON line. Readers skip a torn last line."""
    # opened each time: a handle that is kept would be shared with forked workers
    with naming(path), os.fdopen(open_regular(path, APPEND), "ab") as file:
        file.write(dump_json(content, spaces=0) + b"\n")


ENCODE_ERRORS = (
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
)  # of a key that is not text, of a set, of too deep nesting


def dump_json(value: Any, spaces: int | None = None) -> bytes:
    """Return a value as JSON on one line, or indented by `spaces` a level; NaN and infinities become null.

    Keys keep their order. Types that JSON does not have (a path, a numpy scalar) become numbers or text. Secrets are
    hidden.
    """
    content = _encode_json(value, spaces)
    # the bytes are searched first, which is fast; only where a secret occurs the value is redacted part by part, since
    # one that looks like a number must not be cut out of a number
    return _encode_json(redact_values(json.loads(content)), spaces) if holds_secret(content) else content


def _encode_json(value: Any, spaces: int | None) -> bytes:
    # msgspec writes several times as fast as json, on one line; its `format` lays the bytes out again
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
    """Convert a value to types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    # by its method, so that NumPy need not be imported
    if hasattr(value, "item") and callable(value.item):  # a numpy scalar
        return jsonable(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def encode_text(text: str) -> bytes:
    """Return text as UTF-8, without secrets. Half a surrogate pair, as in some file names, is escaped as in JSON."""
    # a name of a file that is not UTF-8 must not fail the record of a run
    return str(redact_values(text)).encode("utf-8", "backslashreplace")


def dump_yaml(content: Mapping[str, Any]) -> str:
    """Return a mapping as YAML, without secrets. Keys keep their order."""
    text = _encode_yaml(content)
    return _encode_yaml(redact_values(json.loads(_packed(content)))) if holds_secret(text) else text


def _encode_yaml(content: Mapping[str, Any]) -> str:
    return "".join(_entry(str(key), _packed(value)) for key, value in content.items()) or "{}\n"


def _packed(value: Any) -> str:
    """Return text that is the same for equal values of one type. Unlike JSON, YAML has infinity and NaN."""
    try:
        return json.dumps(value)
    except TypeError:  # a path, a numpy scalar
        return json.dumps(jsonable(value))


@lru_cache(maxsize=2048)
def _entry(key: str, packed: str) -> str:
    """Return one key of a YAML mapping. It is cached: YAML is slow to write, and runs of a sweep share most keys."""
    value = json.loads(packed)
    head = _dumped({key: None}).removesuffix(" null\n") + "\n"
    # a key that YAML quotes or puts on a line of its own (`? key`) is written whole
    if not isinstance(value, dict) or not value or not head.endswith(":\n"):
        return _dumped({key: value})
    return head + indent("".join(_entry(str(name), _packed(item)) for name, item in value.items()), "  ")


def _dumped(node: Mapping[str, Any]) -> str:
    import yaml

    # libyaml is not in every build of PyYAML
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(node, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text
