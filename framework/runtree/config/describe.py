"""Describes an option: its keys with defaults, the types and meanings of its parameters, its search space.

Types come from scikit-learn's parameter constraints, type hints and docstrings; meanings from NumPy-style docstrings.
"""

import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from runtree.config.catalogue import Catalogue, Option, differs_by_task
from runtree.config.yaml_comments import chosen_options, key_comments, key_prefix
from runtree.contract.errors import RuntreeError
from runtree.contract.protocols import TargetResolver
from runtree.contract.types import TASKS

SECTION = re.compile(r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r":\w+(?::\w+)?:`~?(?:([^`<]+?)\s*<[^>`]*>|([^`]+))`")
SENTENCE_END = re.compile(r"(?<![.\s][A-Za-z])(?<!e\.g)(?<!i\.e)[.!?](?=\s|$)")


class ParameterDoc(NamedTuple):
    """The type line of a parameter and the first sentence of what it means."""

    type: str
    meaning: str


def parameter_docs(factory: Any) -> dict[str, ParameterDoc]:
    """Return parameter name → what its docstring says; a line may name several parameters."""
    import inspect

    found: dict[str, ParameterDoc] = {}
    section = SECTION.search((inspect.getdoc(factory) or "") + "\n")
    for entry in re.split(r"^(?=\S)", section[1], flags=re.MULTILINE) if section else []:
        if not entry.strip():
            continue
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(":")
        for name in names.split(","):
            found[name.strip().lstrip("*")] = ParameterDoc(_type_line(kind), first_sentence(body))
    return found


def first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, free of markup."""
    lines = [line.strip() for line in text.strip().partition("\n\n")[0].splitlines()]
    plain = plain_text(" ".join(line for line in lines if not line.startswith("..")))
    end = SENTENCE_END.search(plain)
    return plain[: end.end()] if end else plain.rstrip(" :")


def plain_text(text: str) -> str:
    """Return reStructuredText as a terminal shows it."""
    without_roles = ROLE.sub(lambda found: (found[1] or found[2]).rpartition(".")[2] or found[0], text)
    return re.sub(r"``?([^`]+)``?_?", r"\1", without_roles)


def _type_line(text: str) -> str:
    before = re.split(r",?\s*(?:default\b|optional\b)", text.strip())[0]
    return " ".join(plain_text(before).split()).strip(" ,")


INSTANCE = re.compile(r"an instance of '(?:[\w.]+\.)?(\w+)'")
WRITABLE = {"bool": "true | false", "dict": "mapping", "tuple": "list"} | {
    name: name for name in ("int", "float", "str", "list")
}
RANGE = re.compile(r"(?:an?) (int|float) in the range ([\[(])([^,]+), ([^\])]+)([\])])")


def accepted_types(factory: Any) -> dict[str, str]:
    """Return parameter name → what it takes, as far as `factory` tells."""
    documented = {name: found.type for name, found in parameter_docs(factory).items() if found.type}
    return documented | hinted_types(factory) | constrained_types(factory)


def constrained_types(factory: Any) -> dict[str, str]:
    """Return what scikit-learn itself checks; nothing where the class has no such table, or the table's form is new."""
    constraints = getattr(factory, "_parameter_constraints", None)
    if not isinstance(constraints, dict):
        return {}
    try:
        from sklearn.utils._param_validation import make_constraint

        return {
            name: join_constraints(
                str(constraint) for constraint in map(make_constraint, rules) if not constraint.hidden
            )
            for name, rules in constraints.items()
            if isinstance(rules, list)
        }
    except (ImportError, AttributeError, ValueError):
        return {}


def join_constraints(constraints: Iterable[str]) -> str:
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
    return {name: format_type(hint) for name, hint in hints.items() if name != "return"}


def format_type(hint: Any) -> str:
    """Return a type as people write it."""
    if hint is type(None):
        return "null"
    if get_origin(hint) is Literal:
        return "{" + ", ".join(str(choice) for choice in get_args(hint)) + "}"
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(map(format_type, get_args(hint)))
    if hint is bool:
        return "true | false"
    return hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint).replace("typing.", "")


OWN = ("_target_", "name", "space", "iterations", "defaults")  # what an option says of itself


@dataclass(frozen=True)
class OptionParameter:
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
    parameters: tuple[OptionParameter, ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    honours: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallableInfo:
    """What the code behind an option tells of its parameters."""

    names: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


def describe(catalogue: Catalogue, option: Option, trust: TargetResolver) -> Description:
    """Look into an option; code that cannot be imported, or that nobody vouches for, is told as a problem."""
    node = catalogue.node(option.group, option.name)
    prefix = key_prefix(option)
    targets = option_targets(node)
    problems: list[str] = []
    known = {task: _facts(target, f"{option.group}._target_", trust, problems) for task, target in targets.items()}
    beside = key_comments(catalogue, option)
    parameters = tuple(_parameter(prefix, key, value, known, beside) for key, value in option_leaves(node))
    named = {key for key, _ in option_leaves(node)}
    return Description(
        option=option,
        tasks=option_tasks(option, node),
        targets=targets,
        chooses=tuple(chosen_options(option)),
        parameters=parameters,
        space={f"{prefix}{key}": value for key, value in (node.get("space") or {}).items()},
        honours=dict((node.get("iterations") or {}).get("honours") or {}),
        more=tuple(sorted({name for facts in known.values() for name in facts.names} - named)),
        problems=tuple(dict.fromkeys(problems)),
    )


def option_targets(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the dotted names of an option by task; by "" where one serves all."""
    target = node.get("_target_")
    return dict(target) if isinstance(target, Mapping) else {"": target} if isinstance(target, str) else {}


def option_tasks(option: Option, node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tasks that an algorithm serves: those that it has a target for, or all; nothing for other groups."""
    if option.group != "algorithm":
        return ()
    return tuple(task for task in TASKS if task in option_targets(node)) or TASKS


def option_leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys below the option with their defaults; a value that differs by task stays whole."""
    for key, value in node.items():
        if not prefix and key in OWN:
            continue
        if isinstance(value, Mapping) and value and not differs_by_task(value):
            yield from option_leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _facts(target: str, path: str, trust: TargetResolver, problems: list[str]) -> CallableInfo:
    try:
        factory = trust.resolve(target, path)
        names = inspect.signature(factory).parameters.values()
    except RuntreeError as error:
        problems.extend((error.message, *error.hints))
        return CallableInfo()
    except Exception as error:  # a package may fail in any way while it is imported
        problems.append(f"{path}: {target} cannot be looked into: {type(error).__name__}: {error}")
        return CallableInfo()
    plain = tuple(name.name for name in names if name.kind in (name.POSITIONAL_OR_KEYWORD, name.KEYWORD_ONLY))
    meanings = {name: found.meaning for name, found in parameter_docs(factory).items()}
    return CallableInfo(plain, accepted_types(factory), meanings)


def _parameter(
    prefix: str, key: str, default: Any, known: Mapping[str, CallableInfo], beside: Mapping[str, str]
) -> OptionParameter:
    types = {task: facts.types[key] for task, facts in known.items() if key in facts.types}
    meaning = next((facts.meanings[key] for facts in known.values() if facts.meanings.get(key)), "")
    return OptionParameter(f"{prefix}{key}", default, _by_task(types, len(known)), meaning, beside.get(key, ""))


def _by_task(types: Mapping[str, str], count: int) -> str:
    if len(set(types.values())) == 1 and len(types) == count:
        return next(iter(types.values()))
    return "; ".join(f"{text} ({task})" if task else text for task, text in types.items())
