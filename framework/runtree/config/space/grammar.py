"""Hydra's sweep grammar, both ways: text to sweep, value to text."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any

from runtree.contract.errors import ConfigError

POSSIBLE = "possible: choice(a, b), range(1, 10), interval(0, 1), int(interval(1, 9)), tag(log, interval(1e-3, 1))"
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TYPED = re.compile(r"true|false|null|inf|nan", re.IGNORECASE)  # words that Hydra reads as something else than text
KEY = re.compile(r"[A-Za-z0-9_\-/+.$%*@?|\\()\[\]{}:=, \t]+")
DIGITS, WHOLE = r"\d(?:_?\d)*", r"(?:0|[1-9](?:_?\d)*)"
NUMBER = rf"[+-]?(?:(?:{WHOLE}\.?|{WHOLE}?\.{DIGITS})(?:e[+-]?{DIGITS})?|inf|nan)"
KEY_TYPED = re.compile(f"{NUMBER}|{TYPED.pattern}", re.IGNORECASE)
ESCAPED = re.compile(r"([\\()\[\]{}:=, \t])")


def parse_sweep(text: str, path: str) -> Any:
    """Return Hydra's own object for a text: a sweep, a glob or a plain value.

    It is Hydra's grammar with three things mended: `choice` takes null too, tags and `shuffle` outlive a function
    around them (`int(tag(log, range(1, 9)))`), and `sort` of a range no longer shifts it by a step.

    What Hydra cannot read is a ConfigError.
    """
    from hydra.errors import HydraException

    try:
        return _parser().parse_override(f"key={text.strip()}")._value
    except HydraException as error:
        reason = re.sub(r"^\w+ while evaluating '.*?': ", "", str(error), flags=re.DOTALL).partition("\n")[0]
        raise ConfigError(f"{path}: '{text}' cannot be read: {reason}", POSSIBLE) from None


@cache
def _parser() -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions

    functions = create_functions()
    functions.functions = {name: _keeping(function) for name, function in functions.functions.items()}
    for own in (choice, shuffle):
        functions.functions[own.__name__] = _keeping(own)
        functions.definitions[own.__name__] = inspect.signature(own)
    functions.functions["sort"] = _sorting(functions.functions["sort"])
    return OverridesParser(functions=functions)


def choice(*values: Any) -> Any:
    """Stand in for Hydra's `choice`, which refuses null."""
    from hydra.core.override_parser.types import ChoiceSweep

    if not values:
        raise ValueError("the choice is empty")
    if len(values) == 1 and isinstance(values[0], ChoiceSweep) and values[0].simple_form:
        return ChoiceSweep(list=values[0].list)
    return ChoiceSweep(list=list(values))


def shuffle(*values: Any) -> Any:
    """Stand in for Hydra's `shuffle`, which draws from Python's global generator where it is given a list."""
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

    if len(values) == 1 and isinstance(values[0], list):
        raise ValueError("a list is one value, and cannot be shuffled repeatably: list the values, shuffle(1, 2, 3)")
    given = len(values) == 1 and isinstance(values[0], ChoiceSweep | RangeSweep)
    sweep = values[0] if given else ChoiceSweep(list=list(values), simple_form=True)
    sweep.shuffle = True
    return sweep


def _keeping(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        inner = [value for value in (*args, *kwargs.values()) if hasattr(value, "tags")]
        tags = {tag for sweep in inner for tag in sweep.tags}
        shuffled = any(getattr(sweep, "shuffle", False) for sweep in inner)
        outer = function(*args, **kwargs)
        if hasattr(outer, "tags"):
            outer.tags = outer.tags | tags
            outer.shuffle = shuffled or getattr(outer, "shuffle", False)
        return outer

    return called


def _sorting(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        # an interval has no order of its own, and Hydra turns range(1, 6, 2) into 4, 2, 0
        return given[0] if given and hasattr(given[0], "stop") else function(*args, **kwargs)

    return called


def to_plain(value: Any, path: str) -> Any:
    """Return a value of the grammar as YAML knows it: quoted strings are strings, at any depth."""
    if isinstance(value, list):
        return [to_plain(item, path) for item in value]
    if isinstance(value, dict):
        return {to_plain(key, path): to_plain(item, path) for key, item in value.items()}
    if hasattr(value, "tags") or hasattr(value, "exclude"):
        raise ConfigError(f"{path}: a sweep lies inside a sweep", POSSIBLE)
    return getattr(value, "text", value)


def override(path: str, value: Any) -> str:
    """Return the override that sets `path` to exactly this value, type included.

    Raises
    ------
    ConfigError
        Hydra's grammar has no text for it: a key of a mapping with characters beyond its own, infinity, an object.
    """
    return f"{path}={literal(value, path)}"


def literal(value: Any, path: str) -> str:
    """Return a value as Hydra reads it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return str(value) if WORD.fullmatch(value) and not TYPED.fullmatch(value) else quote(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real) and math.isfinite(value):
        return repr(float(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item, path) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key, path)}: {literal(item, path)}" for key, item in value.items()) + "}"
    raise ConfigError(f"{path}: {value!r} has no text in Hydra's grammar", "possible: what YAML can hold")


def quote(text: str) -> str:
    """Return a text in single quotes. Backslashes count only before a quote: there each is doubled."""
    escaped = re.sub(r"(\\*)'", lambda found: found[1] * 2 + r"\'", text)
    trailing = re.search(r"\\*\Z", escaped)
    return f"'{escaped}{trailing[0] if trailing else ''}'"


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        return literal(key, path)
    # the grammar quotes values only: a key that reads as a number, or has other characters, cannot be written
    if not KEY.fullmatch(key) or KEY_TYPED.fullmatch(key):
        raise ConfigError(f"{path}: the key {key!r} of a mapping has no text in Hydra's grammar", "rename the key")
    return ESCAPED.sub(r"\\\1", key)
