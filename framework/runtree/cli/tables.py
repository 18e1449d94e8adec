"""Tables: by rich on a terminal, as aligned plain rows in a pipe; the same rows as JSON or CSV."""

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import click

from runtree.cli.format import format_cell, indented, terminal_width

GAP = "  "
MIN_TEXT_WIDTH = 24  # columns below which wrapped text is not readable any more
MIN_HEADING_WIDTH = 12
NOTE_INDENT = "    "
Cells = list[list[str]]


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], notes: Mapping[int, str] | None = None) -> None:
    """Print rows in columns: text to the left, numbers to the right.

    On a terminal, long headings are broken at their dots and columns of text are wrapped. In a pipe, and where a
    terminal is too narrow for that, each row stays one line and nothing is cut, so that the output can be searched.

    Parameters
    ----------
    notes
        Text that is printed below a row, by the number of the row.
    """
    cells = [[format_cell(value) for value in row] for row in rows]
    width = terminal_width()
    # rich would cut or fold cells to fit, and a run id that is cut cannot be copied
    if width is None or _min_table_width(headings, cells) > width:
        _print_plain(headings, cells, notes or {})
    else:
        _print_rich(headings, cells, notes or {}, width)


def _print_plain(headings: Sequence[str], cells: Cells, notes: Mapping[int, str]) -> None:
    widths = [max(map(cell_width, column)) for column in zip(headings, *cells, strict=True)]
    numeric = _numeric_columns(headings, cells)
    for number, row in enumerate([headings, *cells], start=-1):
        padded = (_pad(text, width, right) for text, width, right in zip(row, widths, numeric, strict=True))
        click.echo(GAP.join(padded).rstrip())
        if number in notes:
            click.echo(indented(notes[number], NOTE_INDENT))


def _print_rich(headings: Sequence[str], cells: Cells, notes: Mapping[int, str], width: int) -> None:
    from rich.align import Align
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.style import Style
    from rich.table import Table
    from rich.text import Text

    console = Console(width=width, height=25, highlight=False)  # rich would ask a dumb terminal for no width
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    fits = _table_width([list(headings), *cells]) <= width  # then headings need not be broken
    for position, right in enumerate(_numeric_columns(headings, cells)):
        column = [row[position] for row in cells]
        lines = [headings[position]] if fits else _break_heading(headings[position], column)
        justify: Literal["left", "right"] = "right" if right else "left"
        heading = Align(Text("\n".join(lines), justify=justify), align=justify, vertical="bottom")
        table.add_column(heading, justify=justify, no_wrap=not _wraps(column), overflow="fold")
    for number, row in enumerate(cells):
        # The metadata of the style marks below which rendered lines the note of a row belongs: a row may take several.
        table.add_row(*map(Text, row), style=Style(meta={"row": number}))
    printed = -1  # the row of the line above; the headings are none
    # rich has no notes below rows, so the table is rendered to lines and notes are put between them
    for line in console.render_lines(table, pad=False):
        number = next((part.style.meta["row"] for part in line if part.style and "row" in part.style.meta), -1)
        if number != printed and printed in notes:
            click.echo(indented(notes[printed], NOTE_INDENT))
        printed = number
        console.print(Segments([*line, Segment.line()]))
    if printed in notes:
        click.echo(indented(notes[printed], NOTE_INDENT))


def _numeric_columns(headings: Sequence[str], cells: Cells) -> list[bool]:
    return [bool(cells) and all(_is_number(row[column]) for row in cells) for column in range(len(headings))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("-", "null")  # a missing value does not make a column of numbers one of text
    return True


def _wraps(column: Sequence[str]) -> bool:
    return any(" " in text and cell_width(text) > MIN_TEXT_WIDTH for text in column)


def _break_heading(heading: str, column: Sequence[str]) -> list[str]:
    """Break a heading after dots and underscores into lines about as wide as the cells below it."""
    room = max([MIN_HEADING_WIDTH, *map(cell_width, column)])
    lines = [""]
    for piece in re.findall(r"[^._]*[._]?", heading):
        if lines[-1] and len(lines[-1] + piece) > room:
            lines.append("")
        lines[-1] += piece
    return lines


def cell_width(text: str) -> int:
    """Return the columns of a terminal that a text takes: East Asian letters take two, combining marks none."""
    # nearly all text is, and the look-up of each letter is slow
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def _pad(text: str, width: int, right: bool) -> str:
    padding = " " * (width - cell_width(text))
    return padding + text if right else text + padding


def _table_width(rows: Sequence[Sequence[str]]) -> int:
    columns = list(zip(*rows, strict=True))
    return sum(max(map(cell_width, column)) for column in columns) + len(GAP) * (len(columns) - 1)


def _min_table_width(headings: Sequence[str], cells: Cells) -> int:
    widths = []
    for position, heading in enumerate(headings):
        column = [row[position] for row in cells]
        widest = max(map(cell_width, column), default=0)
        body = MIN_TEXT_WIDTH if _wraps(column) else widest
        widths.append(max(body, *map(len, _break_heading(heading, column if body == widest else []))))
    return sum(widths) + len(GAP) * (len(widths) - 1)


def table_fits(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> bool:
    """Return whether the terminal has room for a table; a pipe always has."""
    width = terminal_width()
    return width is None or _min_table_width(headings, [[format_cell(value) for value in row] for row in rows]) <= width


def fit_columns(headings: Sequence[str], rows: Iterable[Sequence[Any]], optional: Sequence[str]) -> list[str]:
    """Return the headings that the terminal has room for; in a pipe all of them.

    Columns are added one by one instead of removed from the right, so that a wide one costs only itself.

    Parameters
    ----------
    optional
        Headings that may be left out. Each, in this order, is kept if it still fits.
    """
    if terminal_width() is None:
        return list(headings)
    cells = [[format_cell(value) for value in row] for row in rows]
    kept = [heading for heading in headings if heading not in optional]
    for candidate in optional:
        wanted = [heading for heading in headings if heading in kept or heading == candidate]
        selected = [[row[headings.index(heading)] for heading in wanted] for row in cells]
        if table_fits(wanted, selected):
            kept = wanted
    return kept


def print_json(content: Any) -> None:
    """Print one JSON document."""
    from runtree.records.writer import jsonable

    # null instead of NaN, which is no JSON: many parsers refuse it
    click.echo(json.dumps(jsonable(content), indent=1, ensure_ascii=False))


def print_csv(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as CSV, numbers in full."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([spreadsheet_safe(heading) for heading in headings])
    writer.writerows([[spreadsheet_safe(value) for value in row] for row in rows])


def spreadsheet_safe(value: Any) -> Any:
    """Return a CSV cell that no spreadsheet runs as a formula; lists and mappings become JSON."""
    if value is None:
        return ""
    # true instead of True, as in JSON and YAML
    if isinstance(value, (bool, list, tuple, dict)):
        value = json.dumps(value, ensure_ascii=False)
    # CSV injection: https://owasp.org/www-community/attacks/CSV_Injection
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
