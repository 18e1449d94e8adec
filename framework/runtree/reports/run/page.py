"""The order of a run's page: first for whoever decides, then for whoever builds on it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runtree.contract.errors import first_line
from runtree.reports.commands import command, tree
from runtree.reports.elements import Code, Element, Page, Paragraph, Section, Verdict
from runtree.reports.images import PlotGallery
from runtree.reports.run import diagnosis, provenance, results
from runtree.reports.run.content import RunContent
from runtree.reports.summary import verdict

log = logging.getLogger(__name__)

Make = Callable[[RunContent, PlotGallery], list[Element]]
SECTIONS: tuple[tuple[str, str, Make], ...] = (
    ("gate", "The gate", results.gate),
    ("baselines", "Against baselines", results.baselines),
    ("metrics", "Metrics", results.metrics),
    ("findings", "Findings", diagnosis.findings),
    ("classes", "Classes", results.classes),
    ("residuals", "Predicted and actual", diagnosis.residuals),
    ("chances", "Probabilities", diagnosis.chances),
    ("slices", "Where it is worst", diagnosis.slices),
    ("fairness", "Groups", diagnosis.groups),
    ("explanation", "What the model goes by", diagnosis.explanation),
    ("robustness", "Worse inputs", diagnosis.robustness),
    ("learning", "How it learned", diagnosis.learning),
    ("data", "Data", provenance.data),
)
LAST: tuple[tuple[str, str, Make], ...] = (
    ("again", "The same again", provenance.again),
    ("config", "Settings", provenance.config),
    ("environment", "Environment", provenance.environment),
    ("time", "Time", provenance.time),
    ("files", "Files", provenance.files),
)
ADVICE = 4  # things to do next, at most
DAMAGED = (LookupError, TypeError, ValueError, AttributeError, OSError)  # what a file of another shape makes of us
UNTOLD = Verdict("note", "Undecided", "a file of this run is damaged, so that nobody can say.")
Told = TypeVar("Told")


def run_page(facts: RunContent, gallery: PlotGallery) -> Page:
    """Return a run's page."""
    record = facts.record
    sections = [one for entry in SECTIONS if (one := section(*entry, facts, gallery))]
    others = gallery.others()
    sections += [Section("pictures", "More pictures", others)] if others else []
    sections += [one for entry in LAST if (one := section(*entry, facts, gallery))]
    name = str(record.config.get("algorithm.name") or "a model")
    when = f"{record.started[:16].replace('T', ' ')} UTC"
    return Page(
        title=f"{name} on {facts.data.get('name') or record.config.get('data.name') or record.experiment}",
        eyebrow=f"run {record.id} · experiment {record.experiment} · {when} · {record.state}",
        asked=safely(lambda: provenance.asked(facts), ""),
        verdict=safely(lambda: verdict(facts), UNTOLD),
        number=safely(lambda: results.the_number(facts), None),
        next=safely(lambda: what_next(facts), []),
        sections=sections,
    )


def safely(make: Callable[[], Told], otherwise: Told) -> Told:
    """Return what is made, or something else where a file is damaged."""
    try:
        return make()
    except DAMAGED as error:
        log.debug("", exc_info=error)
        return otherwise


def section(
    id: str, title: str, make: Callable[..., list[Element]], facts: Any, gallery: PlotGallery
) -> Section | None:
    """Make one section; without anything to tell it is absent, and where a file is damaged it says so."""
    try:
        blocks = make(facts, gallery)
    except DAMAGED as error:
        log.debug("", exc_info=error)
        why = f"{type(error).__name__}: {first_line(error)}"
        blocks = [
            Paragraph(f"This section cannot be told ({why}). A file is damaged, or of another version of runtree.")
        ]
    return Section(id, title, blocks) if blocks else None


def _advice(one: Mapping[str, Any]) -> str:
    return f"{str(one.get('name') or 'found').replace('_', ' ')}: {one['advice']}"


def what_next(facts: RunContent) -> list[Element]:
    """Return what to do: the advice of what was found, the most serious first, and how to go on."""
    record, where = facts.record, tree(facts.record)
    blocks: list[Element] = [Paragraph(text) for text in list(dict.fromkeys(map(_advice, facts.advised)))[:ADVICE]]
    if record.state != "completed":
        return [*blocks, Code("what was said", command("show", record.id, "--log", *where))]
    alone = "/" not in record.id  # a run of a sweep has been searched for
    if alone and not facts.evaluation.keys() & {"baselines", "benchmark"}:
        bound = f'evaluator.benchmark.metrics=["test.{facts.metric} {">=" if facts.maximized else "<="} NUMBER"]'
        blocks.append(Code("say what is good enough, and train again", command("train", *record.overrides, bound)))
    if alone and verdict(facts).word != "Ship":
        blocks.append(Code("search for a better one", command("tune", *record.overrides)))
    if facts.folder.model.is_dir():
        return [
            *blocks,
            Code("predict rows of a file", command("predict", record.id, "ROWS.csv", "-o", "OUT.csv", *where)),
        ]
    return [*blocks, Code("have the model again", command("rerun", record.id, *where))]
