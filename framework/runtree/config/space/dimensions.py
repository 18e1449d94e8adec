"""The space: what a tuner may choose, from text in Hydra's sweep grammar."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from runtree.config.catalogue import flatten
from runtree.config.space.condition import Condition, condition, join_conditions
from runtree.config.space.domains import WHEN, Options, domain_of, domain_text
from runtree.config.space.grammar import POSSIBLE
from runtree.config.task import for_task
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.search import Dimension

KEYS = ("space", "when")


def dimension(
    path: str,
    declared: Any,
    defaults: Mapping[str, Any],
    *,
    known: Iterable[str] = (),
    options: Options | None = None,
    seed: int = 0,
) -> Dimension:
    """Read what is declared for one config path.

    Parameters
    ----------
    declared
        Text in Hydra's sweep grammar, a list of values, or a mapping with `space` and `when`.
    defaults
        The base config, nested or by dotted path: what a condition reads of a path that is not chosen. Its paths and
        `known` are those that a condition may name; where there are none, no name is checked.
    options
        Names the options of a config group, for `glob(…)`.
    seed
        Decides the order of what `shuffle` is said of; the same one gives the same order.

    Raises
    ------
    ConfigError
        It is no sweep, holds no value, or its condition cannot be read.
    """
    space, own = _parts(path, declared)
    domain, whens = domain_of(path, space, options, seed)
    text = space if isinstance(space, str) else domain_text(path, domain)
    names = _paths(defaults, known)
    prefix = path.rpartition(".")[0] + "." if "." in path else ""
    read = partial(condition, prefix=prefix, defaults=defaults, known=names, where=f"when of {path}")
    return Dimension(path, domain, join_conditions([read(when) for when in [*whens, own] if when]), text)


def _paths(defaults: Mapping[str, Any], known: Iterable[str]) -> set[str]:
    """Return every path that a condition may name: values, and the nodes that they lie in."""
    parts = [path.split(".") for path in (*flatten(defaults), *known)]
    return {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}


def block(
    node: Mapping[str, Any],
    prefix: str,
    task: str,
    defaults: Mapping[str, Any],
    *,
    when: str = "",
    known: Iterable[str] = (),
    options: Options | None = None,
    seed: int = 0,
) -> list[Dimension]:
    """Read a whole block such as an algorithm's `space`: keys are paths below `prefix` ("algorithm.", or nothing).

    What differs by task is taken for `task`; a key without a value for it is left out. `when` is a condition that all
    are under beside their own, with paths from the top. The dimensions come in an order in which each condition asks
    only for what stands before it.
    """
    spaces = {
        prefix + key: _for_task(declared, task) for key, declared in for_task(node, task, prefix + "space").items()
    }
    held = {path: declared for path, declared in spaces.items() if declared is not None}
    names = [*known, *held] if known or defaults else []
    found = [dimension(path, own, defaults, known=names, options=options, seed=seed) for path, own in held.items()]
    if when:
        guard = condition(when, defaults=defaults, known=_paths(defaults, names), where=f"when of {prefix}space")
        found = [replace(one, when=join_conditions([guard, one.when])) for one in found]
    return ordered(found)


def _for_task(declared: Any, task: str) -> Any:
    if not isinstance(declared, Mapping):
        return declared
    held = for_task(declared, task, "space")
    return None if "space" in declared and "space" not in held else held


def ordered(dimensions: Iterable[Dimension]) -> list[Dimension]:
    """Return dimensions so that each stands behind those that its condition asks for, otherwise as they were.

    Raises
    ------
    ConfigError
        Conditions ask for each other, or for the very dimension that they belong to.
    """
    left, placed = list(dimensions), list[Dimension]()
    while left:
        first = next((one for one in left if not any(_asks(one, other) for other in left)), None)
        if first is None:
            names = ", ".join(one.path for one in left if any(_asks(other, one) for other in left))
            raise ConfigError(f"{names}: the conditions (when) go round in a circle", "take one of them away")
        left.remove(first)
        placed.append(first)
    return placed


def _asks(one: Dimension, other: Dimension) -> bool:
    paths = one.when.paths if isinstance(one.when, Condition) else ()
    return any(path == other.path or path.startswith(other.path + ".") for path in paths)


def text_of(dimension: Dimension) -> str:
    """Return the one line that stands for a dimension's domain and condition; `dimension` reads it back."""
    tags = [WHEN + dimension.when.text] if isinstance(dimension.when, Condition) else []
    return domain_text(dimension.path, dimension.domain, *tags)


def _parts(path: str, declared: Any) -> tuple[Any, str]:
    """Part what is declared into the domain and the condition."""
    if not isinstance(declared, Mapping):
        return declared, ""
    for key in declared:
        if key not in KEYS:
            raise unknown(f"key in the space of {path}:", str(key), KEYS, POSSIBLE, error=ConfigError)
    if "space" not in declared:
        raise ConfigError(f"{path}: its space is missing", f"write {path}: {{space: 'interval(0, 1)', when: 'a == b'}}")
    return declared["space"], str(declared.get("when") or "")
