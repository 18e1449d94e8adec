"""Tables on a terminal and in a pipe, and the same rows as JSON or CSV."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows in columns: text to the left, numbers to the right. Nothing is cut, so that it can be searched."""
    cells = [[format_cell(value) for value in row] for row in rows]
    kept = [list(row) for row in cells]
    widths = [max(len(line[column]) for line in [list(headings), *kept]) for column in range(len(headings))]
    right = [all(_is_number(row[column]) for row in kept) and bool(kept) for column in range(len(headings))]
    for line in [list(headings), *kept]:
        padded = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def format_cell(value: Any) -> str:
    """Return a value as a table shows it: numbers to four significant decimals."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"
    return str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True


def print_json(content: Any) -> None:
    """Print one JSON document."""
    from runtree.records.write import jsonable

    click.echo(json.dumps(jsonable(content), indent=1, ensure_ascii=False))


def print_csv(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as CSV, numbers in full. A cell that a spreadsheet would run as a formula gets an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([[harmless(value) for value in row] for row in rows])


def harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
