"""What a docstring in NumPy style says of each parameter."""

import re
from typing import Any, NamedTuple

SECTION = re.compile(r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r":\w+(?::\w+)?:`~?(?:([^`<]+?)\s*<[^>`]*>|([^`]+))`")
SENTENCE_END = re.compile(r"(?<![.\s][A-Za-z])(?<!e\.g)(?<!i\.e)[.!?](?=\s|$)")


class Documented(NamedTuple):
    """The type line of a parameter and the first sentence of what it means."""

    type: str
    meaning: str


def documented_parameters(factory: Any) -> dict[str, Documented]:
    """Return parameter name → what its docstring says; a line may name several parameters."""
    import inspect

    found: dict[str, Documented] = {}
    section = SECTION.search((inspect.getdoc(factory) or "") + "\n")
    for entry in re.split(r"^(?=\S)", section[1], flags=re.MULTILINE) if section else []:
        if not entry.strip():
            continue
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(":")
        for name in names.split(","):
            found[name.strip().lstrip("*")] = Documented(_type_line(kind), first_sentence(body))
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
