"""Dimensions of a search space: what a tuner may choose for a config path, and under which condition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from runtree.config.catalogue import flatten, for_task
from runtree.config.space.domains import WHEN, Options, domain_text, parse_domain
from runtree.config.space.grammar import POSSIBLE
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.expression import Expression, all_of, parse
from runtree.contract.search import Dimension

MISSING = object()


@dataclass(frozen=True)
class Condition:
    """An expression over config paths.

    A path that was not chosen, perhaps because its own condition is false, has its value in `defaults`, the base config
    (dotted or nested). A path that is in neither is null.
    """

    expression: Expression
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """Return the condition as it was written."""
        return self.expression.text

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the config paths that it reads."""
        return self.expression.names

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether it is true of the values chosen so far, by config path."""
        return self.expression.evaluate(partial(self._read, values))

    __call__ = holds

    def _read(self, values: Mapping[str, Any], path: str) -> Any:
        value = lookup(path, values)
        value = lookup(path, self.defaults) if value is MISSING else value
        return None if value is MISSING else value


def parse_condition(
    text: str,
    *,
    prefix: str = "",
    defaults: Mapping[str, Any] | None = None,
    known: Iterable[str] = (),
    where: str = "when",
) -> Condition:
    """Parse a condition.

    Parameters
    ----------
    prefix
        "algorithm.": a name is the sibling `prefix` + name if there is one, else a path from the top.
    known
        Every config path. If there are none, no name is checked, and a name without a dot is a sibling.
    where
        The config path that errors name.

    Raises
    ------
    ConfigError
        With the position of the mistake, or with the nearest paths to an unknown one.
    """
    paths = frozenset(known)

    def known_path(name: str) -> str | None:
        return next((path for path in (prefix + name, name) if path in paths), None)

    def path(name: str) -> str | None:
        return known_path(name) if paths else name if "." in name else prefix + name

    siblings = (path.removeprefix(prefix) for path in paths if prefix and path.startswith(prefix))
    expression = parse(
        text,
        source=where,
        resolve=path,
        word_as_name=known_path,
        known=[*paths, *siblings],
        kind="config path",
        error=ConfigError,
    )
    return Condition(expression, defaults or {})


def join_conditions(conditions: Sequence[Any]) -> Condition | None:
    """Return the condition that is true if all of these are; None stands for no condition."""
    given = [parse_condition for parse_condition in conditions if parse_condition is not None]
    joined = all_of(parse_condition.expression for parse_condition in given)
    return Condition(joined, given[0].defaults) if joined else None


def lookup(path: str, values: Mapping[str, Any]) -> Any:
    """Return the value of a config path, which may lie inside the value of a shorter path, or MISSING."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        if head in values:
            return _descend(values[head], parts[length:])
    return MISSING


def _descend(value: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


KEYS = ("space", "when")


def parse_dimension(
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
    domain, whens = parse_domain(path, space, options, seed)
    text = space if isinstance(space, str) else domain_text(path, domain)
    names = _paths(defaults, known)
    prefix = path.rpartition(".")[0] + "." if "." in path else ""
    read = partial(parse_condition, prefix=prefix, defaults=defaults, known=names, where=f"when of {path}")
    return Dimension(path, domain, join_conditions([read(when) for when in [*whens, own] if when]), text)


def _paths(defaults: Mapping[str, Any], known: Iterable[str]) -> set[str]:
    """Return every path that a condition may name: values, and the nodes that they lie in."""
    parts = [path.split(".") for path in (*flatten(defaults), *known)]
    return {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}


def parse_space(
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
    found = [
        parse_dimension(path, own, defaults, known=names, options=options, seed=seed) for path, own in held.items()
    ]
    if when:
        guard = parse_condition(when, defaults=defaults, known=_paths(defaults, names), where=f"when of {prefix}space")
        found = [replace(one, when=join_conditions([guard, one.when])) for one in found]
    return sort_by_conditions(found)


def _for_task(declared: Any, task: str) -> Any:
    if not isinstance(declared, Mapping):
        return declared
    held = for_task(declared, task, "space")
    return None if "space" in declared and "space" not in held else held


def sort_by_conditions(dimensions: Iterable[Dimension]) -> list[Dimension]:
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


def dimension_text(parse_dimension: Dimension) -> str:
    """Return the one line that stands for a dimension's domain and condition; `dimension` reads it back."""
    tags = [WHEN + parse_dimension.when.text] if isinstance(parse_dimension.when, Condition) else []
    return domain_text(parse_dimension.path, parse_dimension.domain, *tags)


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
