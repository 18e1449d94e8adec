"""The condition (`when`) under which a dimension of a search space takes part."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.expression import Expression, all_of, parse

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


def condition(
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
    given = [condition for condition in conditions if condition is not None]
    joined = all_of(condition.expression for condition in given)
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


def constraint(text: str) -> tuple[str, Callable[[float], float]]:
    """Read `validation.log_loss <= 0.3`: the metric's name, and by how much a value violates it (positive: violated).

    Raises
    ------
    ConfigError
        Where it is anything but a metric, <= or >=, and a number.
    """
    bound = parse(text, source="tuner.constraints", error=ConfigError).bound
    if bound is None or bound.operator not in ("<=", ">=") or not math.isfinite(bound.limit):
        raise ConfigError(
            f"tuner.constraints: '{text}' does not bound a metric",
            "possible: a metric, <= or >=, and a number",
            "for example: 'tuner.constraints=\"validation.log_loss <= 0.3\"'",
        )
    return bound.name, partial(_violation, bound.limit, 1 if bound.operator == "<=" else -1)


def _violation(limit: float, sign: int, value: float) -> float:
    # a metric that was not measured violates its bound without limit: no sampler takes NaN
    return math.inf if math.isnan(value) else sign * (value - limit)
