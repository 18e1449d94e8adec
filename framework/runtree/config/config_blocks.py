"""Blocks of keys that are no choice of a group, such as `fit` and `decision`: read into frozen dataclasses, checked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

from runtree.config.build import check_arguments
from runtree.contract.errors import ConfigError

Options = TypeVar("Options")


def read_block(
    kind: type[Options],
    node: Mapping[str, Any],
    path: str,
    parts: Mapping[str, type],
    check: Callable[[Options], None],
) -> Options:
    """Read a node into a dataclass.

    Parameters
    ----------
    parts
        The keys that are mappings, each with the dataclass that it is read into.
    check
        Refuses values that are of the right type and cannot be.

    Raises
    ------
    ConfigError
        An unknown key, a value of the wrong type, or one that `check` refuses.
    """
    text = json.dumps(node, sort_keys=True, default=str)
    factory: Any = kind
    found: Options = _read(text, factory, path, tuple(parts.items()), check)
    return found


@lru_cache(
    maxsize=256
)  # the runs of a sweep share their blocks, and to check the types of one takes half a millisecond
def _read(text: str, kind: Any, path: str, parts: tuple[tuple[str, type], ...], check: Callable[[Any], None]) -> Any:
    given = json.loads(text)
    for name, part in parts:
        if isinstance(given.get(name), Mapping):
            check_arguments(part, given[name], f"{path}.{name}")
            given[name] = part(**given[name])
        elif name in given:
            known = ", ".join(one.name for one in fields(part))
            raise ConfigError(f"{path}.{name}: {given[name]!r} is no mapping", f"it holds: {known}")
    check_arguments(kind, given, path)
    options = kind(**given)
    check(options)
    return options
