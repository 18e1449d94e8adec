"""Questions to many records: which match, and in which order.

A name is a field of the record (`state`), a metric of a part (`test.accuracy`) or a config path (`algorithm.alpha`).
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import Any

from runtree.contract.errors import RequestError, nearest, unknown
from runtree.contract.types import PARTS, RunRecord
from runtree.records.index import RunIndex
from runtree.records.record import SUMMARY_FIELDS

CONDITION = re.compile(r"\s*([^\s=!<>~]+)\s*(!=|<=|>=|==|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
METRICS = "metrics."
PREFERRED = ("validation", "test", "train")  # the part that a bare metric name means


@dataclass(frozen=True)
class Condition:
    """One comparison: ``test.accuracy>0.9``."""

    name: str
    operator: str
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name that it asks about."""
        return (self.name,)

    def keep(self, rows: Sequence[int], column: Callable[[str], Sequence[Any]]) -> list[int]:
        """Return the rows to which it holds; `column` gives all values under a full name."""
        found = column(self.name)
        return [row for row in rows if self.holds(found[row])]

    def equalities(self) -> Sequence[tuple[str, Any]]:
        """Return its name and value where it asks for an equal one."""
        return [(self.name, self.text)] if self.operator == "=" else []

    def holds(self, found: Any) -> bool:
        """Tell whether a value answers to it. One that is not there answers to `!=` alone, and to ``=null``."""
        if self.operator == "~":
            return self.text.lower() in str(found).lower() and found is not None
        if self.operator in ("=", "!="):
            return _same(found, self.text) == (self.operator == "=")
        return found is not None and self._ordered(found)

    def _ordered(self, found: Any) -> bool:
        compare = COMPARE[self.operator]
        if not isinstance(found, (int, float)) or isinstance(found, bool):
            return compare(str(found), self.text)
        number = _number(self.text)
        if number is None:
            raise RequestError(
                f"--where: '{self.text}' is not a number, and {self.name} holds numbers", f"e.g. {self.name}>{found}"
            )
        return compare(found, number)


def parse(expression: str) -> Condition:
    """Read a condition.

    Raises
    ------
    RequestError
        Where there is no name or no operator.
    """
    found = CONDITION.fullmatch(expression)
    if found is None:
        raise RequestError(
            f"--where: '{expression}' is not a condition",
            "write NAME=VALUE, or with one of != < <= > >= ~ (contains)",
            "e.g. --where algorithm.name=ridge --where 'test.accuracy>0.9'",
        )
    name, sign, text = found.groups()
    return Condition(name, "=" if sign == "==" else sign, text.strip("'\""))


def record_value(record: RunRecord, name: str) -> Any:
    """Return what a record holds under a full name, or None."""
    if name in SUMMARY_FIELDS:
        return getattr(record, name)
    if name in record.config:
        return record.config[name]
    part, _, metric = name.partition(".")
    return record.metrics[part].get(metric) if part in PARTS and part in record.metrics else None


def resolve_name(name: str, known: Collection[str]) -> str:
    """Return the full name for a full or a short one.

    `accuracy` is `validation.accuracy`, `algorithm` is `algorithm.name`, `alpha` is `algorithm.alpha` where no other
    key ends so. ``metrics.`` before a metric may be written.

    Raises
    ------
    RequestError
        A name that nobody has, or that several keys end in.
    """
    if name.startswith(METRICS) and name not in known:
        name = name.removeprefix(METRICS)
    for candidate in (name, f"{name}.name", *(f"{part}.{name}" for part in PREFERRED)):
        if candidate in known:
            return candidate
    ending = sorted(other for other in known if other.endswith(f".{name}") and ".space." not in other)
    if len(ending) > 1:
        raise RequestError(f"'{name}' may be any of {len(ending)} keys: {', '.join(ending[:6])}", "type the whole key")
    if ending:
        return ending[0]
    raise unknown("key or metric", name, _alike(name, known))


def _alike(name: str, known: Collection[str]) -> Collection[str]:
    """Return the names to suggest from: full ones for a dotted name, else last parts; those with it if none is near."""
    pool = known if "." in name else {other.rpartition(".")[2] for other in known}
    return pool if nearest(name, pool) else [other for other in known if name in other] or pool


def is_metric(name: str) -> bool:
    """Tell whether a full name is that of a metric."""
    return name.partition(".")[0] in PARTS


def is_descending(name: str, directions: Mapping[str, str]) -> bool:
    """Tell whether the best, or the newest, is the largest."""
    if is_metric(name):
        return directions.get(name.partition(".")[2], "maximize") == "maximize"
    return name in ("started", "finished")


def sort_keys(column: Sequence[Any]) -> Sequence[Any]:
    """Return what values are sorted by: numbers before words; None for those that come last whatever the direction."""
    kinds = set(map(type, column)) - {type(None)}
    if kinds <= {int, float}:
        return [None if number != number else number for number in column]
    return column if kinds <= {str} else [_rank(record_value) for record_value in column]


def leading_rows(rows: Sequence[int], by: Sequence[Any], largest_first: bool, most: int | None) -> Sequence[int]:
    """Return the rows that may be among the first `most`, equals of the last included: so few are sorted in full."""
    have = [row for row in rows if by[row] is not None]
    if most is None or not 0 < most < len(have):
        return rows
    last = (nlargest if largest_first else nsmallest)(most, map(by.__getitem__, have))[-1]
    return [row for row in have if (by[row] >= last if largest_first else by[row] <= last)]


def order_rows(rows: Sequence[int], by: Sequence[Any], largest_first: bool) -> list[int]:
    """Sort rows by their ranks; equals keep their order, and those that have none come last in both directions."""
    have = sorted((row for row in rows if by[row] is not None), key=by.__getitem__, reverse=largest_first)
    return [*have, *(row for row in rows if by[row] is None)]


def _rank(found: Any) -> tuple[int, float, str] | None:
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return None
    if isinstance(found, (int, float)):
        return 0, float(found), ""
    return 1, 0.0, str(found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same(found: Any, text: str) -> bool:
    if found is None or isinstance(found, bool):
        return text.lower() in {None: ("null", "none", ""), True: ("true",), False: ("false",)}[found]
    if isinstance(found, (int, float)):
        return _number(text) == found
    return str(found) == text


# A value that a run does not have is null: it is less than nothing and greater than nothing, and equal to null alone.

DEEPEST = 60  # levels of brackets and not: far more than anybody types
WORDS: Mapping[str, Any] = {"null": None, "none": None, "true": True, "false": False}
SIGNS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda record_value, many: record_value in many,
    ast.NotIn: lambda record_value, many: record_value not in many,
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


# --- What is written behind `--where`: one condition as NAME=VALUE, or an expression with and, or, not and brackets.

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
        name = found.name if known is None else resolve_name(found.name, known)
        return Condition(name, found.operator, found.text)
    tree = tree_of(plain)
    if not isinstance(tree, ast.BoolOp | ast.Compare | ast.UnaryOp) or _is_number(tree):
        parse(dotted(tree) or "")  # its refusal tells how a condition is written
    return Expression(tree, {name: _resolved(name, known, plain) for name in written(tree)})


def is_simple(text: str) -> bool:
    """Tell whether this is one NAME=VALUE, whose value needs no quotes."""
    found = CONDITION.fullmatch(text)
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
        return resolve_name(name, known)
    except RequestError as error:
        quoted = f'or, if it is a text, quote it: "{name}"' if "." not in name else EXAMPLE
        raise RequestError(f"--where: {error.message}", *error.hints, quoted) from None


def _is_number(tree: ast.expr) -> bool:
    return isinstance(tree, ast.UnaryOp) and not isinstance(tree.op, ast.Not)


# --- A listing's runs: filtered, sorted and cut, with honest counts.

Where = Condition | Expression


@dataclass(frozen=True)
class RunQuery:
    """What was asked for; `most` is None for all."""

    experiment: str | None = None
    where: tuple[str, ...] = ()
    sort: str | None = None
    reverse: bool = False
    most: int | None = None


@dataclass(frozen=True)
class RunSelection:
    """The runs to show, out of how many, and why in this order.

    `by` is the full name that they are sorted by, `asked` holds those of the sort and the conditions, and `unmet` says
    for each ``=`` that no run answers to which values there are.
    """

    records: tuple[RunRecord, ...]
    matching: int
    total: int
    by: str = "started"
    largest_first: bool = True
    reverse: bool = False
    asked: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """Return "12 runs", "3 of 12 runs", "30 of 400 that match, of 5,000 runs"."""
        runs = f"{self.total:,} run{'' if self.total == 1 else 's'}"
        shown = len(self.records)
        if shown < self.matching < self.total:
            return f"{shown:,} of {self.matching:,} that match, of {runs}"
        return runs if shown == self.total else f"{shown:,} of {runs}"


def select_runs(runs: RunIndex, wish: RunQuery, directions: Callable[[], Mapping[str, str]]) -> RunSelection:
    """Filter, sort and cut; `directions` tells which way each metric is better, and is asked only where it matters.

    Raises
    ------
    RequestError
        A condition that cannot be read, a name that no run has, an experiment that is not there.
    """
    conditions = read_conditions(runs, wish)
    if not len(runs):
        return RunSelection((), 0, 0)
    by = resolve_name(wish.sort, runs.names()) if wish.sort else "started"
    largest_first = is_descending(by, directions() if is_metric(by) else {}) != wish.reverse
    matching = matches(runs, conditions, wish.experiment)
    return RunSelection(
        records=tuple(runs.take(sort(runs, matching, by, largest_first, wish.most))),
        matching=len(matching),
        total=len(runs),
        by=by,
        largest_first=largest_first,
        reverse=wish.reverse,
        asked=tuple(dict.fromkeys([*(name for one in conditions for name in one.names), *([by] if wish.sort else [])])),
        unmet=tuple(unmet(runs, conditions)),
    )


def matching_rows(runs: RunIndex, wish: RunQuery) -> list[int]:
    """Return the rows that match, the newest run first.

    Raises
    ------
    RequestError
        As `select` does.
    """
    conditions = read_conditions(runs, wish)
    return newest_first(runs, matches(runs, conditions, wish.experiment)) if len(runs) else []


def read_conditions(runs: RunIndex, wish: RunQuery) -> list[Where]:
    """Return the conditions with full names; refuse an experiment that is not there."""
    if not len(runs):
        for expression in wish.where:
            read_where(expression, None)
        return []
    refuse_unknown_experiment(runs, wish.experiment)
    known = runs.names() if wish.where else ()
    return [read_where(expression, known) for expression in wish.where]


def refuse_unknown_experiment(runs: RunIndex, experiment: str | None) -> None:
    """Say which experiments there are."""
    if experiment is not None and experiment not in (known := set(runs.column("experiment"))):
        raise unknown("experiment", experiment, known)


def matches(runs: RunIndex, conditions: Sequence[Where], experiment: str | None) -> list[int]:
    """Return the rows to which every condition holds."""
    rows = list(range(len(runs)))
    if experiment is not None:
        own = runs.column("experiment")
        rows = [row for row in rows if own[row] == experiment]
    for condition in conditions:
        rows = condition.keep(rows, runs.value)
    return rows


def sort(runs: RunIndex, rows: Sequence[int], by: str, largest_first: bool, most: int | None) -> list[int]:
    """Return the first `most` rows by a full name, the newest first among equals."""
    ranked = sort_keys(runs.value(by))
    return order_rows(newest_first(runs, leading_rows(rows, ranked, largest_first, most)), ranked, largest_first)[:most]


def newest_first(runs: RunIndex, rows: Sequence[int]) -> list[int]:
    """Sort by the time at which a run began."""
    started, names = runs.column("started"), runs.column("id")
    return sorted(rows, key=lambda row: (started[row], names[row]), reverse=True)


def unmet(runs: RunIndex, conditions: Sequence[Where]) -> list[str]:
    """Say for each `=` that no run answers to which values there are."""
    lines = []
    for name, asked in (pair for condition in conditions for pair in condition.equalities()):
        found = runs.value(name)
        values = sorted(set(map(str, found)))
        if not any(map(Condition(name, "=", str(asked)).holds, found)) and len(values) <= 12:
            lines.append(f"{name} is {' or '.join(values)}")
    return lines
