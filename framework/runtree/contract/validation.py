"""What a plugin may contribute: names, types and values of the fields, and names that two plugins claim."""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from runtree.contract.errors import MissingError
from runtree.contract.faults import warn_of_fault

log = logging.getLogger(__name__)

OWN = "runtree"  # the plugin that runtree itself is
TAKEN = "runtree has one of that name"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SWEEPS = ("choice", "range", "interval", "tag", "int", "float", "str", "bool", "sort", "shuffle", "glob")


def check_name(kind: str, name: object) -> None:
    """Refuse a name that could not be typed in an override, or be a column ``split.name``."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{kind} {name!r}: a name has letters, digits, _ and -, and begins with a letter or digit")


def check_one_of(owner: str, key: str, value: object, possible: Iterable[object]) -> None:
    """Refuse a value that is not one of a few."""
    known = list(possible)
    if not any(value == one for one in known):
        raise ValueError(f"{owner}: {key} is {value!r}; possible: {', '.join(map(str, known))}")


def check_type(owner: str, key: str, value: object, right: bool, what: str) -> None:
    """Refuse a value that is not what the key takes."""
    if not right:
        raise TypeError(f"{owner}: {key} is {value!r:.80}, not {what}")


def check_tasks(owner: str, tasks: Any, possible: Iterable[str]) -> None:
    """Refuse anything but a collection of tasks with at least one."""
    listed = isinstance(tasks, Collection) and not isinstance(tasks, str) and bool(tasks)
    check_type(owner, "tasks", tasks, listed, 'a tuple such as ("classification",)')
    for task in tasks:
        check_one_of(owner, "tasks", task, possible)


def check_path(owner: str, key: str, path: object) -> None:
    """Refuse anything but the dotted path of something in a module."""
    dotted = isinstance(path, str) and "." in path and all(part.isidentifier() for part in path.split("."))
    check_type(owner, key, path, dotted, "a dotted path such as 'mine.trees.Stump'")


def check_dimension(owner: str, key: str, declared: Any, defaults: Mapping[str, Any]) -> None:
    """Check a key of a space and the form of its declaration; its values are parsed before the first run."""
    if key not in key_paths(defaults):
        raise ValueError(f"{owner}: the space has the key '{key}', which has no value in `defaults`")
    check_type(owner, f"space['{key}']", declared, isinstance(declared, (str, list, tuple, Mapping)), "a text")
    # no more than the function: parsing needs Hydra, which takes longer to import than `runtree list` may
    function = re.match(r"\s*(\w+)\s*\(", declared) if isinstance(declared, str) else None
    if function is not None:
        check_one_of(owner, f"the function in space['{key}']", function[1], SWEEPS)
        if declared.count("(") != declared.count(")"):
            raise ValueError(f"{owner}: space['{key}'] is {declared!r}: its parentheses do not match")


def key_paths(node: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted paths of all keys of a nested mapping."""
    paths: set[str] = set()
    for key, value in node.items():
        paths |= {f"{prefix}{key}"} | (key_paths(value, f"{prefix}{key}.") if isinstance(value, Mapping) else set())
    return paths


class Named(Protocol):
    """A contribution with a name."""

    @property
    def name(self) -> str:
        """The name it is chosen by."""
        ...


Contribution = TypeVar("Contribution", bound=Named)


def unique_by_name(
    kind: str, contributed: Iterable[tuple[str, Contribution]], is_asked: Callable[[str], bool] = lambda name: True
) -> dict[str, tuple[str, Contribution]]:
    """Return (plugin, contribution) pairs by name.

    What two plugins claim is left out with a warning: which of them is meant must not depend on an order. A name that
    is runtree's means what is runtree's.

    Parameters
    ----------
    is_asked
        Whether the config names a contribution.

    Raises
    ------
    MissingError
        Two plugins claim a name that is asked for.
    """
    found: dict[str, tuple[str, Contribution]] = {}
    claimed: dict[str, MissingError] = {}
    for plugin, item in contributed:
        if item.name in found and found[item.name][0] == OWN:
            warn_of_fault(log, taken_name(plugin, f"{kind} '{item.name}'"))
        elif item.name in found:
            claimed[item.name] = claimed_twice(kind, item.name, (found[item.name][0], plugin))
        found.setdefault(item.name, (plugin, item))
    for name, error in claimed.items():
        if is_asked(name):
            raise error
        del found[name]
        warn_of_fault(log, f"{error.message}; neither is used. {error.hints[0]}")
    return found


def taken_name(plugin: str, what: str) -> str:
    """Return the warning of a contribution with a name that is runtree's own: this one is meant by it."""
    return f"plugin {plugin}: its {what} is left out: {TAKEN}. Without this: {way_out(plugin)}"


def way_out(plugin: str) -> str:
    """Return how a plugin is left out."""
    return f"runtree --block {plugin} …"


def claimed_twice(kind: str, name: str, plugins: tuple[str, str]) -> MissingError:
    """Return the error for a name that two plugins claim."""
    first, second = plugins
    return MissingError(
        f"{kind} '{name}' is registered twice: by '{first}' and by '{second}'",
        f"leave one of them out: {way_out(second)}",
    )
