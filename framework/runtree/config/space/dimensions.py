"""Dimensions of a search space: the values that a tuner may choose for a config path, and their conditions."""

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
        # a sibling wins over a path from the top, as a local name does
        return next((path for path in (prefix + name, name) if path in paths), None)

    def path(name: str) -> str | None:
        # without known paths no name can be checked, and the dot decides
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
    present = [condition for condition in conditions if condition is not None]
    # all conditions of one dimension have the same base config
    joined = all_of(condition.expression for condition in present)
    return Condition(joined, present[0].defaults) if joined else None


def lookup(path: str, values: Mapping[str, Any]) -> Any:
    """Return the value of a config path, which may be inside the value of a shorter path, or MISSING."""
    # a chosen value may be a mapping, and a condition may read a key inside it: the longest known prefix wins
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
    """Parse the declaration of one config path.

    Parameters
    ----------
    declared
        Text in Hydra's sweep grammar, a list of values, or a mapping with `space` and `when`.
    defaults
        The base config, nested or by dotted path: the values of paths that are not chosen. A condition may name its
        paths and `known`; if there are none, no name is checked.
    options
        Returns the options of a config group, for `glob(…)`.
    seed
        Of `shuffle`: the same seed gives the same order.

    Raises
    ------
    ConfigError
        It is not a sweep, has no value, or its condition cannot be parsed.
    """
    space, when = _split(path, declared)
    domain, whens = parse_domain(path, space, options, seed)
    text = space if isinstance(space, str) else domain_text(path, domain)
    names = _paths(defaults, known)
    # a bare name in a condition is a sibling of the dimension, if there is one
    prefix = path.rpartition(".")[0] + "." if "." in path else ""
    read = partial(parse_condition, prefix=prefix, defaults=defaults, known=names, where=f"when of {path}")
    return Dimension(path, domain, join_conditions([read(text) for text in [*whens, when] if text]), text)


def _paths(defaults: Mapping[str, Any], known: Iterable[str]) -> set[str]:
    """Return every path that a condition may name: leaves and the nodes above them."""
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
    """Parse a block such as an algorithm's `space`: keys are paths below `prefix` ("algorithm.", or nothing).

    Of values that differ by task those for `task` are used; keys without one are left out. `when` is a condition on all
    dimensions beside their own, with paths from the top. The dimensions are sorted by their conditions.
    """
    # values that differ by task are resolved at both levels: the mapping of a key, and `space` inside it
    spaces = {
        prefix + key: _for_task(declared, task) for key, declared in for_task(node, task, prefix + "space").items()
    }
    declarations = {path: declared for path, declared in spaces.items() if declared is not None}
    names = [*known, *declarations] if known or defaults else []
    parse_one = partial(parse_dimension, defaults=defaults, known=names, options=options, seed=seed)
    dimensions = [parse_one(path, declared) for path, declared in declarations.items()]
    if when:
        guard = parse_condition(when, defaults=defaults, known=_paths(defaults, names), where=f"when of {prefix}space")
        dimensions = [replace(each, when=join_conditions([guard, each.when])) for each in dimensions]
    return sort_by_conditions(dimensions)


def _for_task(declared: Any, task: str) -> Any:
    if not isinstance(declared, Mapping):
        return declared
    chosen = for_task(declared, task, "space")
    return None if "space" in declared and "space" not in chosen else chosen


def sort_by_conditions(dimensions: Iterable[Dimension]) -> list[Dimension]:
    """Return dimensions with each after those that its condition reads, otherwise in the same order.

    Raises
    ------
    ConfigError
        Conditions depend on each other, or on their own dimension.
    """
    # quadratic, but stable: the order of dimensions is that of the command line, and tuners depend on it
    remaining, placed = list(dimensions), list[Dimension]()
    while remaining:
        ready = next((each for each in remaining if not any(_reads(each, other) for other in remaining)), None)
        if ready is None:
            # of the rest only those that others read are in a cycle or lead to one
            names = ", ".join(each.path for each in remaining if any(_reads(other, each) for other in remaining))
            raise ConfigError(f"{names}: the conditions (when) form a cycle", "remove one of them")
        remaining.remove(ready)
        placed.append(ready)
    return placed


def _reads(dimension: Dimension, other: Dimension) -> bool:
    paths = dimension.when.paths if isinstance(dimension.when, Condition) else ()
    return any(path == other.path or path.startswith(other.path + ".") for path in paths)


def dimension_text(parse_dimension: Dimension) -> str:
    """Return a dimension's domain and condition as text that `parse_dimension` parses back."""
    tags = [WHEN + parse_dimension.when.text] if isinstance(parse_dimension.when, Condition) else []
    return domain_text(parse_dimension.path, parse_dimension.domain, *tags)


def _split(path: str, declared: Any) -> tuple[Any, str]:
    """Split a declaration into domain and condition."""
    if not isinstance(declared, Mapping):
        return declared, ""
    for key in declared:
        if key not in KEYS:
            raise unknown(f"key in the space of {path}:", str(key), KEYS, POSSIBLE, error=ConfigError)
    if "space" not in declared:
        raise ConfigError(
            f"{path}: its search space is missing", f"write {path}: {{space: 'choice(1, 2)', when: 'a == b'}}"
        )
    return declared["space"], str(declared.get("when") or "")
