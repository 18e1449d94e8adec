"""Boolean expressions over what runs hold: comparisons joined with and, or, not, in Python's own grammar and meaning.

They are read as a tree and walked column by column; nothing is ever executed, and nothing but names, constants,
comparisons and these three words is let through. A value that a run does not have is null: it is less than nothing and
greater than nothing, and equal to null alone.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError

DEEPEST = 60  # levels of brackets and not: far more than anybody types
WORDS: Mapping[str, Any] = {"null": None, "none": None, "true": True, "false": False}
SIGNS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, many: value in many,
    ast.NotIn: lambda value, many: value not in many,
}
CHANGES: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
REFUSED: Mapping[type[ast.AST], str] = {
    ast.Call: "nothing can be called here",
    ast.Subscript: "nothing can be indexed here: write the whole dotted name",
    ast.BinOp: "nothing can be computed here",
    ast.Lambda: "lambda is a word of Python's: for a key of that name write NAME=VALUE alone",
    ast.Is: "write == null",
    ast.IsNot: "write != null",
}
EXAMPLE = "e.g. --where 'algorithm.name == \"ridge\" and (test.r2 > 0.8 or seed in [1, 2])'"
Column = Callable[[str], Sequence[Any]]


@dataclass(frozen=True)
class Expression:
    """A condition made of several; `full` tells the full name of each that is written in it."""

    tree: ast.expr
    full: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the full names that it asks about."""
        return tuple(dict.fromkeys(self.full[name] for name in written(self.tree)))

    def keep(self, rows: Sequence[int], column: Column) -> list[int]:
        """Return the rows to which it holds; `column` gives all values under a full name."""
        own = {name: list(map(column(name).__getitem__, rows)) for name in self.names}
        found = _values(self.tree, lambda name: own[self.full[name]], len(rows))
        return [row for row, holds in zip(rows, found, strict=True) if holds]

    def equalities(self) -> Iterator[tuple[str, Any]]:
        """Yield each name that is compared with a constant by ``==``, with the constant."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare) and [type(sign) for sign in node.ops] == [ast.Eq]:
                name, other = dotted(node.left), node.comparators[0]
                if name is not None and name in self.full and isinstance(other, ast.Constant):
                    yield self.full[name], other.value


def tree_of(text: str) -> ast.expr:
    """Read an expression and check that it asks for nothing but comparisons.

    Raises
    ------
    RequestError
        With the position of what cannot be.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        at = error.offset - 1 if error.offset else len(text)  # none is told where the text breaks off
        raise refusal(text, at, error.msg) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise refusal(text, 0, str(error) or "it is nested too deeply") from None
    _check(tree, text, 0)
    return tree


def written(tree: ast.expr) -> Iterator[str]:
    """Yield the dotted names in an expression, from the left."""
    name = dotted(tree)
    if name is not None:
        if name not in WORDS:
            yield name
        return
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.expr):
            yield from written(child)


def dotted(node: ast.AST) -> str | None:
    """Return ``a.b.c`` where a node is that, else None."""
    if isinstance(node, ast.Name):
        return node.id
    before = dotted(node.value) if isinstance(node, ast.Attribute) else None
    return f"{before}.{node.attr}" if before is not None and isinstance(node, ast.Attribute) else None


def refusal(text: str, at: int, why: str) -> RequestError:
    """Say where an expression cannot be read, and why."""
    near = f", '{text[at : at + 12]}'" if text[at : at + 12].strip() else ""
    return RequestError(
        f"--where: '{text}' at position {at + 1}{near}: {why}",
        "comparisons (== != < <= > >= in) are joined with and, or, not; texts take quotes",
        EXAMPLE,
    )


def _check(node: ast.AST, text: str, depth: int) -> None:
    position = getattr(node, "col_offset", 0)
    if depth > DEEPEST:
        raise refusal(text, 0, "it is nested too deeply")
    if dotted(node) is not None:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        if not isinstance(node.operand, ast.Constant) or isinstance(node.operand.value, str):
            raise refusal(text, position, REFUSED[ast.BinOp])
        return
    allowed = ast.BoolOp | ast.Compare | ast.List | ast.Tuple
    if not isinstance(node, allowed) and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        raise refusal(text, position, REFUSED.get(type(node), "that is no comparison"))
    for sign in node.ops if isinstance(node, ast.Compare) else ():
        if type(sign) not in SIGNS:
            raise refusal(text, position, REFUSED[type(sign)])
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _check(child, text, depth + 1)


def _values(node: ast.AST, column: Column, rows: int) -> Sequence[Any]:
    """Return what a node is for each row."""
    name = dotted(node)
    if name is not None:
        return [WORDS[name]] * rows if name in WORDS else column(name)
    if isinstance(node, ast.Constant):
        return [node.value] * rows
    if isinstance(node, ast.Compare):
        return _compared(node, column, rows)
    if isinstance(node, ast.BoolOp):
        join: Callable[[tuple[Any, ...]], bool] = all if isinstance(node.op, ast.And) else any
        return list(map(join, _rowwise(node.values, column, rows)))
    if isinstance(node, ast.UnaryOp):
        own = _values(node.operand, column, rows)
        return list(map(CHANGES[type(node.op)], own))
    assert isinstance(node, ast.List | ast.Tuple), "nothing else passes the check"
    return list(map(list, _rowwise(node.elts, column, rows))) if node.elts else [[]] * rows


def _rowwise(nodes: Sequence[ast.AST], column: Column, rows: int) -> Iterator[tuple[Any, ...]]:
    """Return for each row what several nodes are for it."""
    return zip(*(_values(node, column, rows) for node in nodes), strict=True)


def _compared(node: ast.Compare, column: Column, rows: int) -> list[bool]:
    """Return whether each link of a chain holds: ``0 < alpha < 1`` has two."""
    sides = [_values(side, column, rows) for side in (node.left, *node.comparators)]
    links = [
        [_holds(type(sign), one, other) for one, other in zip(left, right, strict=True)]
        for sign, left, right in zip(node.ops, sides, sides[1:], strict=False)
    ]
    return list(map(all, zip(*links, strict=True)))


def _holds(sign: type[ast.cmpop], one: Any, other: Any) -> bool:
    """Compare two values; what has no order, or nothing in it, answers no."""
    try:
        return bool(SIGNS[sign](one, other))
    except TypeError:
        return sign is ast.NotIn
