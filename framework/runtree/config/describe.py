"""What an option is: its keys with defaults, what they take and mean, its space, and the code behind it."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.config.catalogue import Catalogue, Option
from runtree.config.constraints import accepted_types
from runtree.config.docstrings import documented_parameters
from runtree.config.notes import chosen, notes, prefix_of
from runtree.config.task import differs_by_task
from runtree.contract.errors import RuntreeError
from runtree.contract.protocols import Trust
from runtree.contract.types import TASKS

OWN = ("_target_", "name", "space", "iterations", "defaults")  # what an option says of itself


@dataclass(frozen=True)
class Parameter:
    """One config key: its default (a mapping where it differs by task), what it takes, what it means."""

    path: str
    default: Any
    type: str = ""
    meaning: str = ""
    note: str = ""  # the comment beside the key


@dataclass(frozen=True)
class Description:
    """All about one option; `problems` says what could not be looked into, and why."""

    option: Option
    tasks: tuple[str, ...] = ()
    targets: Mapping[str, str] = field(default_factory=dict)
    chooses: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    honours: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the code behind an option tells of its parameters."""

    names: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


def describe(catalogue: Catalogue, option: Option, trust: Trust) -> Description:
    """Look into an option; code that cannot be imported, or that nobody vouches for, is told as a problem."""
    node = catalogue.node(option.group, option.name)
    prefix = prefix_of(option)
    targets = targets_of(node)
    problems: list[str] = []
    known = {task: _facts(target, f"{option.group}._target_", trust, problems) for task, target in targets.items()}
    beside = notes(catalogue, option)
    parameters = tuple(_parameter(prefix, key, value, known, beside) for key, value in leaves(node))
    named = {key for key, _ in leaves(node)}
    return Description(
        option=option,
        tasks=tasks_of(option, node),
        targets=targets,
        chooses=tuple(chosen(option)),
        parameters=parameters,
        space={f"{prefix}{key}": value for key, value in (node.get("space") or {}).items()},
        honours=dict((node.get("iterations") or {}).get("honours") or {}),
        more=tuple(sorted({name for facts in known.values() for name in facts.names} - named)),
        problems=tuple(dict.fromkeys(problems)),
    )


def targets_of(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the dotted names of an option by task; by "" where one serves all."""
    target = node.get("_target_")
    return dict(target) if isinstance(target, Mapping) else {"": target} if isinstance(target, str) else {}


def tasks_of(option: Option, node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tasks that an algorithm serves: those that it has a target for, or all; nothing for other groups."""
    if option.group != "algorithm":
        return ()
    return tuple(task for task in TASKS if task in targets_of(node)) or TASKS


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys below the option with their defaults; a value that differs by task stays whole."""
    for key, value in node.items():
        if not prefix and key in OWN:
            continue
        if isinstance(value, Mapping) and value and not differs_by_task(value):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _facts(target: str, path: str, trust: Trust, problems: list[str]) -> Facts:
    try:
        factory = trust.resolve(target, path)
        names = inspect.signature(factory).parameters.values()
    except RuntreeError as error:
        problems.extend((error.message, *error.hints))
        return Facts()
    except Exception as error:  # a package may fail in any way while it is imported
        problems.append(f"{path}: {target} cannot be looked into: {type(error).__name__}: {error}")
        return Facts()
    plain = tuple(name.name for name in names if name.kind in (name.POSITIONAL_OR_KEYWORD, name.KEYWORD_ONLY))
    meanings = {name: found.meaning for name, found in documented_parameters(factory).items()}
    return Facts(plain, accepted_types(factory), meanings)


def _parameter(prefix: str, key: str, default: Any, known: Mapping[str, Facts], beside: Mapping[str, str]) -> Parameter:
    types = {task: facts.types[key] for task, facts in known.items() if key in facts.types}
    meaning = next((facts.meanings[key] for facts in known.values() if facts.meanings.get(key)), "")
    return Parameter(f"{prefix}{key}", default, _by_task(types, len(known)), meaning, beside.get(key, ""))


def _by_task(types: Mapping[str, str], count: int) -> str:
    if len(set(types.values())) == 1 and len(types) == count:
        return next(iter(types.values()))
    return "; ".join(f"{text} ({task})" if task else text for task, text in types.items())
