"""The order of a sweep's page."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from runtree.reports.blocks import Block, Code, Page, Reason, Text, Verdict
from runtree.reports.gallery import Gallery
from runtree.reports.reproduce import command, tree
from runtree.reports.run.result import the_number
from runtree.reports.run.sections import UNTOLD, safely, section, what_next
from runtree.reports.sweep import found, making
from runtree.reports.sweep.facts import SweepFacts
from runtree.reports.verdict import verdict

Make = Callable[[SweepFacts, Gallery], list[Block]]
SECTIONS: tuple[tuple[str, str, Make], ...] = (
    ("best", "The best run", found.best),
    ("ranking", "Ranking", found.ranking),
    ("advice", "What the search shows", found.advice),
    ("pictures", "How it was found", found.pictures),
    ("ended", "Why it ended", making.ended),
    ("space", "What was searched", making.space),
    ("again", "Go on, or again", making.again),
    ("settings", "Settings", making.settings),
    ("environment", "Environment", making.environment),
    ("missing", "What is not here", making.missing),
)


def page(facts: SweepFacts, gallery: Gallery) -> Page:
    """Return a sweep's page."""
    data = facts.best and (facts.best.data.get("name") or facts.best.record.config.get("data.name"))
    begun = str(facts.asked.get("begun") or "")[:16].replace("T", " ")
    best = facts.best
    number = safely(lambda: the_number(best), None) if best else None
    return Page(
        title=f"Search for the best model of {data}" if data else f"Search {facts.name}",
        eyebrow=f"sweep {facts.name} · {begun} UTC",
        asked=safely(lambda: making.asked(facts), ""),
        verdict=safely(lambda: _verdict(facts), UNTOLD),
        number=number and _of_the_best(number, facts),
        next=safely(lambda: _next(facts), []),
        sections=[one for entry in SECTIONS if (one := section(*entry, facts, gallery))],
    )


def _of_the_best(number: Mapping[str, Any], facts: SweepFacts) -> Mapping[str, Any]:
    run = facts.best.folder.path.name if facts.best else ""
    return {**number, "notes": [f"run {run}, the best of {len(facts.rows):,}", *number["notes"]]}


def _verdict(facts: SweepFacts) -> Verdict:
    """Return the verdict on the best run, with what the search as a whole warns of."""
    if facts.best is None:
        return Verdict("warning", "No model", "no run completed.")
    whole = [one for one in facts.advice.get("findings") or () if isinstance(one, Mapping)]
    warned = [Reason("warning", str(one.get("says"))) for one in whole if one.get("level") == "warning"]
    own = verdict(facts.best)
    return replace(own, reasons=[*own.reasons, *warned])


def _next(facts: SweepFacts) -> list[Block]:
    whole = [one for one in facts.advice.get("findings") or () if isinstance(one, Mapping)]
    advised = [Text(str(one["advice"])) for one in whole if one.get("level") != "good" and one.get("advice")][:3]
    if facts.best is None:
        return [*advised, Code("what became of its runs", command("status", facts.name))]
    where = tree(facts.best.record)
    return [
        *advised,
        *what_next(facts.best),
        Code("go on searching", command("resume", facts.name, *making.further(facts), *where)),
    ]
