"""Values of the wrong type, with what to type: YAML and Hydra read true, null, 1.0 and 1e3 as no texts."""

import inspect
import math
import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from runtree.config.space.grammar import quote
from runtree.contract.commands import typed
from runtree.contract.errors import ConfigError, unknown

MARKS = re.compile(r"['\"(){}\[\]]")  # else Hydra's grammar does not read a word as a text
PLAIN = (str, int, float, bool, type(None), list, list[str], list[int], list[float])  # which no node describes


def check_type(value: Any, hint: Any, path: str) -> None:
    """Refuse a value that is not of the annotated type, with how one is written."""
    from typeguard import CollectionCheckStrategy, TypeCheckError
    from typeguard import check_type as matches

    accepted = _alternatives(hint)
    if isinstance(value, Mapping) and (of_items := _items(accepted)) is not None:
        for key, item in value.items():
            if not is_node(item, of_items):
                check_type(item, of_items, f"{path}.{key}")
        return
    words, listed = _words(accepted)
    if words and isinstance(value, str) and value in words:  # typeguard takes longer
        return
    for word in value if isinstance(value, list) else [value]:
        if words and isinstance(word, str) and word not in words and str not in accepted:
            raise unknown(f"value at {path}:", word, words, error=ConfigError)
    try:
        matches(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        # a bool is an int for Python, and `data.test_size=true` would be a single row
        fits = not isinstance(value, bool) or bool in accepted or not {int, float} & {*accepted}
    except TypeCheckError:
        fits = False
    if not fits and words:
        word = _meant(value, words, type(None) in accepted)
        kind, example = ("a list of", f"[{word}]") if listed else ("one of", word)
        given = str(value).lower() if isinstance(value, bool) else repr(value)
        hint = f"type: {typed(f'{path}={example}')}"
        raise ConfigError(f"{path}: {given} is not {kind} {', '.join(map(str, words))}", hint)
    if not fits:
        shown = getattr(hint, "__name__", None) if inspect.isclass(hint) else str(hint).replace("typing.", "")
        raise ConfigError(f"{path}: {value!r} is not of the type {shown}", how_to_write(value, accepted, path))


def _meant(value: Any, words: list[Any], optional: bool) -> str:
    """Return the word to offer: of true the first that switches something on, else one that switches it off."""
    off = ["null"] * optional + [word for word in words if word == "none"]
    on = [word for word in words if word != "none"]
    return str(on[0] if value is True or not off else off[0])


def how_to_write(value: Any, accepted: tuple[Any, ...], path: str) -> str:
    """Return what to type for a value that has arrived with another type than was meant; "" if that is unclear.

    Parameters
    ----------
    accepted
        The types that are possible: str, int, list[str], …
    """
    listed = next((part for part in accepted if part is list or get_origin(part) is list), None)
    if isinstance(value, list):
        if listed is None and len(value) == 1:
            quoted = str in accepted and not isinstance(value[0], str)
            return f"one value is expected: {typed(f'{path}={_written(value[0], quoted)}')}"
        items = ",".join(_written(item, quoted=not isinstance(item, str)) for item in value)
        return f"if they are names, quote them: {typed(f'{path}=[{items}]')}" if str in get_args(listed) else ""
    if listed is not None and isinstance(value, (str, int, float)):
        quoted = str in get_args(listed) and not isinstance(value, str)
        words = value.split() if isinstance(value, str) and "," not in value else []
        items = ",".join(_written(word, quoted=False) for word in words)
        several = f"; of several: {typed(f'{path}=[{items}]')}" if len(words) > 1 else ""
        return f"write a list: {typed(f'{path}=[{_written(value, quoted)}]')}{several}"
    if str in accepted and not isinstance(value, Mapping):
        none = f"for none type {path}=null; " if value is False and type(None) in accepted else ""
        return f"{none}if it is a name, quote it: {typed(f'{path}={_written(value, quoted=True)}')}"
    if {int, float} & {*accepted}:
        number = as_number(value)
        if number is not None and (float in accepted or number.is_integer()):
            return f"write the number: {path}={int(number) if number.is_integer() else number}"
        return f"write a number, such as {path}={'0.5' if float in accepted else '5'}"
    return f"type: {path}=true or {path}=false" if bool in accepted else ""


def as_number(value: Any) -> float | None:
    """Return the number that a text or a number stands for: 0.2 for "20%"; None if it is neither."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _written(value: Any, quoted: bool = False) -> str:
    """Return a value as an override has it."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str) and MARKS.search(text):
        return quote(text)
    return f'"{text}"' if quoted else text


def is_node(value: Any, hint: Any) -> bool:
    """Return whether a mapping may describe an object of the annotated type, or hold such descriptions."""
    if not isinstance(value, (dict, Mapping)):
        return False
    accepted = _alternatives(hint)
    return "_target_" in value or not (_items(accepted) is not None or all(part in PLAIN for part in accepted))


def _items(accepted: tuple[Any, ...]) -> Any:
    """Return the type of the values of a mapping, None if none is accepted."""
    return next((get_args(part)[1] for part in accepted if get_origin(part) is dict), None)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _words(accepted: tuple[Any, ...]) -> tuple[list[Any], bool]:
    """Return the words that are possible, none where the type leaves them open, and whether a list of them is meant."""
    of_lists = [item for part in accepted if get_origin(part) is list for item in get_args(part)]
    own, listed = (
        [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
        for parts in (accepted, of_lists)
    )
    return own or listed, not own
