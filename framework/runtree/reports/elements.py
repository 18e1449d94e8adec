"""What a page is made of: sections of texts, tables, pictures, findings and commands, told apart by `kind`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class HtmlTable:
    """Rows under headings; the first cell of each row is its name. `numeric` holds the columns that hold numbers."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A picture, as HTML that is safe, with what it shows in a sentence; `width` in pixels where a point is one."""

    name: str
    title: str
    says: str
    html: str
    width: int = 400
    kind: str = "picture"


@dataclass(frozen=True)
class Finding:
    """What was found, how serious it is, and what to do."""

    level: Level
    name: str
    says: str
    advice: str = ""
    kind: str = "finding"


@dataclass(frozen=True)
class Code:
    """What to type, or a file."""

    label: str
    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Link:
    """A way to another file of the same tree."""

    text: str
    target: str
    kind: str = "link"


@dataclass(frozen=True)
class Details:
    """Blocks that are shown when they are asked for."""

    summary: str
    blocks: "Sequence[Element]"
    kind: str = "fold"


Element = Paragraph | HtmlTable | Figure | Finding | Code | Link | Details


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    id: str
    title: str
    blocks: Sequence[Element]


@dataclass(frozen=True)
class Reason:
    """Why a verdict is what it is; "stop" alone forbids."""

    level: Literal["good", "note", "warning", "stop"]
    says: str


@dataclass(frozen=True)
class Verdict:
    """Ship, do not ship, or undecided, in one sentence, with all that speaks for and against."""

    level: Level
    word: str
    sentence: str
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True)
class Page:
    """A whole page. `number` holds the one that counts: value, metric, interval, and what is to be known of it."""

    title: str
    eyebrow: str
    asked: str
    verdict: Verdict
    number: Mapping[str, Any] | None
    next: Sequence[Element]
    sections: Sequence[Section]


def table_of(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], **more: Any) -> list[Element]:
    """Return a table whose columns after the first hold numbers unless `numeric` says otherwise; none without rows."""
    more.setdefault("numeric", frozenset(range(1, len(headings))))
    return [HtmlTable(caption, headings, rows, **more)] if rows else []
