"""The profile of a table as a page, and as a part of a run's page."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from runtree.contract.output import escape_controls
from runtree.reports.elements import Element, Figure, Page, Paragraph, Section, Verdict, table_of
from runtree.reports.formatting import format_number, format_percent, pluralize

MAX_FIGURES = 60
MAX_LABEL = 18  # letters of a value beside its bar
WIDTH, HEIGHT, ROW = 240, 70, 13  # pixels of a plot, and of the row of a value
BAR, TEXT = "#4269d0", "#333333"
FIGURES = {"min": "min", "q05": "5%", "q25": "25%", "median": "median", "q75": "75%", "q95": "95%", "max": "max"}


def profile_page(profile: Mapping[str, Any]) -> Page:
    """Return the page of a profile."""
    columns = _columns(profile)
    incomplete = sum(bool(column.get("missing")) for column in columns)
    sentence = f"{pluralize(int(profile['rows']), 'row')}, {pluralize(len(columns), 'column')} with the target, "
    sentence += f"{incomplete or 'none'} of them with missing values."
    notes = [Paragraph(str(note)) for note in profile.get("notes") or ()]
    return Page(
        title=f"Profile of {profile['name']}",
        eyebrow=f"target {profile['target']} · {profile['task']} · {str(profile['fingerprint'])[:12]}",
        description="",
        verdict=Verdict("note" if notes else "good", "Table", sentence),
        headline=None,
        next_steps=[],
        sections=[
            *([Section("notes", "Notes", notes)] if notes else []),
            Section("columns", "Columns", profile_elements(profile)),
        ],
    )


def profile_elements(profile: Mapping[str, Any]) -> list[Element]:
    """Return a plot of each column, and tables of their figures; those that tell most of the target come first."""
    columns = sorted(_columns(profile), key=lambda column: -(column.get("association") or 0))
    columns.sort(key=lambda column: column.get("role") != "target")
    rows = max(1, int(profile.get("rows") or 1))
    figures: list[Element] = [
        Figure(str(column.get("name")), _caption(column, rows), _plot(column), WIDTH)
        for column in columns[:MAX_FIGURES]
    ]
    more = len(columns) - MAX_FIGURES
    note = [Paragraph(f"Without plots: {pluralize(more, 'more column')}.")] if more > 0 else []
    return [*figures, *note, *_tables(columns)]


def _columns(profile: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [column for column in profile.get("columns") or () if isinstance(column, Mapping)]


def _caption(column: Mapping[str, Any], rows: int) -> str:
    missing = column.get("missing") or 0
    parts = [str(column.get("kind")), f"{format_number(column.get('distinct'))} distinct"]
    parts += [f"{format_percent(missing / rows)} missing"] if missing else []
    parts += (
        [f"association {format_number(column.get('association'))}"] if column.get("role") == "feature" else ["target"]
    )
    return ", ".join(parts)


def _tables(columns: Sequence[Mapping[str, Any]]) -> list[Element]:
    numbers, levels = [], []
    for column in columns:
        name, missing = str(column.get("name")), format_number(column.get("missing"))
        quantiles = column.get("quantiles")
        if isinstance(quantiles, Mapping):
            cells = [format_number(quantiles.get(key)) for key in FIGURES]
            numbers.append([name, missing, format_number(column.get("mean")), format_number(column.get("std")), *cells])
        else:
            top = [f"{item['value']} ({format_number(item['rows'])})" for item in column.get("top") or ()]
            levels.append([name, missing, format_number(column.get("distinct")), ", ".join(top)])
    return [
        *table_of("Numbers and dates", ["column", "missing", "mean", "sd", *FIGURES.values()], numbers),
        *table_of("Categories", ["column", "missing", "distinct", "most frequent"], levels, numeric=frozenset({1, 2})),
    ]


def _plot(column: Mapping[str, Any]) -> str:
    """Return an SVG as a data URL: it stands in an `<img>`, which loads and runs nothing."""
    histogram, top = column.get("histogram"), column.get("top")
    if isinstance(histogram, Mapping):
        svg = _histogram(histogram["counts"], histogram["edges"])
    else:
        svg = _bars([(str(item["value"]), int(item["rows"])) for item in top or ()])
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _histogram(counts: Sequence[int], edges: Sequence[Any]) -> str:
    most, width = max([*counts, 1]), WIDTH / max(len(counts), 1)
    bars = "".join(
        f'<rect x="{place * width:.1f}" y="{HEIGHT * (1 - count / most):.1f}" width="{max(width - 1, 1):.1f}" '
        f'height="{HEIGHT * count / most:.1f}" fill="{BAR}"/>'
        for place, count in enumerate(counts)
    )
    ends = "".join(
        _label(_end(edge), x, HEIGHT + 12, anchor)
        for edge, x, anchor in ((edges[0], 0, "start"), (edges[-1], WIDTH, "end"))
    )
    return _svg(bars + ends, HEIGHT + 16)


def _bars(top: Sequence[tuple[str, int]]) -> str:
    most, left = max([rows for _, rows in top] or [1]), 118
    marks = ""
    for place, (value, rows) in enumerate(top):
        y = place * ROW
        text = value if len(value) <= MAX_LABEL else f"{value[: MAX_LABEL - 1]}…"
        marks += _label(text, left - 4, y + 10, "end")
        marks += (
            f'<rect x="{left}" y="{y + 1}" width="{(WIDTH - left) * rows / most:.1f}" height="{ROW - 3}" fill="{BAR}"/>'
        )
    return _svg(marks, max(ROW * len(top), ROW))


def _label(text: str, x: float, y: float, anchor: str) -> str:
    escaped = escape_controls(text).replace("&", "&amp;").replace("<", "&lt;")
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text {place} font-size="11" font-family="sans-serif" fill="{TEXT}">{escaped}</text>'


def _end(edge: Any) -> str:
    return format_number(edge) if isinstance(edge, int | float) else str(edge)[:10]


def _svg(content: str, height: int) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{content}</svg>'
