"""The order of a run's page: first for whoever decides, then for whoever builds on it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from runtree.contract.errors import first_line
from runtree.reports.blocks import Block, Code, Page, Section, Text
from runtree.reports.facts import Facts
from runtree.reports.gallery import Gallery
from runtree.reports.reproduce import command, tree
from runtree.reports.run import data, diagnosis, making, result
from runtree.reports.verdict import verdict

log = logging.getLogger(__name__)

Make = Callable[[Facts, Gallery], list[Block]]
SECTIONS: tuple[tuple[str, str, Make], ...] = (
    ("gate", "The gate", result.gate),
    ("baselines", "Against baselines", result.baselines),
    ("metrics", "Metrics", result.metrics),
    ("findings", "Findings", diagnosis.findings),
    ("classes", "Classes", result.classes),
    ("residuals", "Predicted and actual", diagnosis.residuals),
    ("chances", "Probabilities", diagnosis.chances),
    ("slices", "Where it is worst", diagnosis.slices),
    ("fairness", "Groups", diagnosis.groups),
    ("explanation", "What the model goes by", diagnosis.explanation),
    ("robustness", "Worse inputs", diagnosis.robustness),
    ("learning", "How it learned", diagnosis.learning),
    ("data", "Data", data.data),
)
LAST: tuple[tuple[str, str, Make], ...] = (
    ("again", "The same again", making.again),
    ("config", "Settings", making.config),
    ("environment", "Environment", making.environment),
    ("time", "Time", making.time),
    ("files", "Files", making.files),
)
ADVICE = 4  # things to do next, at most


def page(facts: Facts, gallery: Gallery) -> Page:
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
        asked=data.asked(facts),
        verdict=verdict(facts),
        number=result.the_number(facts),
        next=what_next(facts),
        sections=sections,
    )


def section(id: str, title: str, make: Callable[..., list[Block]], facts: Any, gallery: Gallery) -> Section | None:
    """Make one section; without anything to tell it is absent, and where a file is damaged it says so."""
    try:
        blocks = make(facts, gallery)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        log.debug("", exc_info=error)
        why = f"{type(error).__name__}: {first_line(error)}"
        blocks = [Text(f"This section cannot be told ({why}). A file is damaged, or of another version of runtree.")]
    return Section(id, title, blocks) if blocks else None


def _advice(one: Mapping[str, Any]) -> str:
    return f"{str(one.get('name') or 'found').replace('_', ' ')}: {one['advice']}"


def what_next(facts: Facts) -> list[Block]:
    """Return what to do: the advice of what was found, the most serious first, and how to go on."""
    told = list(dict.fromkeys(_advice(one) for one in facts.advised))[:ADVICE]
    if facts.record.state == "completed" and not facts.evaluation.keys() & {"baselines", "benchmark"}:
        bound = f"evaluator.benchmark.metrics=['test.{facts.metric} {'>=' if facts.maximized else '<='} …']"
        told.append(f"Say what is good enough, and train again: {bound}, or evaluator.baselines=auto.")
    blocks: list[Block] = [Text(text) for text in told]
    where: Mapping[str, Any] = {"where": tree(facts.record)}
    if facts.record.state == "completed" and verdict(facts).word != "Ship":
        blocks.append(Code("search for a better one", command("tune", *facts.record.overrides)))
    if facts.record.state == "completed" and facts.folder.model.is_dir():
        words = command("predict", facts.record.id, "ROWS.csv", "-o", "OUT.csv", *where["where"])
        return [*blocks, Code("predict rows of a file", words)]
    if facts.record.state == "completed":
        return [*blocks, Code("have the model again", command("rerun", facts.record.id, *where["where"]))]
    return [*blocks, Code("what was said", command("show", facts.record.id, "--log", *where["where"]))]
