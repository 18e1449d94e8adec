"""What values a parameter takes, in words: from scikit-learn's own constraints, from type hints, from docstrings."""

import inspect
import re
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from runtree.config.docstrings import documented_parameters

INSTANCE = re.compile(r"an instance of '(?:[\w.]+\.)?(\w+)'")
WRITABLE = {"bool": "true | false", "dict": "mapping", "tuple": "list"} | {
    name: name for name in ("int", "float", "str", "list")
}
RANGE = re.compile(r"(?:an?) (int|float) in the range ([\[(])([^,]+), ([^\])]+)([\])])")


def accepted_types(factory: Any) -> dict[str, str]:
    """Return parameter name → what it takes, as far as `factory` tells."""
    documented = {name: found.type for name, found in documented_parameters(factory).items() if found.type}
    return documented | hinted_types(factory) | constrained_types(factory)


def constrained_types(factory: Any) -> dict[str, str]:
    """Return what scikit-learn itself checks; nothing where the class has no such table, or the table's form is new."""
    constraints = getattr(factory, "_parameter_constraints", None)
    if not isinstance(constraints, dict):
        return {}
    try:
        from sklearn.utils._param_validation import make_constraint

        return {
            name: one_of(str(constraint) for constraint in map(make_constraint, rules) if not constraint.hidden)
            for name, rules in constraints.items()
            if isinstance(rules, list)
        }
    except (ImportError, AttributeError, ValueError):
        return {}


def one_of(constraints: Iterable[str]) -> str:
    """Join constraints: ``int >= 1 | null``."""
    words = [word for text in constraints for word in _words(text)]
    return " | ".join(sorted(dict.fromkeys(words), key=lambda word: word == "null"))


def _words(text: str) -> list[str]:
    text = RANGE.sub(lambda found: _range(*found.groups()), text)
    if text.startswith("a str among "):
        names = sorted(re.findall(r"'([^']*)'", text))
        return names if len(names) == 1 else ["{" + ", ".join(names) + "}"]
    return [word for part in re.split(r", | or ", text) if (word := _word(part))]


def _word(part: str) -> str:
    """Tell a constraint; nothing for an object that no YAML can hold."""
    instance = INSTANCE.search(part)
    if instance:
        return WRITABLE.get(instance[1], "")
    return {"None": "null", "an array-like": "list", "a callable": ""}.get(part, part)


def _range(kind: str, left: str, low: str, high: str, right: str) -> str:
    """Tell a range as people write it: ``int >= 1``, ``0 < float <= 1``. No comma: those separate constraints."""
    low, high = low.removesuffix(".0"), high.removesuffix(".0")
    below, above = ("<=" if left == "[" else "<"), ("<=" if right == "]" else "<")
    if high == "inf":
        return kind if low == "-inf" else f"{kind} >{below[1:]} {low}"
    return f"{kind} {above} {high}" if low == "-inf" else f"{low} {below} {kind} {above} {high}"


def hinted_types(factory: Any) -> dict[str, str]:
    """Return the type hints of the parameters."""
    try:
        hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except (NameError, TypeError, AttributeError):
        return {}
    return {name: told(hint) for name, hint in hints.items() if name != "return"}


def told(hint: Any) -> str:
    """Return a type as people write it."""
    if hint is type(None):
        return "null"
    if get_origin(hint) is Literal:
        return "{" + ", ".join(str(choice) for choice in get_args(hint)) + "}"
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(map(told, get_args(hint)))
    if hint is bool:
        return "true | false"
    return hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint).replace("typing.", "")
