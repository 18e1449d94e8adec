"""A page as one HTML file: jinja2's templates beside this file, everything that was found escaped."""

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Any

from runtree.reports.blocks import Block, Page
from runtree.reports.palette import DARK, LIGHT

TEMPLATES = "templates"


def render(page: Page) -> str:
    """Return the page; it loads nothing, and is read without a script."""
    return str(_environment().get_template("page.html").render(page=page, light=LIGHT, dark=DARK))


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("runtree.reports", TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["groups_of_a_kind"] = groups_of_a_kind
    return made


def groups_of_a_kind(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Return neighbours of one kind together: pictures stand side by side, findings make one list."""
    return [(kind, list(own)) for kind, own in groupby(blocks, key=lambda block: block.kind)]
