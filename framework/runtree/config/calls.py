"""The calls that a config describes: nodes with a `_target_`, and arguments that no file may set.

An allowed class may do what the allow-list forbids: `Pipeline(memory="cache")` unpickles what lies in that folder. So
the list is one of classes and of arguments.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any

NOT_ARGUMENTS = ("_target_", "name", "space", "iterations", "target_transform")  # keys about the option
# what joblib evaluates besides a number of jobs is an expression
PRE_DISPATCH = re.compile(r"all|(\d+ ?\* ?)?n_jobs")
# words of an argument's name that mean a path: the class reads, writes or unpickles what lies there
PATH_WORDS = {
    *("path", "paths", "file", "files", "filename", "filenames", "filepath", "dir", "dirs", "directory", "folder"),
    *("cache", "memory", "location", "checkpoint", "uri", "url", "urls"),
}
FUNCTIONS = ("func", "inverse_func")  # of FunctionTransformer and TransformedTargetRegressor
COMMANDS = ("command", "predict_command", "image")  # of runtree's own algorithms that run what these name
READS_FILES = ("filename", "file")  # values of `input` of CountVectorizer and the like: each row is a file's name


def locate_calls(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every node with a `_target_`, after its config path; the node itself first."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield path, node
        for key, value in node.items():
            if key != "_target_":
                yield from locate_calls(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from locate_calls(item, path)


def target_names(node: Mapping[str, Any]) -> list[str]:
    """Return the dotted names of a node; a target that differs by task has several."""
    # all of them are checked, not only that of the current task
    target = node.get("_target_")
    names = target.values() if isinstance(target, Mapping) else [target]
    return [name for name in names if isinstance(name, str)]


def find_targets(node: Any) -> Iterator[str]:
    """Yield every dotted name in a node, those that differ by task included."""
    return (name for _, call in locate_calls(node, "") for name in target_names(call))


def locate_risks(call: Mapping[str, Any], path: str, positional: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the config path and the name of each argument that no file may set.

    Parameters
    ----------
    positional
        The names of the parameters that `_args_` fills. Where they are unknown, no file may set a text in `_args_`.
    """
    keys = [key for key in call if key not in (*NOT_ARGUMENTS, "_args_")]
    arguments = [(f"{path}.{key}", str(key), call[key]) for key in keys]
    names = chain(positional, repeat("_args_"))
    arguments += [(f"{path}._args_", name, value) for name, value in zip(names, call.get("_args_") or (), strict=False)]
    for place, name, value in arguments:
        yield from _risks(place, name, value)


def _risks(path: str, name: str, value: Any) -> Iterator[tuple[str, str]]:
    # `pipeline__memory` in a grid of parameters sets `memory` of the step `pipeline`
    argument = name.rpartition("__")[2]
    if isinstance(value, Mapping):
        # a node of its own is checked by itself
        if "_target_" not in value:
            for key, item in value.items():
                yield from _risks(f"{path}.{key}", str(key), item)
        elif argument in FUNCTIONS:
            yield path, argument
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _risks(path, name, item)
    elif isinstance(value, str) and _is_risk(argument, value):
        yield path, argument


def _is_risk(argument: str, value: str) -> bool:
    if argument == "pre_dispatch":
        return PRE_DISPATCH.fullmatch(value) is None
    if argument == "input":
        return value in READS_FILES
    return argument in (*FUNCTIONS, "_args_") or not PATH_WORDS.isdisjoint(argument.lower().split("_"))
