"""What is written behind `--where`: one condition as NAME=VALUE, or an expression with and, or, not and brackets."""

import ast
import re
from collections.abc import Collection

from runtree.contract.errors import RequestError
from runtree.records.expression import EXAMPLE, Expression, dotted, refusal, tree_of, written
from runtree.records.query import EXPRESSION, Condition, parse, resolve

PLAIN_NAME = re.compile(r"[^\s()\[\]'\"]+")
JOINED = re.compile(r"\s(and|or)\s+(not\s+)?\(*[\w.]+\s*(=|!=|<|>|~)")
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def read_where(text: str, known: Collection[str] | None) -> Condition | Expression:
    """Read what is written behind `--where`; `known` are the full names that there are, None where nobody knows.

    Raises
    ------
    RequestError
        It cannot be read, or names what no run has.
    """
    plain = text.strip().replace("\n", " ")
    if is_simple(plain):
        found = parse(plain)
        name = found.name if known is None else resolve(found.name, known)
        return Condition(name, found.operator, found.text)
    tree = tree_of(plain)
    if not isinstance(tree, ast.BoolOp | ast.Compare | ast.UnaryOp) or _is_number(tree):
        parse(dotted(tree) or "")  # its refusal tells how a condition is written
    return Expression(tree, {name: _resolved(name, known, plain) for name in written(tree)})


def is_simple(text: str) -> bool:
    """Tell whether this is one NAME=VALUE, whose value needs no quotes."""
    found = EXPRESSION.fullmatch(text)
    if found is None or not PLAIN_NAME.fullmatch(found[1]):
        return not re.search(r"\b(and|or|not|in)\b|[()]", text)
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if found[2] not in ("=", "~") and re.search(r"['\"(]|\b(and|or|not|in)\b", found[3]):
            return False
        _refuse_joined(text)
        return True
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or not isinstance(tree.left, ast.Name | ast.Attribute):
        return False
    return not (isinstance(tree.ops[0], ORDERED) and isinstance(tree.comparators[0], ast.Attribute))


def _refuse_joined(text: str) -> None:
    """Refuse ``a=1 and b=2``, which would ask whether a is "1 and b=2"."""
    found = JOINED.search(text)
    if found:
        raise refusal(text, found.start(1), f"conditions that are joined with '{found[1]}' are written with ==")


def _resolved(name: str, known: Collection[str] | None, text: str) -> str:
    if known is None:
        return name
    try:
        return resolve(name, known)
    except RequestError as error:
        quoted = f'or, if it is a text, quote it: "{name}"' if "." not in name else EXAMPLE
        raise RequestError(f"--where: {error.message}", *error.hints, quoted) from None


def _is_number(tree: ast.expr) -> bool:
    return isinstance(tree, ast.UnaryOp) and not isinstance(tree.op, ast.Not)
