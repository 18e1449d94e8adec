"""Settings and the switch of stages and metrics: the config keys ``stages.<name>.<key>`` and ``metrics.<name>.<key>``.

A plugin declares the settings of a `Stage` or a `Metric` with their default values, and its function takes them as
keywords. A plain mapping beside the other root keys, because any number of stages and metrics takes part in a run,
while a config group has one option.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from runtree.contract.errors import ConfigError, unknown

SWITCH = "enabled"
PLAIN = (bool, int, float, str, list, tuple, type(None))


def check_settings(owner: str, function: Callable[..., Any], settings: Any) -> None:
    """Refuse declared settings that are no plain values by name, or that the function does not take."""
    if not isinstance(settings, Mapping):
        raise TypeError(f"{owner}: settings is {settings!r:.80}, not a mapping from names to default values")
    if not settings:
        return
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        parameters = None
    takes_all = parameters is None or any(item.kind is item.VAR_KEYWORD for item in parameters.values())
    for key, default in settings.items():
        if not isinstance(key, str) or not key.isidentifier() or key == SWITCH:
            raise ValueError(f"{owner}: a setting cannot be named {key!r}")
        if not isinstance(default, PLAIN):
            raise TypeError(f"{owner}: the default of the setting '{key}' is {default!r:.80}, not a plain value")
        if not takes_all and key not in (parameters or ()):
            raise ValueError(f"{owner}: its function takes no keyword '{key}', which is one of its settings")


def read_settings(group: str, node: Any, declared: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what a config sets, by name; the key `enabled` is known of each.

    Parameters
    ----------
    declared
        The default values of the settings by name.

    Raises
    ------
    ConfigError
        A name or a key that is not declared, or a value of another type than the default's.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for name, values in _mapping(group, node).items():
        if name not in declared:
            raise unknown(f"{group[:-1]} at {group}:", name, declared, error=ConfigError)
        known = {SWITCH: True, **declared[name]}
        for key, value in _mapping(f"{group}.{name}", values).items():
            path = f"{group}.{name}.{key}"
            if key not in known:
                raise unknown(f"key at {group}.{name}:", key, known, error=ConfigError)
            _check_value(path, value, known[key])
            # 1 and 1.0 are one setting, and lead to one fingerprint of scores
            chosen.setdefault(name, {})[key] = float(value) if isinstance(known[key], float) else value
    return chosen


def _mapping(path: str, node: Any) -> Mapping[str, Any]:
    if not isinstance(node, Mapping | None):
        raise ConfigError(f"{path}: {node!r} is not a mapping", f"type: {path}.KEY=VALUE")
    return node or {}


def _check_value(path: str, value: Any, default: Any) -> None:
    kinds: tuple[type, ...] = (list, tuple) if isinstance(default, (list, tuple)) else (type(default),)
    kinds = (float, int) if kinds == (float,) else kinds
    # bool is a subclass of int, and 1 is not true
    fits = type(value) in kinds if isinstance(default, (bool, int, float)) else isinstance(value, kinds)
    if default is not None and not fits:
        raise ConfigError(f"{path}: {value!r} is not of the type {kinds[0].__name__}", f"its default is {default!r}")
