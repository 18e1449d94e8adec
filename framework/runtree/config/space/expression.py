"""A small language of yes and no: `solver == sgd and alpha > 0.1`. It is parsed, never handed to Python."""

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

Read = Callable[[str], Any]
TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<sign>==|!=|<=|>=|<|>|[()\[\],])
      | (?P<name>[A-Za-z_$][\w$/-]*(?:\.[\w$-]+)*)""",
    re.VERBOSE | re.DOTALL,
)
CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPERATORS = ("==", "!=", *ORDER, "in", "not in")
WORDS = ("and", "or", "not", "in")


class ExpressionError(ValueError):
    """What is written is not of the language: `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True)
class Token:
    """A word or a sign, and where it stands; the last one of every text is of the kind "end"."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Literal:
    """A value."""

    content: Any

    def value(self, read: Read) -> Any:
        """Return it."""
        return self.content


@dataclass(frozen=True)
class Name:
    """A config path."""

    path: str

    def value(self, read: Read) -> Any:
        """Return what it holds."""
        return read(self.path)


@dataclass(frozen=True)
class Comparison:
    """`a < b <= c`: each neighbour pair holds."""

    operands: tuple["Expression", ...]
    operators: tuple[str, ...]

    def value(self, read: Read) -> bool:
        """Compare."""
        values = [operand.value(read) for operand in self.operands]
        return all(map(compared, self.operators, values, values[1:]))


@dataclass(frozen=True)
class Joined:
    """Several that hold all ("and"), or of which one holds ("or")."""

    word: str
    parts: tuple["Expression", ...]

    def value(self, read: Read) -> bool:
        """Ask one after the other, as few as needed."""
        return (all if self.word == "and" else any)(bool(part.value(read)) for part in self.parts)


@dataclass(frozen=True)
class Negation:
    """What holds where its part does not."""

    part: "Expression"

    def value(self, read: Read) -> bool:
        """Turn it round."""
        return not self.part.value(read)


Expression = Literal | Name | Comparison | Joined | Negation


def compared(sign: str, left: Any, right: Any) -> bool:
    """Compare two values; those that have no order, such as null and 3, are not below nor above each other."""
    if sign in ("==", "!="):
        return bool(left == right) is (sign == "==")
    if sign in ("in", "not in"):
        held = isinstance(right, str | Mapping | Collection) and _contains(right, left)
        return held is (sign == "in")
    try:
        return bool(ORDER[sign](left, right))
    except TypeError:
        return False


def _contains(collection: Any, value: Any) -> bool:
    try:
        return value in collection
    except TypeError:  # `3 in "text"`, a list among the keys of a mapping
        return False


def tokens(text: str) -> list[Token]:
    """Cut a text into words and signs.

    Raises
    ------
    ExpressionError
        At the first character that no word begins with.
    """
    found, position = [], 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"{text[position]!r} has no meaning here", position)
        kind = str(match.lastgroup)
        if kind != "blank":
            found.append(Token(kind if match[0] not in WORDS else "sign", match[0], position))
        position = match.end()
    return [*found, Token("end", "", len(text))]
