"""Describes an option: its keys with defaults, the types and meanings of its parameters, its search space.

Types come from scikit-learn's parameter constraints, type hints and docstrings; meanings from NumPy-style docstrings.
"""

import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from runtree.config.allowlist import AllowList
from runtree.config.catalogue import Catalogue, Option, differs_by_task
from runtree.config.class_source import NotInSource, find_class
from runtree.config.yaml_comments import chosen_options, key_comments, key_prefix
from runtree.contract.errors import RuntreeError, raise_if_ours
from runtree.contract.types import TASKS

ABOUT_OPTION = (
    "_target_",
    "name",
    "space",
    "iterations",
    "target_transform",
    "defaults",
)  # not arguments of the target
# the Parameters section of a NumPy docstring, up to the next underlined heading
SECTION = re.compile(r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
# :class:`~sklearn.tree.Tree`, :func:`text <target>`: the roles of Sphinx, of which only the last name is shown
ROLE = re.compile(r":\w+(?::\w+)?:`~?(?:([^`<]+?)\s*<[^>`]*>|([^`]+))`")
# a full stop does not end a sentence after an initial, e.g. and i.e.
SENTENCE_END = re.compile(r"(?<![.\s][A-Za-z])(?<!e\.g)(?<!i\.e)[.!?](?=\s|$)")
INSTANCE = re.compile(r"an instance of '(?:[\w.]+\.)?(\w+)'")
# types that can be written in YAML; scikit-learn also accepts objects, which a config cannot hold
WRITABLE = {"bool": "true | false", "dict": "mapping", "tuple": "list"} | {
    name: name for name in ("int", "float", "str", "list")
}
RANGE = re.compile(r"(?:an?) (int|float) in the range ([\[(])([^,]+), ([^\])]+)([\])])")


@dataclass(frozen=True)
class OptionParameter:
    """One config key: its default (a mapping if it differs by task), type, meaning, and the YAML comment beside it."""

    path: str
    default: Any
    type: str = ""
    meaning: str = ""
    note: str = ""


@dataclass(frozen=True)
class Description:
    """The description of one option; `problems` holds the reasons why a target could not be inspected.

    `more` are parameters of the target that the option has no key for, `chooses` the options of other groups that it
    sets, `honours` the keys of the `fit` block and the parameter that each becomes.
    """

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
    """Names, types and meanings of a callable's parameters."""

    names: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


class ParameterDoc(NamedTuple):
    """The type line of a parameter, and the first sentence of its meaning."""

    type: str
    meaning: str


def describe(catalogue: Catalogue, option: Option, allow_list: AllowList) -> Description:
    """Describe an option; a target that cannot be imported, or is not allowed, becomes a problem."""
    node = catalogue.node(option.group, option.name)
    prefix = key_prefix(option)
    targets = option_targets(node)
    problems: list[str] = []
    infos = {
        task: inspect_target(target, f"{option.group}._target_", allow_list, problems)
        for task, target in targets.items()
    }
    comments = key_comments(catalogue, option)
    defaults = dict(option_leaves(node))
    return Description(
        option=option,
        tasks=option_tasks(option, node),
        targets=targets,
        chooses=tuple(chosen_options(option)),
        parameters=tuple(_parameter(prefix, key, value, infos, comments) for key, value in defaults.items()),
        space={f"{prefix}{key}": value for key, value in _mapping(node.get("space")).items()},
        honours=dict(_mapping(_mapping(node.get("iterations")).get("honours"))),
        more=tuple(sorted({name for info in infos.values() for name in info.names} - set(defaults))),
        problems=tuple(dict.fromkeys(problems)),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a value if it is a mapping; a file may hold anything, which is refused where the option is used."""
    return value if isinstance(value, Mapping) else {}


def option_targets(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the dotted names of an option by task, by "" if one serves all."""
    target = node.get("_target_")
    by_task = target if isinstance(target, Mapping) else {"": target}
    return {str(task): name for task, name in by_task.items() if isinstance(name, str)}


def option_tasks(option: Option, node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tasks that an algorithm serves: those that it has a target for, or all; nothing for other groups."""
    if option.group != "algorithm":
        return ()
    return tuple(task for task in TASKS if task in option_targets(node)) or TASKS


def option_leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys below the option with their defaults; a value that differs by task stays a mapping."""
    for key, value in node.items():
        if not prefix and key in ABOUT_OPTION:
            continue
        if isinstance(value, Mapping) and value and not differs_by_task(value):
            yield from option_leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def inspect_target(target: str, path: str, allow_list: AllowList, problems: list[str]) -> CallableInfo:
    """Return the parameters of a target, from its source if that is plain enough, else by importing it."""
    # a target that is not allowed goes on to `resolve`, whose error becomes a problem of the description
    if allow_list.permits(target):
        with suppress(NotInSource):
            source = find_class(target)
            docs = _parse_docstring(source.docstring)
            constraints = {name: join_constraints(texts) for name, texts in source.constraints().items()}
            return CallableInfo(source.parameters(), _types(docs) | constraints, _meanings(docs))
    try:
        factory = allow_list.resolve(target, path)
        names = inspect.signature(factory).parameters.values()
    except RuntreeError as error:
        problems.extend((error.message, *error.hints))
        return CallableInfo()
    except BaseException as error:  # a package may fail in any way while it is imported
        raise_if_ours(error)
        problems.append(f"{path}: cannot inspect {target}: {type(error).__name__}: {error}")
        return CallableInfo()
    plain = tuple(name.name for name in names if name.kind in (name.POSITIONAL_OR_KEYWORD, name.KEYWORD_ONLY))
    return CallableInfo(plain, accepted_types(factory), _meanings(parameter_docs(factory)))


def _parameter(
    prefix: str, key: str, default: Any, infos: Mapping[str, CallableInfo], comments: Mapping[str, str]
) -> OptionParameter:
    types = {task: info.types[key] for task, info in infos.items() if key in info.types}
    meaning = next((info.meanings[key] for info in infos.values() if info.meanings.get(key)), "")
    return OptionParameter(f"{prefix}{key}", default, _types_by_task(types, len(infos)), meaning, comments.get(key, ""))


def _types_by_task(types: Mapping[str, str], count: int) -> str:
    if len(set(types.values())) == 1 and len(types) == count:
        return next(iter(types.values()))
    return "; ".join(f"{text} ({task})" if task else text for task, text in types.items())


# --- Types


def accepted_types(factory: Any) -> dict[str, str]:
    """Return the type of each parameter; constraints win over type hints, and these over the docstring."""
    # constraints are what is checked in fact; a docstring may be out of date
    return _types(parameter_docs(factory)) | hinted_types(factory) | constrained_types(factory)


def constrained_types(factory: Any) -> dict[str, str]:
    """Return what scikit-learn itself checks; nothing if the class has no constraints, or not in a known form."""
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
    except (ImportError, AttributeError, ValueError):  # a private module of scikit-learn
        return {}


def join_constraints(constraints: Iterable[str]) -> str:
    """Join scikit-learn's texts of constraints: ``int >= 1 | null``."""
    words = [word for text in constraints for word in _constraint_words(text)]
    # sorted is stable: null moves to the end, all others stay in scikit-learn's order
    return " | ".join(sorted(dict.fromkeys(words), key=lambda word: word == "null"))


def _constraint_words(text: str) -> list[str]:
    text = RANGE.sub(lambda match: _format_range(*match.groups()), text)
    if text.startswith("a str among "):
        names = sorted(re.findall(r"'([^']*)'", text))
        return names if len(names) == 1 else ["{" + ", ".join(names) + "}"]
    return [word for part in re.split(r", | or ", text) if (word := _constraint_word(part))]


def _constraint_word(part: str) -> str:
    """Return a type in YAML's words, nothing for an object that YAML cannot hold."""
    instance = INSTANCE.search(part)
    if instance:
        return WRITABLE.get(instance[1], "")
    return {"None": "null", "an array-like": "list", "a callable": ""}.get(part, part)


def _format_range(kind: str, left: str, low: str, high: str, right: str) -> str:
    """Format a range: ``int >= 1``, ``0 < float <= 1``. Without commas: those separate constraints."""
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
    """Return a type in YAML's words: ``float | null``, ``{a, b}``."""
    if hint is type(None):
        return "null"
    if get_origin(hint) is Literal:
        return "{" + ", ".join(str(choice) for choice in get_args(hint)) + "}"
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(map(format_type, get_args(hint)))
    if hint is bool:
        return "true | false"
    return hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint).replace("typing.", "")


# --- Docstrings


def parameter_docs(factory: Any) -> dict[str, ParameterDoc]:
    """Return type and meaning of each parameter from the docstring."""
    return _parse_docstring(inspect.getdoc(factory) or "")


def _parse_docstring(text: str) -> dict[str, ParameterDoc]:
    docs: dict[str, ParameterDoc] = {}
    section = SECTION.search(text + "\n")
    for entry in re.split(r"^(?=\S)", section[1], flags=re.MULTILINE) if section else []:
        if not entry.strip():
            continue
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(":")
        for name in names.split(","):  # one entry may be about several parameters
            docs[name.strip().lstrip("*")] = ParameterDoc(_type_line(kind), first_sentence(body))
    return docs


def _types(docs: Mapping[str, ParameterDoc]) -> dict[str, str]:
    return {name: doc.type for name, doc in docs.items() if doc.type}


def _meanings(docs: Mapping[str, ParameterDoc]) -> dict[str, str]:
    return {name: doc.meaning for name, doc in docs.items()}


def first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, without markup."""
    lines = [line.strip() for line in text.strip().partition("\n\n")[0].splitlines()]
    plain = strip_markup(" ".join(line for line in lines if not line.startswith("..")))
    end = SENTENCE_END.search(plain)
    return plain[: end.end()] if end else plain.rstrip(" :")


def strip_markup(text: str) -> str:
    """Return reStructuredText as plain text."""
    without_roles = ROLE.sub(lambda match: (match[1] or match[2]).rpartition(".")[2] or match[0], text)
    return re.sub(r"``?([^`]+)``?_?", r"\1", without_roles)


def _type_line(text: str) -> str:
    before = re.split(r",?\s*(?:default\b|optional\b)", text.strip())[0]
    return " ".join(strip_markup(before).split()).strip(" ,")
