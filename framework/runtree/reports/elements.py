"""The elements of a report page: sections of paragraphs, tables, figures, findings and commands.

The templates choose the HTML of an element by the name of its class. Findings are `contract.finding.Finding` itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runtree.contract.types import Finding, Level


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class HtmlTable:
    """Rows under headings; the first cell of a row is its header.

    Attributes
    ----------
    numeric
        Positions of the columns that are aligned as numbers.
    marked
        Positions of the rows that are highlighted.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A plot as an image; `source` is a data URL, `width` is in pixels."""

    title: str
    caption: str
    source: str
    width: int = 400


@dataclass(frozen=True)
class Code:
    """A command to type, or the content of a file."""

    label: str
    text: str


@dataclass(frozen=True)
class Link:
    """A link to another file of the output tree, by a relative path."""

    text: str
    target: str


@dataclass(frozen=True)
class Details:
    """Elements that are folded away under a summary."""

    summary: str
    elements: "Sequence[Element]"


# plain data without methods: how an element looks is the business of the templates alone
Element = Paragraph | HtmlTable | Figure | Finding | Code | Link | Details


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    elements: Sequence[Element]


@dataclass(frozen=True)
class Reason:
    """An argument for or against a model; "stop", a target that is not met, forbids shipping it."""

    level: Literal["good", "note", "warning", "stop"]
    says: str


@dataclass(frozen=True)
class Verdict:
    """What was found in a few words, a sentence that says why, and all the reasons."""

    level: Level
    word: str
    sentence: str
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True)
class Page:
    """A report.

    `problem` says what it is about, in pairs of a label and a text; `headline` holds the score that counts: value,
    metric, notes, and how often the test set was used.
    """

    title: str
    eyebrow: str
    description: str
    verdict: Verdict
    headline: Mapping[str, Any] | None
    next_steps: Sequence[Element]
    sections: Sequence[Section]
    problem: Sequence[tuple[str, str]] = ()


def table_of(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], **options: Any) -> list[Element]:
    """Return a table, or nothing without rows; columns after the first are numeric unless `numeric` says otherwise."""
    # the first column names the row in nearly every table
    options.setdefault("numeric", frozenset(range(1, len(headings))))
    return [HtmlTable(caption, headings, rows, **options)] if rows else []
