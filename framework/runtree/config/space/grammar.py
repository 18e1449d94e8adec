"""Hydra's sweep grammar, in both directions: text to sweep, value to text."""

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
SPECIAL_WORD = re.compile(r"true|false|null|inf|nan", re.IGNORECASE)  # words that Hydra does not read as text
KEY = re.compile(r"[A-Za-z0-9_\-/+.$%*@?|\\()\[\]{}:=, \t]+")
# numbers as in Hydra's lexer (OverrideLexer.g4), which allows underscores between digits
DIGITS, WHOLE = r"\d(?:_?\d)*", r"(?:0|[1-9](?:_?\d)*)"
NUMBER = rf"[+-]?(?:(?:{WHOLE}\.?|{WHOLE}?\.{DIGITS})(?:e[+-]?{DIGITS})?|inf|nan)"
KEY_NOT_TEXT = re.compile(f"{NUMBER}|{SPECIAL_WORD.pattern}", re.IGNORECASE)
ESCAPED = re.compile(r"([\\()\[\]{}:=, \t])")


def parse_sweep(text: str, path: str) -> Any:
    """Parse a text into Hydra's own object: a sweep, a glob or a plain value.

    It is Hydra's grammar with three fixes: `choice` accepts null, tags and `shuffle` survive a function around them
    (`int(tag(log, range(1, 9)))`), and `sort` of a range does not shift it by a step.

    Raises
    ------
    ConfigError
        Hydra cannot parse the text.
    """
    from hydra.errors import HydraException

    try:
        # Hydra has no public function that parses a value alone, so it is parsed as an override
        return _parser().parse_override(f"key={text.strip()}")._value
    except HydraException as error:
        # Hydra's message begins with the exception and the call; only the part behind it helps
        reason = re.sub(r"^\w+ while evaluating '.*?': ", "", str(error), flags=re.DOTALL).partition("\n")[0]
        raise ConfigError(f"{path}: '{text}' cannot be parsed: {reason}", POSSIBLE) from None


# building the grammar takes milliseconds, and a space has dozens of texts
@cache
def _parser() -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions

    functions = create_functions()
    # Hydra builds a new sweep for each cast, and copies neither tags nor the shuffle flag to it
    functions.functions = {name: _keep_tags(function) for name, function in functions.functions.items()}
    for replacement in (choice, shuffle):
        functions.functions[replacement.__name__] = _keep_tags(replacement)
        functions.definitions[replacement.__name__] = inspect.signature(replacement)
    functions.functions["sort"] = _keep_range(functions.functions["sort"])
    return OverridesParser(functions=functions)


def choice(*values: Any) -> Any:
    """Replace Hydra's `choice`, which refuses null."""
    from hydra.core.override_parser.types import ChoiceSweep

    if not values:
        raise ValueError("the choice is empty")
    # sort(a, b) and shuffle(a, b) return a sweep in Hydra's simple form, which choice(…) turns into a plain one
    if len(values) == 1 and isinstance(values[0], ChoiceSweep) and values[0].simple_form:
        return ChoiceSweep(list=values[0].list)
    return ChoiceSweep(list=list(values))


def shuffle(*values: Any) -> Any:
    """Replace Hydra's `shuffle`, which shuffles lists with Python's global random generator."""
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

    if len(values) == 1 and isinstance(values[0], list):
        raise ValueError("a list is one value: write the values themselves, shuffle(1, 2, 3)")
    is_sweep = len(values) == 1 and isinstance(values[0], ChoiceSweep | RangeSweep)
    sweep = values[0] if is_sweep else ChoiceSweep(list=list(values), simple_form=True)
    sweep.shuffle = True
    return sweep


def _keep_tags(function: Callable[..., Any]) -> Callable[..., Any]:
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


def _keep_range(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        arguments = [*args, *kwargs.values()]
        # a range is in order, and Hydra would turn range(1, 6, 2) into 4, 2, 0
        return arguments[0] if arguments and hasattr(arguments[0], "stop") else function(*args, **kwargs)

    return called


def to_plain(value: Any, path: str) -> Any:
    """Return a value without Hydra's types: quoted strings become str, at any depth."""
    if isinstance(value, list):
        return [to_plain(item, path) for item in value]
    if isinstance(value, dict):
        return {to_plain(key, path): to_plain(item, path) for key, item in value.items()}
    if hasattr(value, "tags") or hasattr(value, "exclude"):
        raise ConfigError(f"{path}: a sweep inside a sweep is not possible", POSSIBLE)
    return getattr(value, "text", value)


def override(path: str, value: Any) -> str:
    """Return the override that sets `path` to this value, with its type.

    Raises
    ------
    ConfigError
        Hydra's grammar cannot express the value: infinity, an object, some keys of mappings.
    """
    return f"{path}={literal(value, path)}"


def literal(value: Any, path: str) -> str:
    """Return a value in Hydra's grammar."""
    # before the numbers: bool is a subclass of int
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return str(value) if WORD.fullmatch(value) and not SPECIAL_WORD.fullmatch(value) else quote(value)
    if isinstance(value, Integral):
        return str(int(value))
    # repr is the shortest text that reads back as the same float; numpy's scalars have another repr, hence float()
    if isinstance(value, Real) and math.isfinite(value):
        return repr(float(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item, path) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key, path)}: {literal(item, path)}" for key, item in value.items()) + "}"
    raise ConfigError(
        f"{path}: {value!r} cannot be written in Hydra's grammar",
        "possible: numbers, text, booleans, null, lists, mappings",
    )


def quote(text: str) -> str:
    """Return a text in single quotes. Hydra unescapes backslashes before a quote only: there each is doubled."""
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + r"\'", text)
    trailing = re.search(r"\\*\Z", escaped)
    return f"'{escaped}{trailing[0] if trailing else ''}'"


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        return literal(key, path)
    # Hydra quotes values only, so a key that reads as a number, or has other characters, cannot be written
    if not KEY.fullmatch(key) or KEY_NOT_TEXT.fullmatch(key):
        raise ConfigError(f"{path}: the key {key!r} cannot be written in Hydra's grammar", "rename the key")
    return ESCAPED.sub(r"\\\1", key)
