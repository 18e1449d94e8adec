"""The nodes of the expression language: each is evaluated on values, or turned into SQL of the same truth.

A value is a name, a literal or arithmetic; a condition is true or false, never null. A value contains no condition, so
that the SQL of a value stays short where it is written several times.
"""

import json
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "none": None}
ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
Read = Callable[[str], Any]
Column = Callable[[str], str]


@dataclass(frozen=True)
class Sql:
    """Text with a ? for each of its parameters, in their order."""

    text: str
    parameters: tuple[Any, ...] = ()

    @classmethod
    def format(cls, template: str, *parts: "Sql") -> "Sql":
        """Fill the braces of a template with parts; pass a part twice to use it twice."""
        # SQLite binds ? by position, so parameters follow the order of their parts in the text
        parameters = tuple(value for part in parts for value in part.parameters)
        return cls(template.format(*(part.text for part in parts)), parameters)

    @classmethod
    def join(cls, separator: str, parts: Iterable["Sql"]) -> "Sql":
        """Join parts in parentheses."""
        parts = list(parts)
        return cls.format("(" + separator.join("{}" for _ in parts) + ")", *parts)


class Node:
    """A part of an expression."""

    def children(self) -> tuple["Node", ...]:
        """Return the parts of this part."""
        return ()

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, in the order of the text."""
        yield self
        for child in self.children():
            yield from child.walk()


# has_type and truth are methods of their own, because SQLite's comparison and truth differ from Python's for mixed
# types
class ValueNode(Node, ABC):
    """A value that can be compared."""

    @abstractmethod
    def value(self, read: Read) -> Any:
        """Return the value, None if it is missing."""

    @abstractmethod
    def sql(self, column: Column) -> Sql:
        """Return the value in SQL, NULL if it is missing."""

    @abstractmethod
    def has_type(self, column: Column, kind: str) -> Sql:
        """Return SQL that is 1 if the value has this type, "text" or "number"."""

    @abstractmethod
    def truth(self, column: Column) -> Sql:
        """Return the SQL for Python's truth of the value, 1 or 0."""


@dataclass(frozen=True)
class LiteralNode(ValueNode):
    """A number, a text, a boolean, null or a list of these."""

    content: Any

    def value(self, read: Read) -> Any:
        return self.content

    def sql(self, column: Column) -> Sql:
        # always a parameter, never text in the SQL: a value may hold quotes, and this is what rules out injection
        return Sql("?", (stored(self.content),))

    def has_type(self, column: Column, kind: str) -> Sql:
        # known while the SQL is built: a literal has the same type in every row
        return Sql(str(int(isinstance(self.content, str) if kind == "text" else is_number(self.content))))

    def truth(self, column: Column) -> Sql:
        return Sql(str(int(bool(self.content))))


@dataclass(frozen=True)
class NameNode(ValueNode):
    """A value that is looked up."""

    path: str

    def value(self, read: Read) -> Any:
        return read(self.path)

    def sql(self, column: Column) -> Sql:
        return Sql(column(self.path))

    def has_type(self, column: Column, kind: str) -> Sql:
        # the type of the value in this row: columns have none
        return Sql.format(f"typeof({{}}) IN ({_TYPES[kind]})", self.sql(column))

    def truth(self, column: Column) -> Sql:
        own = self.sql(column)
        # SQL itself takes every text that does not begin with a number for false
        return Sql.format(
            "CASE typeof({}) WHEN 'text' THEN {} <> '' WHEN 'blob' THEN CAST({} AS TEXT) NOT IN ('[]', '{{}}')"
            " ELSE COALESCE({}, 0) <> 0 END",
            *[own] * 4,
        )


_TYPES = {"text": "'text'", "number": "'integer', 'real'"}


@dataclass(frozen=True)
class ArithmeticNode(ValueNode):
    """Two numbers combined by + - * /; null if one of them is not a number, or on division by zero."""

    operator: str
    left: ValueNode
    right: ValueNode

    def children(self) -> tuple[Node, ...]:
        return self.left, self.right

    def value(self, read: Read) -> Any:
        left, right = self.left.value(read), self.right.value(read)
        # Python would join texts and repeat lists
        if not (is_number(left) and is_number(right)):
            return None
        try:
            return normalize(ARITHMETIC[self.operator](left, right))
        # SQLite has NULL for a division by zero; an integer that is too long for a float raises OverflowError
        except ArithmeticError:
            return None

    def sql(self, column: Column) -> Sql:
        # SQLite drops the fraction when it divides integers, and reads text as a number
        template = "({} * 1.0 / {})" if self.operator == "/" else f"({{}} {self.operator} {{}})"
        sides = (
            side.sql(column)
            # arithmetic yields a number or null already: a CASE around it would repeat its text and double the SQL at
            # each level
            if isinstance(side, ArithmeticNode)
            else Sql.format("CASE WHEN {} THEN {} END", side.has_type(column, "number"), side.sql(column))
            for side in (self.left, self.right)
        )
        return Sql.format(template, *sides)

    def has_type(self, column: Column, kind: str) -> Sql:
        return Sql(str(int(kind == "number")))  # null passes too: comparing it gives null, and that counts as 0

    def truth(self, column: Column) -> Sql:
        return Sql.format("COALESCE({}, 0) <> 0", self.sql(column))


@dataclass(frozen=True)
class FilterNode(ValueNode):
    """``value[condition]``: the value where the condition holds, else null."""

    part: ValueNode
    condition: "ConditionNode"

    def children(self) -> tuple[Node, ...]:
        return self.part, self.condition

    def value(self, read: Read) -> Any:
        return self.part.value(read) if self.condition.holds(read) else None

    def sql(self, column: Column) -> Sql:
        return Sql.format("CASE WHEN {} THEN {} END", self.condition.sql(column), self.part.sql(column))

    def has_type(self, column: Column, kind: str) -> Sql:
        return Sql.format("({} AND {})", self.condition.sql(column), self.part.has_type(column, kind))

    def truth(self, column: Column) -> Sql:
        return Sql.format("({} AND {})", self.condition.sql(column), self.part.truth(column))


@dataclass(frozen=True)
class AggregateNode(ValueNode):
    """``sum(value)``: one number of many rows; `part` is a value, a condition to count by, or None to count all rows.

    Its SQL aggregates over rows. As a value it is looked up under its own text, once SQL has computed it.
    """

    text: str
    function: str
    part: "ValueNode | ConditionNode | None"

    def children(self) -> tuple[Node, ...]:
        return () if self.part is None else (self.part,)

    def value(self, read: Read) -> Any:
        return read(self.text)

    def sql(self, column: Column) -> Sql:
        if self.part is None:
            return Sql("COUNT(*)")
        if isinstance(self.part, ConditionNode):
            return Sql.format("COUNT(CASE WHEN {} THEN 1 END)", self.part.sql(column))
        if self.function == "count":
            return Sql.format("COUNT({})", self.part.sql(column))
        # SQLite reads texts as numbers, which they are nowhere else in this language
        number = Sql.format("CASE WHEN {} THEN {} END", self.part.has_type(column, "number"), self.part.sql(column))
        return Sql.format(f"{AGGREGATES[self.function]}({{}})", number)

    def has_type(self, column: Column, kind: str) -> Sql:
        return Sql(str(int(kind == "number")))

    def truth(self, column: Column) -> Sql:
        return Sql.format("COALESCE({}, 0) <> 0", self.sql(column))


# TOTAL and not SUM: the sum of no rows is 0, as the count of them is
AGGREGATES: Mapping[str, str] = {"sum": "TOTAL", "mean": "AVG", "min": "MIN", "max": "MAX", "count": "COUNT"}


class ConditionNode(Node, ABC):
    """A condition: true or false, never null."""

    @abstractmethod
    def holds(self, read: Read) -> bool:
        """Return whether it is true."""

    @abstractmethod
    def sql(self, column: Column) -> Sql:
        """Return SQL that is 1 or 0."""


@dataclass(frozen=True)
class TruthNode(ConditionNode):
    """A value that stands alone, by Python's truth: null, 0, '' and [] are false."""

    part: ValueNode

    def children(self) -> tuple[Node, ...]:
        return (self.part,)

    def holds(self, read: Read) -> bool:
        return bool(self.part.value(read))

    def sql(self, column: Column) -> Sql:
        # parentheses, because the condition may stand below NOT or beside AND
        return Sql.join("", [self.part.truth(column)])


@dataclass(frozen=True)
class NotNode(ConditionNode):
    """``not``."""

    part: ConditionNode

    def children(self) -> tuple[Node, ...]:
        return (self.part,)

    def holds(self, read: Read) -> bool:
        return not self.part.holds(read)

    def sql(self, column: Column) -> Sql:
        return Sql.format("(NOT {})", self.part.sql(column))


@dataclass(frozen=True)
class JunctionNode(ConditionNode):
    """Conditions joined by "and" or by "or"."""

    word: str
    parts: tuple[ConditionNode, ...]

    def children(self) -> tuple[Node, ...]:
        return self.parts

    def holds(self, read: Read) -> bool:
        return (all if self.word == "and" else any)(part.holds(read) for part in self.parts)

    def sql(self, column: Column) -> Sql:
        return Sql.join(f" {self.word.upper()} ", (part.sql(column) for part in self.parts))


@dataclass(frozen=True)
class ComparisonNode(ConditionNode):
    """``a < b``; a chain such as ``a < b <= c`` is two of them, joined by and."""

    operator: str
    left: ValueNode
    right: ValueNode

    def children(self) -> tuple[Node, ...]:
        return self.left, self.right

    def holds(self, read: Read) -> bool:
        return _compare(self.operator, self.left.value(read), self.right.value(read))

    def sql(self, column: Column) -> Sql:
        sign, first, second = self.operator, self.left.sql(column), self.right.sql(column)
        if sign in ("==", "!="):
            # = would be null for a null, IS never is
            return Sql.format("({} IS {})" if sign == "==" else "({} IS NOT {})", first, second)
        if sign in ("in", "not in"):
            template = (
                "(CASE typeof({}) WHEN 'text' THEN COALESCE({} AND instr({}, {}) > 0, 0)"
                " WHEN 'blob' THEN EXISTS (SELECT 1 FROM json_each(CAST({} AS TEXT))"
                " WHERE CASE json_type(CAST({} AS TEXT)) WHEN 'object' THEN key ELSE value END IS {})"
                f" ELSE 0 END = {int(sign == 'in')})"
            )
            is_text = self.left.has_type(column, "text")
            return Sql.format(template, second, is_text, second, first, second, second, first)
        # SQL puts every number before every text; here they have no order
        sides = self.left, self.right
        types = [side.has_type(column, kind) for kind in ("text", "number") for side in sides]
        template = f"COALESCE(({{}} AND {{}} OR {{}} AND {{}}) AND {{}} {sign} {{}}, 0)"
        return Sql.format(template, *types, first, second)


@dataclass(frozen=True)
class MembershipNode(ConditionNode):
    """``a in [b, c]``."""

    item: ValueNode
    members: tuple[ValueNode, ...]

    def children(self) -> tuple[Node, ...]:
        return self.item, *self.members

    def holds(self, read: Read) -> bool:
        # `in` compares with ==, as SQL's IN does: 1 is 1.0 and True
        return self.item.value(read) in [member.value(read) for member in self.members]

    def sql(self, column: Column) -> Sql:
        own = self.item.sql(column)
        literals, rest = list[Sql](), [Sql("0")]
        for member in self.members:
            # IN never finds a null
            if isinstance(member, LiteralNode) and member.content is not None:
                literals.append(member.sql(column))
            else:
                rest.append(Sql.format("{} IS {}", own, member.sql(column)))
        # one IN for all literals: SQLite limits how deep ORs nest, not how long a list is
        many = [Sql.format("COALESCE({} IN {}, 0)", own, Sql.join(", ", literals))] if literals else []
        return Sql.join(" OR ", [*many, *rest])


@dataclass(frozen=True)
class ShorthandNode(ConditionNode):
    """The shorthand ``NAME=VALUE``: the value is text, read as a number where the name holds a number.

    ``true``, ``false`` and ``null`` are read as such where the name holds no text; no value at all equals null.
    `operator` is one of = != < <= > >= ~, the last for "contains", which ignores case.
    """

    path: str
    operator: str
    text: str

    def holds(self, read: Read) -> bool:
        value = read(self.path)
        if self.operator == "~":
            return bool(contains_text(stored(value), self.text))
        # != is the negation of =, so that a missing value is unequal to every value, and each run is in exactly one of
        # the two results
        if self.operator in ("=", "!="):
            return self._equals(value) is (self.operator == "=")
        # the type of the stored value decides how the text is read, because the user typed no quotes
        return _compare(self.operator, value, self.number if is_number(value) else self.text)

    @property
    def number(self) -> float | None:
        """Return the text as a number, None if it is none."""
        try:
            # float() also accepts True (1.0), and "nan", which counts as missing; None raises TypeError
            return normalize(float(CONSTANTS.get(self.text.lower(), self.text)))  # type: ignore[no-any-return]
        except (TypeError, ValueError):
            return None

    def _equals(self, value: Any) -> bool:
        if value is None:
            return self.text.lower() in ("null", "none", "")
        if is_number(value):
            return bool(value == self.number)
        return self.text == (value if isinstance(value, str) else _json(value))

    def sql(self, column: Column) -> Sql:
        own, text, number = Sql(column(self.path)), Sql("?", (self.text,)), Sql("?", (self.number,))
        if self.operator == "~":
            return Sql.format("runtree_contains({}, {})", own, text)
        if self.operator in ("=", "!="):
            # null, "none" and an empty value mean a missing one; that depends on the typed text alone, so it is decided
            # here
            null = int(self._equals(None))
            template = (
                "(CASE typeof({}) WHEN 'text' THEN {} = {} WHEN 'blob' THEN CAST({} AS TEXT) = {}"
                f" WHEN 'null' THEN {null} ELSE {{}} IS {{}} END = {int(self.operator == '=')})"
            )
            return Sql.format(template, own, own, text, own, text, own, number)
        # the same branches as `_compare`: lists (blobs) have no order, and null has none
        template = "CASE typeof({}) WHEN 'text' THEN {} %s {} WHEN 'blob' THEN 0 ELSE COALESCE({} %s {}, 0) END"
        return Sql.format(template.replace("%s", self.operator), own, own, text, own, number)


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign in ("==", "!="):
        return bool(left == right) is (sign == "==")
    if sign in ("in", "not in"):
        return _contains(right, left) is (sign == "in")
    # Python raises TypeError for mixed types; a condition over runs with different options meets them all the time
    ordered = (isinstance(left, str) and isinstance(right, str)) or (is_number(left) and is_number(right))
    return ordered and bool(ORDER[sign](left, right))


def _contains(collection: Any, value: Any) -> bool:
    if isinstance(collection, str):
        return isinstance(value, str) and value in collection
    # over a list of the keys, because an unhashable value in a dict raises TypeError
    return isinstance(collection, list | Mapping) and value in list(collection)


def is_number(value: Any) -> bool:
    """Return whether a value is a number; as in Python and SQL, true and false are 1 and 0."""
    return isinstance(value, int | float)


def normalize(value: Any) -> Any:
    """Return a value as it is compared: NaN is missing, as it is in SQL, and a tuple is a list."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def contains_text(value: Any, text: str) -> int:
    """Return 1 if a stored value, written as text, contains a text, else 0."""
    # lower() of Python and not SQLite's LIKE, which ignores case for ASCII alone and gives % and _ a meaning
    shown = value.decode() if isinstance(value, bytes) else str(value)
    return int(value is not None and text.lower() in shown.lower())


def stored(value: Any) -> Any:
    """Return what SQLite stores of a value: lists and mappings as their JSON in bytes, which equal no text."""
    value = normalize(value)
    if isinstance(value, bool):
        return int(value)
    # sqlite3 refuses longer integers
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value if value is None or isinstance(value, int | float | str) else _json(value).encode()


def _json(value: Any) -> str:
    # the same text as `stored` wrote, because lists are compared by their JSON
    return json.dumps(value, ensure_ascii=False, default=str)
