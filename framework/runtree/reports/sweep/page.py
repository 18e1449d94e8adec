"""For the engineer: what was searched, why it ended, how to go on and to do it again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from runtree.reports.commands import command, tree
from runtree.reports.elements import Code, Details, Element, Page, Paragraph, Reason, Verdict, table_of
from runtree.reports.formatting import count_of, number, seconds
from runtree.reports.images import PlotGallery
from runtree.reports.run.page import UNTOLD, safely, section, what_next
from runtree.reports.run.results import the_number
from runtree.reports.summary import verdict
from runtree.reports.sweep import results
from runtree.reports.sweep.content import SweepContent

COUNTS = ("completed", "pruned", "failed", "stopped", "interrupted", "reused")


def ended(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell why it ended, and what became of its runs."""
    stop = facts.stop
    says = str(stop.get("explanation") or "nobody wrote down why it ended")
    blocks: list[Element] = [Paragraph(f"{says[:1].upper()}{says[1:].rstrip('.')}.")]
    counters = stop.get("counters") or {}
    rows = [[name, number(counters[name])] for name in COUNTS if counters.get(name)]
    rows += [["worked", seconds(stop["seconds"])]] if stop.get("seconds") is not None else []
    rows += [["sum over runs", seconds(stop["run_seconds"])]] if stop.get("run_seconds") is not None else []
    return blocks + table_of("Runs", ["", "found"], rows)


def space(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell what was searched."""
    families = (facts.asked.get("identity") or {}).get("families") or {}
    rows = [
        [name, str(path), str(declared)]
        for name, family in families.items()
        for path, declared in (family.get("space") or {}).items()
    ]
    several = len(families) > 1
    shown = rows if several else [row[1:] for row in rows]
    return table_of(
        "What was searched", [*(["algorithm"] if several else []), "setting", "from"], shown, numeric=frozenset()
    )


def again(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell what to type to go on, to do it again, and to look at it."""
    where = tree(facts.best.record) if facts.best else []
    overrides = [str(text) for text in facts.asked.get("overrides") or ()]
    verb = ["tune"] if any(text.startswith("tuner=") for text in overrides) else ["train", "-m"]
    lines = [
        ("go on with it", command("resume", facts.name, *further(facts), *where)),
        ("the same search, begun anew", command(*verb, *overrides)),
        ("its runs", command("runs", "--where", f"id~{facts.name}", *where)),
        ("this page, made again from the files", command("report", facts.name, *where)),
    ]
    return [Code(label, line) for label, line in lines]


def further(facts: SweepContent) -> list[str]:
    """Return what has to be set for a resume to begin more runs."""
    rules = (facts.asked.get("tuner_node") or {}).get("stop") or {}
    criterion = facts.stop.get("criterion")
    value = rules.get(criterion)
    if criterion in ("max_runs", "max_seconds") and isinstance(value, (int, float)):
        return [f"tuner.stop.{criterion}={2 * value:g}"]
    runs = (rules.get("patience") or {}).get("runs")
    return [f"tuner.stop.patience.runs={2 * runs}"] if criterion == "patience" and isinstance(runs, int) else []


def settings(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell every setting of the search."""
    try:
        return [Details("sweep.yaml", [Code("", facts.folder.description.read_text(encoding="utf-8"))])]
    except (OSError, UnicodeDecodeError):
        return []


def environment(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell versions and machine."""
    results = facts.environment
    machine: Mapping[str, Any] = results.get("machine") or {}
    rows = [["Python", str(results["python"])]] if results.get("python") else []
    rows += [[name, str(text)] for name, text in (results.get("packages") or {}).items()]
    rows += [[f"machine: {name.replace('_', ' ')}", str(value)] for name, value in machine.items()]
    return (
        [Details("Versions and machine", table_of("Environment", ["", "found"], rows, numeric=frozenset()))]
        if rows
        else []
    )


def missing(facts: SweepContent, gallery: PlotGallery) -> list[Element]:
    """Tell what is not there."""
    return [Paragraph(line) for line in [*facts.missing, *gallery.left_out]]


def asked(facts: SweepContent) -> str:
    """Return in one sentence what was asked for."""
    count = count_of(len(facts.rows), "configuration")
    objectives = " and ".join(f"the best {name.replace('_', ' ')} ({way})" for name, way in facts.objectives)
    over = (
        ", ".join(facts.families)
        or (facts.best and str(facts.best.record.config.get("algorithm.name")))
        or "one algorithm"
    )
    return f"Search {over} for {objectives} on the validation part, led by {facts.asked.get('tuner')}: {count} tried."


# --- The order of a sweep's page.

Make = Callable[[SweepContent, PlotGallery], list[Element]]
SECTIONS: tuple[tuple[str, str, Make], ...] = (
    ("best", "The best run", results.best),
    ("ranking", "Ranking", results.ranking),
    ("advice", "What the search shows", results.advice),
    ("pictures", "How it was found", results.pictures),
    ("ended", "Why it ended", ended),
    ("space", "What was searched", space),
    ("again", "Go on, or again", again),
    ("settings", "Settings", settings),
    ("environment", "Environment", environment),
    ("missing", "What is not here", missing),
)


def sweep_page(facts: SweepContent, gallery: PlotGallery) -> Page:
    """Return a sweep's page."""
    data = facts.best and (facts.best.data.get("name") or facts.best.record.config.get("data.name"))
    begun = str(facts.asked.get("begun") or "")[:16].replace("T", " ")
    best = facts.best
    number = safely(lambda: the_number(best), None) if best else None
    return Page(
        title=f"Search for the best model of {data}" if data else f"Search {facts.name}",
        eyebrow=f"sweep {facts.name} · {begun} UTC",
        asked=safely(lambda: asked(facts), ""),
        verdict=safely(lambda: _verdict(facts), UNTOLD),
        number=number and _of_the_best(number, facts),
        next=safely(lambda: _next(facts), []),
        sections=[one for entry in SECTIONS if (one := section(*entry, facts, gallery))],
    )


def _of_the_best(number: Mapping[str, Any], facts: SweepContent) -> Mapping[str, Any]:
    run = facts.best.folder.path.name if facts.best else ""
    return {**number, "notes": [f"run {run}, the best of {len(facts.rows):,}", *number["notes"]]}


def _verdict(facts: SweepContent) -> Verdict:
    """Return the verdict on the best run, with what the search as a whole warns of."""
    if facts.best is None:
        return Verdict("warning", "No model", "no run completed.")
    whole = [one for one in facts.advice.get("findings") or () if isinstance(one, Mapping)]
    warned = [Reason("warning", str(one.get("says"))) for one in whole if one.get("level") == "warning"]
    own = verdict(facts.best)
    return replace(own, reasons=[*own.reasons, *warned])


def _next(facts: SweepContent) -> list[Element]:
    whole = [one for one in facts.advice.get("findings") or () if isinstance(one, Mapping)]
    advised = [Paragraph(str(one["advice"])) for one in whole if one.get("level") != "good" and one.get("advice")][:3]
    if facts.best is None:
        return [*advised, Code("what became of its runs", command("status", facts.name))]
    where = tree(facts.best.record)
    return [
        *advised,
        *what_next(facts.best),
        Code("go on searching", command("resume", facts.name, *further(facts), *where)),
    ]
