"""Tables on a terminal and in a pipe, and the same rows as JSON or CSV."""

import csv
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from runtree.cli.cells import format_cell, harmless, is_number, pad, text_width

GAP = "  "
LEAST = 24  # a last column is wrapped only where so much room is left for it
Lines = list[list[str]]


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Any]],
    notes: Mapping[int, str] | None = None,
    width: int | None = None,
) -> None:
    """Print rows in columns: text to the left, numbers to the right. Nothing is cut, so that it can be searched.

    Parameters
    ----------
    notes
        What is said below a row, by the row's number.
    width
        Columns to fit into: long headings are broken at their dots, and text in the last column is wrapped.
    """
    cells = [[format_cell(value) for value in row] for row in rows]
    top = heading_lines(headings, cells, width)
    widths = _widths(top, cells)
    right = [bool(cells) and all(is_number(row[column]) for row in cells) for column in range(len(headings))]
    for line in top:
        click.echo(_line(line, widths, right, None))
    for number, row in enumerate(cells):
        click.echo(_line(row, widths, right, width))
        if notes and number in notes:
            click.echo(indented(notes[number], "    ", width))


def heading_lines(headings: Sequence[str], cells: Lines, width: int | None) -> Lines:
    """Return the headings in one line, or broken at dots and underscores where one line does not fit."""
    if width is None or table_width([list(headings)], cells) <= width:
        return [list(headings)]
    rooms = [max([LEAST // 2, *(text_width(row[column]) for row in cells)]) for column in range(len(headings))]
    broken = [_broken(heading, room) for heading, room in zip(headings, rooms, strict=True)]
    depth = max(map(len, broken))
    return [list(line) for line in zip(*([""] * (depth - len(parts)) + parts for parts in broken), strict=True)]


def _broken(heading: str, room: int) -> list[str]:
    lines = [""]
    for piece in re.findall(r"[^._]*[._]?", heading):
        if lines[-1] and len(lines[-1] + piece) > room:
            lines.append("")
        lines[-1] += piece
    return lines


def table_width(top: Lines, cells: Lines) -> int:
    """Return how many columns of a terminal a table takes."""
    widths = _widths(top, cells)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(top: Lines, cells: Lines) -> list[int]:
    return [max(map(text_width, column)) for column in zip(*top, *cells, strict=True)]


def fitting(headings: Sequence[str], rows: Iterable[Sequence[Any]], spare: Sequence[str], width: int) -> list[str]:
    """Return the headings that a terminal has room for: those not in `spare`, and of these, in turn, each that fits."""
    cells = [[format_cell(value) for value in row] for row in rows]
    kept = [heading for heading in headings if heading not in spare]
    for candidate in spare:
        more = [heading for heading in headings if heading in kept or heading == candidate]
        picked = [[row[headings.index(heading)] for heading in more] for row in cells]
        if table_width(heading_lines(more, picked, width), picked) <= width:
            kept = more
    return kept


def terminal_width() -> int | None:
    """Return how wide the terminal is; None where the output goes to a file or a pipe."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return None
    return shutil.get_terminal_size().columns


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool], limit: int | None) -> str:
    start = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    *cells, last = row
    if limit is not None and start + text_width(last) > limit >= start + LEAST:
        last = f"\n{' ' * start}".join(textwrap.wrap(last, limit - start))
    padded = [pad(text, width, number) for text, width, number in zip(cells, widths, right, strict=False)]
    return GAP.join([*padded, pad(last, widths[-1], right[-1])]).rstrip()


def indented(text: str, indent: str, width: int | None) -> str:
    """Return a text in lines that fit the terminal, each behind an indent."""
    if width is None:
        return indent + format_cell(text)
    wrapped = textwrap.wrap(format_cell(text), max(width - len(indent), LEAST), break_on_hyphens=False)
    return "\n".join(indent + line for line in wrapped)


def print_json(content: Any) -> None:
    """Print one JSON document."""
    from runtree.records.writer import jsonable

    click.echo(json.dumps(jsonable(content), indent=1, ensure_ascii=False))


def print_csv(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as CSV, numbers in full; a cell that a spreadsheet would run as a formula gets an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([harmless(heading) for heading in headings])
    writer.writerows([[harmless(value) for value in row] for row in rows])
