"""From the words of a condition to its meaning, by recursive descent."""

import re
from collections.abc import Callable
from typing import Any

from runtree.config.space.expression import (
    CONSTANTS,
    OPERATORS,
    Comparison,
    Expression,
    ExpressionError,
    Joined,
    Literal,
    Name,
    Negation,
    Token,
    tokens,
)

DEEPEST = 50
Resolve = Callable[[str, int], str]  # a name and where it stands → the config path it means


class Reader:
    """Reads one text from left to right.

    `known` tells the config path that a bare word may mean, or None; `path` does so for a name that must be one.
    """

    def __init__(self, text: str, path: Resolve, known: Callable[[str], str | None]) -> None:
        self.path, self.known = path, known
        self.tokens = tokens(text)
        self.position = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        """Return the word that comes."""
        return self.tokens[self.position]

    def take(self) -> Token:
        """Step over a word and return it."""
        token = self.next
        self.position += token.kind != "end"
        return token

    def taken(self, *signs: str) -> bool:
        """Step over a word if it is one of these."""
        here = self.next.kind == "sign" and self.next.text in signs
        self.position += here
        return here

    def read(self) -> Expression:
        """Read the whole text."""
        found = self.either()
        if self.next.kind != "end":
            raise self.error("and, or, or nothing more")
        return found

    def either(self) -> Expression:
        """Read `a or b`, of parts `a and b`."""
        return self.joined("or", lambda: self.joined("and", self.negated))

    def joined(self, word: str, part: Callable[[], Expression]) -> Expression:
        """Read parts with a word between."""
        parts = [part()]
        while self.taken(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def negated(self) -> Expression:
        """Read `not a`."""
        return Negation(self.deeper(self.negated)) if self.taken("not") else self.comparison()

    def deeper(self, part: Callable[[], Expression]) -> Expression:
        """Read a part that lies inside; a text from a stranger must not exhaust the stack."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(f"nested more than {DEEPEST} deep", self.next.position)
        found = part()
        self.depth -= 1
        return found

    def comparison(self) -> Expression:
        """Read `a < b`, or a value that stands for itself."""
        operands, signs = [self.operand()], list[str]()
        while sign := self.operator():
            signs.append(sign)
            operands.append(self.operand(sign, operands[-1]))
        return Comparison(tuple(operands), tuple(signs)) if signs else operands[0]

    def operator(self) -> str | None:
        """Step over an operator."""
        if self.next.text == "not" and self.tokens[self.position + 1].text == "in":
            self.position += 2
            return "not in"
        return self.take().text if self.next.kind == "sign" and self.next.text in OPERATORS else None

    def operand(self, sign: str = "", left: Expression | None = None) -> Expression:
        """Read a value; a bare word is text where something is compared for equality with it, else a path."""
        if self.taken("("):
            return self.inside()
        if self.taken("["):
            return Literal(tuple(self.items()))
        token = self.take()
        if token.kind == "name" and token.text.lower() not in CONSTANTS:
            as_text = sign in ("==", "!=") and not isinstance(left, Literal) and "." not in token.text
            return self.word(token) if as_text else Name(self.path(token.text, token.position))
        if sign.endswith("in"):
            raise self.error("a list such as [a, b], or a path", token)
        return Literal(self.constant(token))

    def inside(self) -> Expression:
        """Read what stands in parentheses, up to their end."""
        found = self.deeper(self.either)
        self.expect(")")
        return found

    def word(self, token: Token) -> Literal:
        """Read a bare word as text, unless it could mean a path as well."""
        if path := self.known(token.text):
            choice = f"write '{token.text}' in quotes for the text" + (f", {path} for the path" if "." in path else "")
            raise ExpressionError(f"{token.text} may be a text or the config path {path}: {choice}", token.position)
        return Literal(token.text)

    def items(self) -> list[Any]:
        """Read the values of a list up to its end; bare words are texts."""
        found: list[Any] = []
        while not self.taken("]"):
            if found:
                self.expect(",")
            found.append(self.constant(self.take(), words=True))
        return found

    def constant(self, token: Token, words: bool = False) -> Any:
        """Return what a word stands for."""
        if token.kind == "number":
            return int(token.text) if re.fullmatch(r"[+-]?\d+", token.text) else float(token.text)
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        if token.kind == "name" and (words or token.text.lower() in CONSTANTS):
            return CONSTANTS.get(token.text.lower(), token.text)
        raise self.error("a config path, a number, a text, true, false, null or [a, list]", token)

    def expect(self, sign: str) -> None:
        """Step over a sign that must come."""
        if not self.taken(sign):
            raise self.error(sign)

    def error(self, expected: str, token: Token | None = None) -> ExpressionError:
        """Say what was expected instead of a word."""
        token = token or self.next
        return ExpressionError(f"expected {expected}, not {token.text or 'the end'}", token.position)
