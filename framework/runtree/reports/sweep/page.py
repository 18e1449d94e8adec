"""The page of a sweep: results first, then stop reason, search space, config and environment."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from runtree.contract.commands import command, display_path
from runtree.contract.files import read_regular
from runtree.records.commands import sweep_command, sweep_verb
from runtree.reports.elements import Code, Details, Element, Page, Paragraph, Reason, Verdict, table_of
from runtree.reports.formatting import format_number, format_seconds, pluralize
from runtree.reports.images import PlotGallery
from runtree.reports.run.page import UNKNOWN_VERDICT, build_section, run_next_steps, unless_damaged
from runtree.reports.run.results import headline
from runtree.reports.summary import decide_verdict
from runtree.reports.sweep import results
from runtree.reports.sweep.content import SweepContent

SectionBuilder = Callable[[SweepContent, PlotGallery], list[Element]]
COUNTERS = ("completed", "pruned", "failed", "stopped", "interrupted", "reused")
MAX_ADVICE = 3


def stop_reason(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    stop = content.stop
    text = str(stop.get("explanation") or "the stop reason was not recorded")
    counters = stop.get("counters") or {}
    rows = [[name, format_number(counters[name])] for name in COUNTERS if counters.get(name)]
    rows += [["working time", format_seconds(stop["seconds"])]] if stop.get("seconds") is not None else []
    rows += [["sum over runs", format_seconds(stop["run_seconds"])]] if stop.get("run_seconds") is not None else []
    return [Paragraph(f"{text[:1].upper()}{text[1:].rstrip('.')}."), *table_of("Runs", ["", "value"], rows)]


def search_space(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    families = (content.description.get("identity") or {}).get("families") or {}
    rows = [
        [name, str(path), str(domain)]
        for name, family in families.items()
        for path, domain in (family.get("space") or {}).items()
    ]
    source = (content.description.get("space") or {}).get("source")
    if source:  # a function of Python
        return [Code("the function that makes the values of a trial", str(source))]
    headings = ["algorithm", "parameter", "values"]
    if len(families) < 2:
        headings, rows = headings[1:], [row[1:] for row in rows]
    return table_of("Search space", headings, rows, numeric=frozenset())


def commands(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    folder = content.folder
    listed = folder.path.name.endswith("-sweep")  # of a folder elsewhere the listing knows nothing
    runs = command("runs", "--where", f"id~{content.name}", outputs=display_path(folder.path.parent.parent))
    return [
        Code("resume", sweep_verb("resume", folder, *_resume_overrides(content))),
        # not `tune`, which may add a tuner and a bound to what was typed
        Code("start the same search again", sweep_command(content.description)),
        *([Code("list its runs", runs)] if listed else []),
        Code("write this page again from the files", sweep_verb("report", folder)),
    ]


def _resume_overrides(content: SweepContent) -> list[str]:
    """Return what has to be set so that a resumed sweep starts more runs: twice the limit that stopped it."""
    limits = (content.description.get("tuner_node") or {}).get("stop") or {}
    criterion = content.stop.get("criterion")
    limit = limits.get(criterion)
    # a resumed sweep with the same limit would end at once
    if criterion in ("max_runs", "max_seconds") and isinstance(limit, (int, float)):
        return [f"tuner.stop.{criterion}={2 * limit:g}"]
    runs = (limits.get("patience") or {}).get("runs")
    return [f"tuner.stop.patience.runs={2 * runs}"] if criterion == "patience" and isinstance(runs, int) else []


def config(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    try:
        return [Details("sweep.yaml", [Code("", read_regular(content.folder.description).decode())])]
    except (OSError, UnicodeDecodeError):
        return []


def environment(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    recorded = content.environment
    rows = [["Python", str(recorded["python"])]] if recorded.get("python") else []
    rows += [[name, str(version)] for name, version in (recorded.get("packages") or {}).items()]
    machine = recorded.get("machine") or {}
    rows += [[f"machine: {name.replace('_', ' ')}", str(value)] for name, value in machine.items()]
    table = table_of("Environment", ["item", "value"], rows, numeric=frozenset())
    return [Details("Versions and machine", table)] if rows else []


def missing(content: SweepContent, gallery: PlotGallery) -> list[Element]:
    return [Paragraph(line) for line in [*content.missing, *gallery.left_out]]


SECTIONS: tuple[tuple[str, str, SectionBuilder], ...] = (
    ("best", "Best run", results.best),
    ("leaderboard", "Leaderboard", results.leaderboard),
    ("advice", "Advice", results.advice),
    ("plots", "Plots", results.plots),
    ("stop", "Stop reason", stop_reason),
    ("space", "Search space", search_space),
    ("commands", "Resume or repeat", commands),
    ("config", "Config", config),
    ("environment", "Environment", environment),
    ("missing", "Missing files", missing),
)


def sweep_page(content: SweepContent, gallery: PlotGallery) -> Page:
    best = content.best
    data = best and (best.data.get("name") or best.record.config.get("data.name"))
    begun = str(content.description.get("begun") or "")[:16].replace("T", " ")
    number = unless_damaged(lambda: headline(best), None) if best else None
    sections = [build_section(*entry, content, gallery) for entry in SECTIONS]
    return Page(
        title=f"Search for the best model of {data}" if data else f"Search {content.name}",
        eyebrow=f"sweep {content.name} · {begun} UTC",
        description=unless_damaged(lambda: _describe(content), ""),
        verdict=unless_damaged(lambda: _verdict(content), UNKNOWN_VERDICT),
        headline=number and _headline_of_best(number, content),
        next_steps=unless_damaged(lambda: _next_steps(content), []),
        sections=[section for section in sections if section],
    )


def _describe(content: SweepContent) -> str:
    objectives = " and ".join(f"{name.replace('_', ' ')} ({way})" for name, way in content.objectives)
    algorithms = ", ".join(content.families)
    if not algorithms:
        algorithms = str(content.best.record.config.get("algorithm.name")) if content.best else "one algorithm"
    tried = pluralize(len(content.rows), "configuration")
    tuner = content.description.get("tuner")
    return f"{tried} of {algorithms}, proposed by {tuner} and ranked by validation {objectives}."


def _headline_of_best(number: Mapping[str, Any], content: SweepContent) -> Mapping[str, Any]:
    run = content.best.folder.path.name if content.best else ""
    return {**number, "notes": [f"run {run}, the best of {len(content.rows):,}", *number["notes"]]}


def _verdict(content: SweepContent) -> Verdict:
    """Return the verdict on the best run, with the warnings about the search as further reasons."""
    if len(content.rankings) > 1:
        return Verdict("warning", "No ranking", f"{results.NO_RANKING}.")
    if content.best is None:
        return Verdict("warning", "No model", "no run completed.")
    verdict = decide_verdict(content.best)
    warnings = [Reason("warning", str(finding.get("says"))) for finding in content.findings if _is_warning(finding)]
    return replace(verdict, reasons=[*verdict.reasons, *warnings])


def _is_warning(finding: Mapping[str, Any]) -> bool:
    return finding.get("level") == "warning"


def _next_steps(content: SweepContent) -> list[Element]:
    urgent = [finding for finding in content.findings if finding.get("level") != "good" and finding.get("advice")]
    advice = [Paragraph(str(finding["advice"])) for finding in urgent[:MAX_ADVICE]]
    if content.best is None:
        return [*advice, Code("show the state of its runs", sweep_verb("status", content.folder))]
    resume = sweep_verb("resume", content.folder, *_resume_overrides(content))
    return [*advice, *run_next_steps(content.best), Code("continue the search", resume)]
