"""Sections of a sweep's page on its results: the best run, the leaderboard, advice, plots."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.records.commands import run_command, training_command
from runtree.records.record import read_record
from runtree.reports.elements import Code, Element, HtmlTable, Link, Paragraph, table_of
from runtree.reports.formatting import format_interval, format_number, metric_label
from runtree.reports.images import PlotGallery
from runtree.reports.run.content import RunContent
from runtree.reports.run.diagnosis import read_finding
from runtree.reports.sweep.content import LeaderboardRow, SweepContent

MAX_CONFIGURATIONS = 20  # in the leaderboard of the page
MAX_RANKINGS = 5  # whose best configuration has its command on the page
NO_RANKING = (
    "The runs differ in data, split or scoring, so there is no best run of all, and those that compare have a ranking "
    "of their own"
)
MAX_SETTING_COLUMNS = 8  # with more settings, all are written into one column
PLOTS: Mapping[str, tuple[str, str]] = {
    "history": ("Objective by run", "One mark per run; the line is the best value so far."),
    "pace": ("Objective over time", "The best value so far by working time, and that of each algorithm."),
    "pareto": ("Pareto front", "No other configuration is better than a marked one in all objectives."),
    "importance": ("Parameter importance", "The share of each parameter in the variance of the objective."),
    "parallel": ("Parallel coordinates", "One line per configuration; darker is better."),
    "slice": ("Objective by parameter", "Good values that gather at one end suggest a wider range there."),
    "intermediate": ("Intermediate values", "The values that runs reported step by step."),
}


def best(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Return the best configuration with its scores, and its report or the command that writes it."""
    run = content.best
    if len(content.rankings) > 1:
        return [Paragraph(f"{NO_RANKING}."), *_best_of_each_ranking(content)]
    if run is None:
        return [Paragraph("No run completed, so there is no best run.")]
    number = run.folder.path.name
    # a configuration may have several runs, one for each repeat
    row = next((row for row in content.rows if number in row["runs"].split()), {})
    settings = [f"{name.rpartition('.')[2]} = {_cell(row[name])}" for name in content.settings if row.get(name)]
    among = " by the first of several objectives" if len(content.objectives) > 1 else ""
    algorithm = run.record.config.get("algorithm.name")
    text = f"Run {number} is the best{among}: {algorithm} with {', '.join(settings) or 'its default settings'}."
    for score, deviation in zip(content.scores[:1], content.deviations, strict=False):
        name, count = metric_label(score.partition(".")[2]), len(str(row.get("runs", "")).split())
        mean, sd = (_cell(row.get(column, "")) for column in (score, deviation))
        text += f" Validation {name} over {count} seeds: mean {mean}, standard deviation {sd}."
    elements: list[Element] = [
        Paragraph(text),
        Code("train this configuration again", training_command(run.record)),
        *_scores(run),
    ]
    if run.folder.report.exists():
        return [*elements, Link("Report of the best run", f"runs/{number}/report.html")]
    return [*elements, Code("write the report of this run", run_command("report", run.record))]


def _best_of_each_ranking(content: SweepContent) -> Iterator[Element]:
    """Yield the command that trains the best configuration of each ranking again."""
    for number, rows in enumerate(content.rankings[:MAX_RANKINGS], 1):
        completed = (row for row in rows if row["state"].startswith("completed"))
        for row in islice(completed, 1):
            run = row["runs"].split()[0]
            with suppress(NotFoundError, ValueError):
                again = training_command(read_record(content.folder.run(int(run))))
                yield Code(f"ranking {number}: train its best configuration, that of run {run}, again", again)


def _scores(run: RunContent) -> list[Element]:
    splits = [run.record.metrics.get(name) or {} for name in ("validation", "test")]
    intervals = (run.evaluation.get("intervals") or {}).get("test") or {}
    names = dict.fromkeys(name for scores in splits for name in scores)
    shown = any(intervals.get(name) for name in names)
    rows = [
        [metric_label(name), *(format_number(scores.get(name)) for scores in splits)]
        + ([format_interval(intervals.get(name))] if shown else [])
        for name in names
    ]
    headings = ["metric", "validation", "test", *(["interval, test"] if shown else [])]
    return table_of("Scores of the best run", headings, rows)


def advice(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Return the findings about the whole search, and how much luck there is in the winner's score."""
    optimism = content.advice.get("optimism")
    rows = _flatten(optimism) if isinstance(optimism, Mapping) else []
    table = table_of("Selection bias of the best score", ["", "value"], rows)
    return [*map(read_finding, content.findings), *table]


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    """Return a row for each number or text, nested keys joined by colons; two levels are all there are."""
    rows = []
    for key, value in mapping.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping) and not prefix:
            rows += _flatten(value, f"{name}: ")
        elif isinstance(value, (str, int, float)) or value is None:
            rows.append([name, format_number(value)])
    return rows


def leaderboard(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Return the best configurations, and the best of each algorithm."""
    rows = content.rows
    if not rows:
        return []
    if len(content.rankings) > 1:
        groups = enumerate(content.rankings, 1)
        return [_table(f"Ranking {number}", content, group[:MAX_CONFIGURATIONS]) for number, group in groups]
    caption = f"The best {min(MAX_CONFIGURATIONS, len(rows))} of {len(rows):,} configurations"
    elements: list[Element] = [_table(caption, content, rows[:MAX_CONFIGURATIONS])]
    # the rows are ranked, so the first of each algorithm is its best
    first = [next(row for row in rows if row["family"] == name) for name in content.families]
    if len(first) > 1 and len(content.objectives) == 1:
        elements.append(_table("The best configuration of each algorithm", content, first))
    rest = len(rows) - MAX_CONFIGURATIONS
    return [*elements, *([Paragraph(f"{rest:,} more in leaderboard.csv.")] if rest > 0 else [])]


def _table(caption: str, content: SweepContent, rows: Sequence[LeaderboardRow]) -> HtmlTable:
    names = [name for name in content.settings if any(row[name] for row in rows)]
    # a table with more columns does not fit a page
    columns = names if len(names) <= MAX_SETTING_COLUMNS else []
    several = len(content.families) > 1
    headings = ["rank", "run", *(["algorithm"] if several else [])]
    headings += [metric_label(name.partition(".")[2]) for name in content.scores]
    headings += ["sd"] * len(content.deviations) + ["seconds"]
    headings += [name.rpartition(".")[2] for name in columns] or (["settings"] if names else [])
    lines = []
    for row in rows:
        settings = [_cell(row[name]) for name in columns]
        if names and not columns:
            settings = [", ".join(f"{name.rpartition('.')[2]}={_cell(row[name])}" for name in names if row[name])]
        scores = [_cell(row.get(name, "")) or row["state"] for name in content.scores]
        scores += [_cell(row.get(name, "")) for name in content.deviations]
        family = [row["family"]] if several else []
        lines.append([row["rank"], row["runs"], *family, *scores, _seconds(row["seconds"]), *settings])
    numeric = {place for place in range(2, len(headings)) if all(_is_number(line[place]) for line in lines)}
    return HtmlTable(caption, headings, lines, frozenset(numeric))


def _seconds(text: str) -> str:
    try:
        return f"{float(text):.2f}"
    except ValueError:
        return text


def _is_number(text: str) -> bool:
    try:
        float(text.replace("\N{MINUS SIGN}", "-").replace(",", "") or 0)
    except ValueError:
        return False
    return True


def _cell(text: str) -> str:
    """Return a cell of the leaderboard, numbers with as many digits as are read."""
    try:
        # CSV has no types: whole numbers must not get decimals
        return format_number(int(text)) if text.lstrip("-").isdigit() else format_number(float(text))
    except ValueError:
        return text


def plots(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    names = gallery.names()
    return [*gallery.figures(*(name for kind in PLOTS for name in names if name.partition("-")[0] == kind))]
