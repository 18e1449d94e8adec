"""Conditions: when a dimension takes part, and what bounds a metric."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from runtree.config.space.expression import Comparison, Expression, ExpressionError, Joined, Name, Negation
from runtree.config.space.reader import Reader
from runtree.contract.errors import ConfigError, unknown

LANGUAGE = "possible: == != < <= > >= in, not in, and, or, not, ( ), [a, b], e.g. solver == sgd and alpha > 0.1"
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?"
CONSTRAINT = re.compile(rf"\s*([^\s<>=!]+)\s*(<=|>=)\s*({NUMBER})\s*")
MISSING = object()


@dataclass(frozen=True)
class Condition:
    """Says yes or no to the values chosen so far.

    A path that was not chosen, and that includes one whose own condition says no, has the value of `defaults`, the base
    config, by dotted path or nested. A path that is in neither is null.
    """

    text: str
    expression: Expression
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether it is true of these values, by config path."""
        return bool(self.expression.value(partial(self._read, values)))

    __call__ = holds

    def _read(self, values: Mapping[str, Any], path: str) -> Any:
        found = lookup(path, values)
        found = lookup(path, self.defaults) if found is MISSING else found
        return None if found is MISSING else found

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the config paths that it asks for."""
        return tuple(dict.fromkeys(_paths(self.expression)))


def condition(
    text: str,
    *,
    prefix: str = "",
    defaults: Mapping[str, Any] | None = None,
    known: Iterable[str] = (),
    where: str = "when",
) -> Condition:
    """Read a condition.

    Parameters
    ----------
    prefix
        "algorithm.": a name is a sibling, `prefix` + name, if there is one, else a path from the top.
    known
        Every config path; where there is none no name is checked, and one without a dot is a sibling.
    where
        The config path that errors name.

    Raises
    ------
    ConfigError
        With the position of what is wrong, or with the nearest paths to one that is not known.
    """
    paths = frozenset(known)

    def meant(name: str) -> str | None:
        return next((path for path in (prefix + name, name) if path in paths), None)

    def path(name: str, position: int) -> str:
        if paths and meant(name) is None:
            place = f"{where}, at {position} of '{text}'"
            near = [*paths, *(path.removeprefix(prefix) for path in paths if prefix and path.startswith(prefix))]
            raise unknown(f"config path in {place}:", name, near, "write a text in quotes: 'text'", error=ConfigError)
        return meant(name) or (name if "." in name else prefix + name)

    try:
        return Condition(text, Reader(text, path, meant).read(), defaults or {})
    except ExpressionError as error:
        raise ConfigError(f"{where}: {error}, at {error.position} of '{text}'", LANGUAGE) from None


def joined(conditions: Sequence[Any]) -> Condition | None:
    """Return the condition that says yes where all of these do; None among them says nothing."""
    said = [one for one in conditions if one is not None]
    if len(said) < 2:
        return said[0] if said else None
    text = " and ".join(f"({one.text})" for one in said)
    return Condition(text, Joined("and", tuple(one.expression for one in said)), said[0].defaults)


def lookup(path: str, values: Mapping[str, Any]) -> Any:
    """Return what a config path holds, be it named itself or lie below a path that is; MISSING where it does not."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        head = ".".join(parts[:cut])
        if head in values:
            return _below(values[head], parts[cut:])
    return MISSING


def _below(value: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def _paths(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Name):
        yield expression.path
    elif isinstance(expression, Comparison | Joined | Negation):
        parts = {Comparison: "operands", Joined: "parts"}.get(type(expression))
        for part in getattr(expression, parts) if parts else (expression.part,):  # type: ignore[union-attr]
            yield from _paths(part)


def constraint(text: str) -> tuple[str, Callable[[float], float]]:
    """Read `validation.log_loss <= 0.3`: the metric's name, and what a value violates it by (positive: violated).

    Raises
    ------
    ConfigError
        Where it is anything but a metric, <= or >=, and a number.
    """
    match = CONSTRAINT.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"tuner.constraints: '{text}' bounds no metric",
            "possible: a metric, <= or >=, and a number",
            "for example: 'tuner.constraints=\"validation.log_loss <= 0.3\"'",
        )
    return match[1], partial(_violation, float(match[3]), 1 if match[2] == "<=" else -1)


def _violation(bound: float, sign: int, value: float) -> float:
    # what was not measured has not kept its bound, and no sampler takes NaN
    return math.inf if math.isnan(value) else sign * (value - bound)
