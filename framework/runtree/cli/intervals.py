"""Intervals of the test metrics as a column beside them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

PART = "test"
DASH = "\u2013"
GREAT = 1e5  # from here on numbers are told by their leading digits

Table = tuple[list[str], list[list[Any]]]


def with_limits(headings: Sequence[str], rows: Sequence[Sequence[Any]], found: Mapping[str, Any]) -> Table:
    """Return a table of metrics with a column ``test 95 %`` after that of the test part, where there are intervals.

    Parameters
    ----------
    rows
        The metric's name, and its value on each part.
    found
        What `evaluation.json` holds.
    """
    known = found.get("intervals") or {}
    limits = known.get(PART) or {}
    if PART not in headings or not any(_known(own) for own in limits.values()):
        return list(headings), [list(row) for row in rows]
    after = list(headings).index(PART) + 1
    texts = [told(limits.get(row[0]) or {}) for row in rows]
    named = [*headings[:after], f"{PART} {100 * known['level']:g} %", *headings[after:]]
    return named, [[*row[:after], text, *row[after:]] for row, text in zip(rows, texts, strict=True)]


def told(limits: Mapping[str, float | None]) -> str | None:
    """Return ``0.936-0.982``, with a long dash, to two digits of half its width; None where there are no limits."""
    if not _known(limits):
        return None
    low, high = float(limits["low"] or 0), float(limits["high"] or 0)
    if max(abs(low), abs(high)) >= GREAT:
        return f"{low:.3g}{DASH}{high:.3g}"
    reach = (high - low) / 2
    decimals = min(8, max(0, 2 - math.ceil(math.log10(reach)))) if reach > 0 else 4
    return f"{low:.{decimals}f}{DASH}{high:.{decimals}f}"


def _known(limits: Mapping[str, float | None]) -> bool:
    return limits.get("low") is not None and limits.get("high") is not None
