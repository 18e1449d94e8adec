"""Reads blocks of keys that are not options of a group, such as `fit` and `decision`, into frozen dataclasses."""

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
    check: Callable[[Options], None] | None = None,
) -> Options:
    """Read a node into a dataclass.

    Parameters
    ----------
    parts
        The keys that are mappings, and the dataclass of each.
    check
        Refuses values that are of the right type but not possible.

    Raises
    ------
    ConfigError
        An unknown key, a value of the wrong type, or one that `check` refuses.
    """
    # a dict is not hashable, so the cache is keyed by JSON; the blocks hold only types that JSON has
    text = json.dumps(node, sort_keys=True, default=str)
    factory: Any = kind
    options: Options = _read(text, factory, path, tuple(parts.items()), check)
    return options


# the runs of a sweep share their blocks, and checking the types of one takes half a millisecond
@lru_cache(maxsize=256)
def _read(
    text: str, kind: Any, path: str, parts: tuple[tuple[str, type], ...], check: Callable[[Any], None] | None
) -> Any:
    # read back rather than passed on: the cached dataclass shares no list with the config of one run
    values = json.loads(text)
    for name, part in parts:
        if isinstance(values.get(name), Mapping):
            check_arguments(part, values[name], f"{path}.{name}")
            values[name] = part(**values[name])
        elif name in values:
            known = ", ".join(field.name for field in fields(part))
            raise ConfigError(f"{path}.{name}: {values[name]!r} is not a mapping", f"possible keys: {known}")
    check_arguments(kind, values, path)
    options = kind(**values)
    if check is not None:
        check(options)
    return options
