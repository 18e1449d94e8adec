"""The expression language of every condition: ``when`` of a search space, ``runs --where``, quality gate, constraints;
and of figures over rows (`parse_rows`), in which conditions filter what is summed.

The syntax is that of Python expressions. `ast` parses it, a closed list of nodes is accepted, and nothing is executed.
An expression is evaluated on one set of values (`Expression.evaluate`) or turned into SQL (`Expression.to_sql`); both
agree on every value. docs/expressions.md is the reference for users.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError, RuntreeError, unknown
from runtree.contract.expression_tree import (
    AGGREGATES,
    CONSTANTS,
    ORDER,
    AggregateNode,
    ArithmeticNode,
    ComparisonNode,
    ConditionNode,
    FilterNode,
    JunctionNode,
    LiteralNode,
    MembershipNode,
    NameNode,
    NotNode,
    ShorthandNode,
    TruthNode,
    ValueNode,
    contains_text,
    is_number,
    normalize,
)

MAX_CHARACTERS = 4_000  # SQLite refuses more than 1,000 terms joined by AND or OR; a term has at least 5 characters
# far below the limits of Python's parser (200 open brackets) and of SQLite (expressions 1,000 deep)
MAX_DEPTH = 50
POSSIBLE = "possible: == != < <= > >= in, not in, and, or, not, + - * /, ( ), [a, b]; put text in quotes"
POSSIBLE_ROWS = "possible: sum, mean, min, max of a value, count(), count(condition); value[condition]; + - * /"
# these keep their meaning in Python's grammar; any other keyword, such as lambda, is a name like the rest
KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else"})
SHORTHAND = re.compile(r"\s*([^\s()\[\]'\"=!<>~]+)\s*(!=|<=|>=|==|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
# the alternatives are tried in this order: `number` before `name`, so that 1e5 is no name; `assignment` before `sign`,
# so that a lone = gets an error of its own
TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>\.?[0-9][\w.]*)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<name>[^\W\d]\w*(?:\.\w+|\[\s*(?:'[^'\\]*'|"[^"\\]*")\s*\])*)
      | (?P<assignment>=(?!=))
      | (?P<sign>[=!<>]=|\*\*|//|[<>()\[\],+*/-])""",
    re.VERBOSE | re.DOTALL,
)
# one key of a dotted name; a key in brackets may hold dots, spaces and hyphens, which a plain one cannot
KEY = re.compile(r"""\[\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")\s*\]|(?P<plain>\w+)""")
COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
BINARY: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
# nodes that people type by habit; any other one gets the general message of `_value`
REFUSED: Mapping[type[ast.AST], str] = {
    ast.Call: "functions cannot be called",
    ast.Subscript: 'only a name takes a key in brackets, as in name["key"]',
    ast.BinOp: "of arithmetic only + - * / is possible",
    ast.IfExp: "if and else are not possible",
    ast.List: "a list is possible after in, == and != only",
    ast.Tuple: "a list is possible after in, == and != only",
    ast.Compare: "a condition is not a value: join conditions with and, or",
    ast.BoolOp: "a condition is not a value: join conditions with and, or",
    ast.UnaryOp: "a condition is not a value: join conditions with and, or",
    ast.Is: "write == null instead of is",
    ast.IsNot: "write != null instead of is not",
}
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
Lookup = Mapping[str, Any] | Callable[[str], Any]
Resolve = Callable[[str], str | None]


@dataclass(frozen=True)
class Bound:
    """A limit on one name: ``test.f1 >= 0.9``; `operator` is one of < <= > >=."""

    name: str
    operator: str
    limit: float

    def holds(self, value: float | None) -> bool:
        """Return whether a value is within the bound; a missing value and NaN are not."""
        return value is not None and bool(ORDER[self.operator](value, self.limit))


@dataclass(frozen=True)
class Expression:
    """A parsed condition. Expressions of the same text and names are equal, and can be pickled."""

    text: str
    root: ConditionNode

    @property
    def names(self) -> tuple[str, ...]:
        """Return the full names it reads, in the order of their first use."""
        # a dict and not a set: messages and tables list the names in a fixed order
        nodes = (node for node in self.root.walk() if isinstance(node, NameNode | ShorthandNode))
        return tuple(dict.fromkeys(node.path for node in nodes))

    def evaluate(self, lookup: Lookup) -> bool:
        """Return whether the condition holds.

        Parameters
        ----------
        lookup
            Values by full name, or a function of the name. A missing value is None, and NaN counts as missing: it is
            equal to null alone, and neither smaller nor larger than anything.
        """
        # normalized here and not by the callers: SQLite stores NaN as NULL, and both evaluations must agree
        get = lookup.get if isinstance(lookup, Mapping) else lookup
        return self.root.holds(lambda name: normalize(get(name)))

    def to_sql(self, column: Callable[[str], str | None]) -> tuple[str, list[Any]]:
        """Return a condition of SQLite and its parameters; it is 1 for the rows where `evaluate` is True, else 0.

        Parameters
        ----------
        column
            The SQL of a name, None if there is no such column. Columns must be declared without a type, because a type
            would make SQLite convert text to numbers. They hold what `expression_tree.stored` returns: 1 and 0 for
            booleans, JSON in bytes for lists. The connection needs `add_functions`.
        """
        # a name without a column is NULL and no error: `parse` has refused unknown names already
        sql = self.root.sql(lambda name: column(name) or "NULL")
        return sql.text, list(sql.parameters)

    @property
    def bound(self) -> Bound | None:
        """Return the bound this is, None if it is anything but a name, one of < <= > >=, and a number."""
        # a gate shows how far a value is from its limit, and only this exact form has one value and one limit
        node = self.root
        if not isinstance(node, ComparisonNode) or node.operator not in ORDER:
            return None
        name, limit = node.left, node.right
        if not isinstance(name, NameNode) or not isinstance(limit, LiteralNode) or not is_number(limit.content):
            return None
        return Bound(name.path, node.operator, float(limit.content))

    def equalities(self) -> Iterator[tuple[str, Any]]:
        """Yield each name that is compared with one value by ``==`` (or the shorthand ``=``), and the value."""
        # also below `or` and `not`: the pairs serve hints about values that no run has, where one too many does no harm
        for node in self.root.walk():
            if isinstance(node, ShorthandNode) and node.operator == "=":
                yield node.path, node.text
            if not isinstance(node, ComparisonNode) or node.operator != "==":
                continue
            if isinstance(node.left, NameNode) and isinstance(node.right, LiteralNode):
                yield node.left.path, node.right.content


@dataclass(frozen=True)
class RowsExpression:
    """A parsed figure over many rows: ``sum(value[y_pred == "yes"]) / count()``."""

    text: str
    root: ValueNode

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns it reads, in the order of their first use."""
        return tuple(dict.fromkeys(node.path for node in self.root.walk() if isinstance(node, NameNode)))

    @property
    def aggregates(self) -> tuple[AggregateNode, ...]:
        """Return its aggregates, each of which SQL computes; see `AggregateNode.sql`."""
        return tuple({node.text: node for node in self.root.walk() if isinstance(node, AggregateNode)}.values())

    def value(self, aggregates: Mapping[str, Any]) -> float | None:
        """Return the figure from the values of its aggregates by their text; None if it is not defined."""
        found = self.root.value(lambda name: normalize(aggregates.get(name)))
        return None if found is None else float(found)


def all_of(expressions: Iterable[Expression]) -> Expression | None:
    """Return the expression that holds where all of these do, None if there are none."""
    parts = list(expressions)
    if len(parts) < 2:
        return parts[0] if parts else None
    # parentheses, because a part may be an `or`, and the text must parse to the same condition
    text = " and ".join(f"({part.text})" for part in parts)
    return Expression(text, JunctionNode("and", tuple(part.root for part in parts)))


def parse(
    text: str,
    *,
    source: str = "condition",
    resolve: Resolve | None = None,
    word_as_name: Resolve | None = None,
    known: Iterable[str] = (),
    kind: str = "name",
    error: type[RuntreeError] = RequestError,
) -> Expression:
    """Parse a condition.

    Parameters
    ----------
    source
        Where the text comes from, for errors: "--where", "when of algorithm.alpha".
    resolve
        Returns the full name of a name, None if there is no such name. Without it names are taken as they are.
    word_as_name
        Returns the full name that a bare word in the place of a text could also mean, None if there is none: such a
        word is refused as ambiguous, any other is text. `resolve` if not given.
    known, kind
        Names to suggest instead of one that does not exist, and what they are: "metric", "config path".

    Raises
    ------
    RuntreeError
        Of the class `error`, with the position of the mistake and what is possible.
    """
    return _Parser(text, source, resolve, word_as_name or resolve, known, kind, error).parse()


def parse_rows(
    text: str,
    *,
    source: str,
    resolve: Resolve | None = None,
    known: Iterable[str] = (),
    error: type[RuntreeError] = RequestError,
) -> RowsExpression:
    """Parse a figure over rows: arithmetic of sum, mean, min, max and count, whose arguments are values of a row.

    ``value[condition]`` is the value where a condition holds; count also takes a condition, or nothing.

    Raises
    ------
    RuntreeError
        Of the class `error`, as `parse` does.
    """
    return _Parser(text, source, resolve, resolve, known, "column", error).parse_rows()


def parse_shorthand(text: str, resolve: Callable[[str], str] = str) -> Expression | None:
    """Return ``NAME=VALUE``, the shorthand of ``--where``, None if the text has another form.

    The value is the rest of the text without quotes around it. Besides = there are == != < <= > >= and ~ (contains).
    """
    match = SHORTHAND.fullmatch(text)
    if match is None:
        return None
    name, sign, value = match.groups()
    return Expression(text.strip(), ShorthandNode(resolve(name), "=" if sign == "==" else sign, value.strip("'\"")))


def add_functions(connection: Any) -> None:
    """Add the functions that `Expression.to_sql` uses to a connection of sqlite3."""
    connection.create_function("runtree_contains", 2, contains_text, deterministic=True)


@dataclass
class _Parser:
    """Parses one text.

    Names and texts are masked by identifiers of the same length before `ast` parses: so positions stay, and every key
    can be written. `algorithm.layers.0.units` and `algorithm.lambda` are not Python.
    """

    text: str
    source: str
    resolve: Resolve | None
    word_as_name: Resolve | None
    known: Iterable[str]
    kind: str
    error: type[RuntreeError]
    start: int = 0
    inside: bool | None = None  # whether an aggregate is open; None: the text is no figure over rows

    def parse(self) -> Expression:
        return Expression(self.text.strip(), self._condition(self._parse(), 0))

    def parse_rows(self) -> RowsExpression:
        self.inside = False
        root = self._value(self._parse(), 0)
        if not any(isinstance(node, AggregateNode) for node in root.walk()):
            raise self._mistake("a figure over rows needs one of " + ", ".join(AGGREGATES), 0, POSSIBLE_ROWS)
        return RowsExpression(self.text.strip(), root)

    def _parse(self) -> ast.expr:
        if len(self.text) > MAX_CHARACTERS:
            length = f"{len(self.text):,} characters"
            raise self.error(f"{self.source}: a condition of {length} is too long", f"possible: {MAX_CHARACTERS:,}")
        # `ast` cannot read all names as they are, and never sees the content of a text: only operators and numbers stay
        masked = self._mask()
        self.start = len(masked) - len(masked.lstrip())  # `ast` takes a leading space for an indent
        # `ast.parse` builds a tree and executes nothing; the node types that may occur in it are checked below
        try:
            tree = ast.parse(masked.strip(), mode="eval").body
        except SyntaxError as fault:
            # offsets of a SyntaxError count from 1, and may be None or 0 at an unexpected end
            position = fault.offset - 1 + self.start if fault.offset else len(self.text)
            incomplete = not self.text[position:].strip()
            # Python's advice after the first sentence ("Perhaps you forgot a comma?") is about Python code
            reason = "the condition is incomplete" if incomplete else fault.msg.partition(". ")[0]
            raise self._mistake(reason, position) from None
        # errors of Python's parser for deep nesting, which differ between versions
        except (ValueError, RecursionError, MemoryError):
            raise self._mistake(TOO_DEEP, 0) from None
        return tree

    def _mask(self) -> str:
        """Return the text with `_` for each character of names and texts."""
        # The result has the same length and is ASCII, since only names and texts may hold other characters. `ast`
        # counts columns in UTF-8 bytes, so only then are its columns positions in the text.
        masked, position, depth = "", 0, 0
        while position < len(self.text):
            token = TOKEN.match(self.text, position)
            # not a character of the language: an unclosed quote is by far the most likely cause
            if token is None:
                character = self.text[position]
                unclosed = character in "'\""
                raise self._mistake(
                    "the quote is not closed" if unclosed else f"{character!r} is not possible", position
                )
            # adjacent masks would become one identifier
            if token.lastgroup in ("name", "text", "number") and masked[-1:].isidentifier():
                raise self._mistake("a space or an operator is missing", position)
            # Python's own message would suggest :=, which is not possible here
            if token.lastgroup == "assignment":
                raise self._mistake("write == to compare", position)
            depth += (token[0] in ("(", "[")) - (token[0] in (")", "]"))
            if depth > MAX_DEPTH:  # refused here, because Python's parser has other limits in each version
                raise self._mistake(TOO_DEEP, position)
            # line breaks become spaces, because they would end the expression for Python
            if token.lastgroup == "space":
                masked += " " * len(token[0])
            elif token.lastgroup in ("name", "text") and token[0] not in KEYWORDS:
                masked += "_" * len(token[0])
            else:
                masked += token[0]
            position = token.end()
        return masked

    def _condition(self, node: ast.expr, depth: int) -> ConditionNode:
        if depth > MAX_DEPTH:
            raise self._mistake(TOO_DEEP, self._position(node))
        if isinstance(node, ast.BoolOp):
            word = "and" if isinstance(node.op, ast.And) else "or"
            return JunctionNode(word, tuple(self._condition(part, depth + 1) for part in node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return NotNode(self._condition(node.operand, depth + 1))
        if isinstance(node, ast.Compare):
            return self._comparison(node, depth + 1)
        # a value alone is a condition, too: `algorithm.early_stopping and seed < 3`
        return TruthNode(self._value(node, depth))

    def _comparison(self, node: ast.Compare, depth: int) -> ConditionNode:
        left, pairs = node.left, list[ConditionNode]()
        for operator, right in zip(node.ops, node.comparators, strict=True):
            # only `is` and `is not` are missing there
            if type(operator) not in COMPARISONS:
                raise self._mistake(REFUSED[type(operator)], self._position(node))
            pairs.append(self._pair(COMPARISONS[type(operator)], left, right, depth))
            left = right  # a chain compares each pair of neighbours
        return pairs[0] if len(pairs) == 1 else JunctionNode("and", tuple(pairs))

    def _pair(self, sign: str, left: ast.expr, right: ast.expr, depth: int) -> ConditionNode:
        first = self._value(left, depth)
        # a bare word is text where it is compared with a name for equality or listed; after < it can only be a name
        words = not isinstance(first, LiteralNode)
        if sign in ("in", "not in"):
            # members keep their names: `a in [b, 3]` compares with the value of b, so this is a node of its own and not
            # a literal
            if isinstance(right, ast.List | ast.Tuple):
                member = MembershipNode(first, tuple(self._value(item, depth + 1, words, True) for item in right.elts))
                return member if sign == "in" else NotNode(member)
            # `"x" in name` for names that hold a list or a text, and `"x" in "text"`
            second = self._value(right, depth)
            if not isinstance(second, NameNode) and not isinstance(getattr(second, "content", None), str):
                raise self._mistake("after in, a list such as [a, b] or a name is needed", self._position(right))
            return ComparisonNode(sign, first, second)
        equality = sign in ("==", "!=")
        return ComparisonNode(sign, first, self._value(right, depth, words and equality, equality))

    def _value(self, node: ast.expr, depth: int, words: bool = False, lists: bool = False) -> ValueNode:
        """Return a value; `words` says whether a bare word is text here, `lists` whether a list is possible."""
        if depth > MAX_DEPTH:
            raise self._mistake(TOO_DEEP, self._position(node))
        if self.inside is not None and isinstance(node, ast.Call):
            return self._aggregate(node, depth)
        if self.inside and isinstance(node, ast.Subscript):
            return FilterNode(self._value(node.value, depth + 1), self._condition(node.slice, depth + 1))
        if isinstance(node, ast.Name):
            name = self._name(node, words)
            if self.inside is False and isinstance(name, NameNode):
                fault = f"{name.path} has a value in each row: write sum({name.path}), mean({name.path}), …"
                raise self._mistake(fault, self._position(node), POSSIBLE_ROWS)
            return name
        # complex numbers, bytes and ... are constants for Python as well, and are refused at the end
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return LiteralNode(node.value)
        # a list as one value is one JSON text in the index, which has no place for a name that differs by row
        if isinstance(node, ast.List | ast.Tuple) and lists:
            items = [self._value(item, depth + 1, True, True) for item in node.elts]
            if not all(isinstance(item, LiteralNode) for item in items):
                raise self._mistake("a list that is compared as a whole holds no names", self._position(node))
            return LiteralNode([item.content for item in items if isinstance(item, LiteralNode)])
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            left, right = (self._value(side, depth + 1) for side in (node.left, node.right))
            return ArithmeticNode(BINARY[type(node.op)], left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            # -1 becomes a literal, so that a bound may be negative; -x is arithmetic
            operand, factor = self._value(node.operand, depth + 1), -1 if isinstance(node.op, ast.USub) else 1
            if isinstance(operand, LiteralNode) and is_number(operand.content):
                return LiteralNode(factor * operand.content)
            return ArithmeticNode("*", LiteralNode(factor), operand)
        raise self._mistake(REFUSED.get(type(node), "this is not a value to compare"), self._position(node))

    def _aggregate(self, node: ast.Call, depth: int) -> ValueNode:
        begin, end = self._position(node), (node.end_col_offset or 0) + self.start
        function = self.text[begin : begin + len(getattr(node.func, "id", ""))]
        if function not in AGGREGATES or node.keywords or self.inside:
            fault = "an aggregate holds no other" if self.inside else f"there is no function {function!r}"
            raise self._mistake(fault, begin, POSSIBLE_ROWS)
        if len(node.args) > 1 or (not node.args and function != "count"):
            raise self._mistake(f"{function} takes one value", begin, POSSIBLE_ROWS)
        self.inside = True
        part: ValueNode | ConditionNode | None = None
        if node.args:
            is_condition = isinstance(node.args[0], ast.Compare | ast.BoolOp) or (
                isinstance(node.args[0], ast.UnaryOp) and isinstance(node.args[0].op, ast.Not)
            )
            counts = function == "count" and is_condition
            part = self._condition(node.args[0], depth + 1) if counts else self._value(node.args[0], depth + 1)
        self.inside = False
        return AggregateNode(self.text[begin:end], function, part)

    def _name(self, node: ast.Name, words: bool) -> ValueNode:
        position = self._position(node)
        # the mask has the length of the original, so the position leads back to what was typed
        written = self.text[position : position + len(node.id)]
        # only quotes and backslashes are unescaped: \n and the like stay as typed, as in Hydra
        if written[0] in "'\"":
            return LiteralNode(re.sub(r"\\(['\"\\])", r"\1", written[1:-1]))
        # in any case: YAML writes true, Python True
        if written.lower() in CONSTANTS:
            return LiteralNode(CONSTANTS[written.lower()])
        name = ".".join(key[key.lastgroup or "plain"] for key in KEY.finditer(written))
        # a bare word: text, unless it could be a name as well; then the two readings have different results, and
        # guessing is refused
        if words and name == written and "." not in name:
            same = self.word_as_name(name) if self.word_as_name else None
            if same is None:
                return LiteralNode(name)
            # of figures over rows a column is far more likely, and has no longer name: count(y_pred == y_true)
            if self.inside is not None:
                return NameNode(same)
            other = same if "." in same else "compare by <= and >="
            hint = f"write '{name}' in quotes for the text, {other} for the {self.kind}"
            raise self._mistake(f"{name} may be text or the {self.kind} {same}", position, hint)
        full = self.resolve(name) if self.resolve else name
        if full is None:
            hint = f"if it is text, put it in quotes: '{name}'"
            fault = unknown(self.kind, name, self.known)
            raise self._mistake(fault.message, position, *fault.hints, hint)
        return NameNode(full)

    def _position(self, node: ast.expr) -> int:
        return node.col_offset + self.start

    def _mistake(self, reason: str, position: int, *hints: str) -> RuntreeError:
        # an error is at most five lines, and a condition may have 4,000 characters
        text = self.text if len(self.text) <= 200 else f"{self.text[:200]} …"
        near = self.text[position : position + 12].strip()
        place = f"position {position + 1}" + (f" ('{near}')" if near and near != text else "")
        return self.error(f"{self.source}: {reason}, at {place} of '{text}'", *(hints or (POSSIBLE,)))
