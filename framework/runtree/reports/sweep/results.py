"""What a sweep found: its best run, its ranking, the best of each algorithm, what its winner is worth."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.elements import Element, Finding, HtmlTable, Link, Paragraph, table_of
from runtree.reports.formatting import interval, metric_name, number
from runtree.reports.images import PlotGallery
from runtree.reports.run.diagnosis import finding
from runtree.reports.sweep.content import Row, SweepContent

SHOWN = 20  # configurations
WIDEST = 8  # settings with a column each; more are told in one
PICTURES: Mapping[str, tuple[str, str]] = {
    "history": ("Run by run", "What each run came to; the line is the best so far."),
    "pace": ("Second by second", "The best so far by the time that the search had worked, and of each algorithm."),
    "pareto": ("Objectives against each other", "What is marked is beaten by nothing else in all objectives."),
    "importance": ("Which settings matter", "The share of each setting in how much the score differs."),
    "parallel": ("Each configuration as a line", "The darker a line, the better."),
    "slice": ("Each setting against the score", "Where the good marks gather is where to search on."),
    "intermediate": ("While they learned", "What the runs reported step by step."),
}


def best(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell the best configuration, its test result, and where its own page is."""
    run = facts.best
    if run is None:
        return [Paragraph("No run completed, so there is no best one.")]
    row = next((one for one in facts.rows if run.folder.path.name in one["runs"].split()), {})
    told = [f"{name.rpartition('.')[2]} = {_cell(row[name])}" for name in facts.settings if row.get(name)]
    among = " by the first of several objectives" if len(facts.objectives) > 1 else ""
    name = run.record.config.get("algorithm.name")
    says = f"Run {run.folder.path.name} is the best{among}: {name} with {', '.join(told) or 'its usual settings'}."
    scores = _scores(run)
    bounded = any(own["bounds"] for own in scores.values())
    rows = [
        [metric_name(metric), number(own["validation"]), number(own["test"])]
        + ([interval(own["bounds"])] if bounded else [])
        for metric, own in scores.items()
    ]
    headings = ["metric", "validation", "test"] + (["interval, test"] if bounded else [])
    blocks: list[Element] = [Paragraph(says), *table_of("The best run", headings, rows)]
    if run.folder.report.exists():
        blocks.append(Link("The page of the best run", f"runs/{run.folder.path.name}/report.html"))
    return blocks


def _scores(run: Any) -> Mapping[str, dict[str, Any]]:
    parts = {part: run.record.metrics.get(part) or {} for part in ("validation", "test")}
    bounds = (run.evaluation.get("intervals") or {}).get("test") or {}
    names = dict.fromkeys(name for own in parts.values() for name in own)
    return {
        name: {**{part: own.get(name) for part, own in parts.items()}, "bounds": bounds.get(name)} for name in names
    }


def advice(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell what the sweep as a whole shows, and how far the winner's validation score flatters it."""
    blocks: list[Element] = [*_findings(facts)]
    told = facts.advice.get("optimism")
    plain = _flat(told) if isinstance(told, Mapping) else []
    return blocks + table_of("Optimism of the winner", ["", "found"], plain)


def _findings(facts: SweepContent) -> list[Finding]:
    return [finding(one) for one in facts.advice.get("findings") or () if isinstance(one, Mapping)]


def _flat(told: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for key, value in told.items():
        name = key.replace("_", " ")
        if isinstance(value, Mapping):
            rows += [
                [f"{name}: {inner.replace('_', ' ')}", number(one)] for inner, one in value.items() if _is_plain(one)
            ]
        elif _is_plain(value):
            rows.append([name, number(value)])
    return rows


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) or value is None


def ranking(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell the best configurations, and the best of each algorithm."""
    if not facts.rows:
        return []
    blocks = [
        _table(
            f"The best {min(SHOWN, len(facts.rows))} of {len(facts.rows):,} configurations", facts, facts.rows[:SHOWN]
        )
    ]
    first = {name: next(row for row in facts.rows if row["family"] == name) for name in facts.families}
    if len(first) > 1 and len(facts.objectives) == 1:
        blocks.append(_table("The best of each algorithm", facts, list(first.values())))
    more = len(facts.rows) - SHOWN
    return [*blocks, *([Paragraph(f"And {more:,} more in leaderboard.csv.")] if more > 0 else [])]


def _table(caption: str, facts: SweepContent, rows: Any) -> HtmlTable:
    names = [one for one in facts.settings if any(row[one] for row in rows)]
    apart = names if len(names) <= WIDEST else []
    family = ["algorithm"] if len(facts.families) > 1 else []
    scores = [metric_name(name.partition(".")[2]) for name in facts.scores]
    shown = [name.rpartition(".")[2] for name in apart] or (["settings"] if names else [])
    headings = ["rank", "run", *family, *scores, "seconds", *shown]
    lines = [_line(row, facts, names, apart, bool(family)) for row in rows]
    numeric = {place for place in range(2, len(headings)) if all(_is_number(line[place]) for line in lines)}
    return HtmlTable(caption, headings, lines, frozenset(numeric))


def _line(row: Row, facts: SweepContent, names: list[str], apart: list[str], family: bool) -> list[str]:
    settings = [_cell(row[name]) for name in apart]
    if names and not apart:
        settings = [", ".join(f"{name.rpartition('.')[2]}={_cell(row[name])}" for name in names if row[name])]
    scores = [_cell(row.get(name, "")) or row["state"] for name in facts.scores]
    return [
        row["rank"],
        row["runs"],
        *([row["family"]] if family else []),
        *scores,
        _seconds(row["seconds"]),
        *settings,
    ]


def _seconds(text: str) -> str:
    try:
        return f"{float(text):.2f}"
    except ValueError:
        return text


def _is_number(text: str) -> bool:
    return (
        not text
        or text.replace("\N{MINUS SIGN}", "-")
        .replace(",", "")
        .replace(".", "")
        .replace("-", "")
        .replace("e", "")
        .isdigit()
    )


def _cell(text: str) -> str:
    """Return a cell of the ranking: a number with as many digits as are read."""
    try:
        return number(int(text)) if text.lstrip("-").isdigit() else number(float(text))
    except ValueError:
        return text


def pictures(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Show how it was found."""
    there = gallery.names()
    chosen = [name for kind in PICTURES for name in there if name.partition("-")[0] == kind]
    return [*gallery.pictures(*chosen)]
