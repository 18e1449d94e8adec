"""How what is recorded is written as text: JSON by msgspec, YAML in entries that runs share."""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from textwrap import indent
from typing import Any

ODD = (TypeError, ValueError, OverflowError, RecursionError)  # what a key that is no text, a set … end in


def dump_json(value: Any, spaces: int | None = None) -> bytes:
    """Return a value as JSON on one line, or with `spaces` for each level; NaN and infinities become null.

    Keys keep their order. What JSON does not know (a path, a numpy scalar) is told as a number or a text.
    """
    encode, layout = _writer()
    try:
        content: bytes = encode(value)
    except ODD:
        content = encoded(json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":")))
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


def encoded(text: str) -> bytes:
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
