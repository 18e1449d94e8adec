"""One cell of a table: a value as text, how wide it is, and what must not reach a terminal or a spreadsheet."""

import json
from typing import Any


def format_cell(value: Any) -> str:
    """Return a value as a table shows it: numbers to four significant decimals, control characters spelt out."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"
    return printable(str(value))


def printable(text: str) -> str:
    """Return a text in which no character can move the cursor or colour the terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def pad(text: str, width: int, right: bool) -> str:
    """Fill a text up to a width with blanks, to the right of it or to the left."""
    room = " " * (width - text_width(text))
    return room + text if right else text + room


def is_number(text: str) -> bool:
    """Tell whether a cell stands in a column of numbers; a hole does."""
    try:
        float(text)
    except ValueError:
        return text in ("-", "null")
    return True


def harmless(value: Any) -> Any:
    """Return a CSV cell that no spreadsheet takes for a formula; lists and mappings become JSON."""
    if value is None:
        return ""
    if isinstance(value, (bool, list, tuple, dict)):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
