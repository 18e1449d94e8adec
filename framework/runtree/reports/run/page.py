"""The page of a run: sections in reading order, first for a decision, then for reproducing the run."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runtree.contract.errors import RuntreeError, first_line
from runtree.records.commands import prediction_commands, run_command, training_command, tuning_command
from runtree.reports.elements import Code, Element, Page, Paragraph, Section, Verdict
from runtree.reports.images import PlotGallery
from runtree.reports.run import diagnosis, provenance, results
from runtree.reports.run.content import RunContent
from runtree.reports.summary import decide_verdict

log = logging.getLogger(__name__)

SectionBuilder = Callable[[RunContent, PlotGallery], list[Element]]
SECTIONS: tuple[tuple[str, str, SectionBuilder], ...] = (
    ("gate", "Quality gate", results.gate),
    ("baselines", "Baseline comparison", results.baselines),
    ("metrics", "Metrics", results.metrics),
    ("findings", "Findings", diagnosis.findings),
    ("classes", "Classes", results.classes),
    ("residuals", "Residuals", diagnosis.residuals),
    ("probabilities", "Probabilities", diagnosis.probabilities),
    ("segments", "Weakest segments", diagnosis.segments),
    ("fairness", "Fairness", diagnosis.fairness),
    ("importance", "Feature importance", diagnosis.importance),
    ("robustness", "Robustness", diagnosis.robustness),
    ("learning", "Learning curves", diagnosis.learning),
    ("data", "Data", provenance.data),
)
# below the plots of plugins: facts for reproducing the run, which few readers need
LAST_SECTIONS: tuple[tuple[str, str, SectionBuilder], ...] = (
    ("reproduce", "Reproduce", provenance.reproduce),
    ("config", "Config", provenance.config),
    ("environment", "Environment", provenance.environment),
    ("time", "Time", provenance.time),
    ("files", "Files", provenance.files),
)
# of a table that is read in batches only the metrics and their intervals are of all rows
OF_ROWS_IN_MEMORY = {"baselines", "findings", "classes", "residuals", "probabilities", "segments", "fairness"}
OF_ROWS_IN_MEMORY |= {"importance", "robustness", "learning"}
MAX_ADVICE = 4
# What reading a file of an unexpected shape raises: a damaged file costs its section and never the page.
DAMAGED = (LookupError, TypeError, ValueError, AttributeError, OSError, RuntreeError)
UNKNOWN_VERDICT = Verdict("note", "Unknown", "a file of this run is damaged.")
Part = TypeVar("Part")


def run_page(content: RunContent, gallery: PlotGallery) -> Page:
    record = content.record
    sections = [build_section(*entry, content, gallery) for entry in SECTIONS]
    others = gallery.others()  # after the sections, which have taken the plots that they know
    sections += [Section("plots", "More plots", others)] if others else []
    sections += [build_section(*entry, content, gallery) for entry in LAST_SECTIONS]
    algorithm = str(record.config.get("algorithm.name") or "a model")
    started = f"{record.started[:16].replace('T', ' ')} UTC"
    return Page(
        title=f"{algorithm} on {content.data.get('name') or record.config.get('data.name') or record.experiment}",
        eyebrow=f"run {record.id} · experiment {record.experiment} · {started} · {record.state}",
        description=unless_damaged(lambda: provenance.describe_run(content), ""),
        problem=unless_damaged(lambda: provenance.problem(content), []),
        # each part on its own: a damaged file must not take the whole page with it
        verdict=unless_damaged(lambda: decide_verdict(content), UNKNOWN_VERDICT),
        headline=unless_damaged(lambda: results.headline(content), None),
        next_steps=unless_damaged(lambda: run_next_steps(content), []),
        sections=[section for section in sections if section],
    )


def unless_damaged(build: Callable[[], Part], default: Part) -> Part:
    """Return a part of a page, or a default where a damaged file prevents it."""
    try:
        return build()
    except DAMAGED as error:
        log.debug("", exc_info=error)
        return default


def build_section(
    id: str, title: str, build: Callable[..., list[Element]], content: Any, gallery: PlotGallery
) -> Section | None:
    """Return a section; None if it is empty. If a file is damaged, the section is a sentence about that."""
    try:
        elements = build(content, gallery)
    except DAMAGED as error:
        log.debug("", exc_info=error)
        why = f"{type(error).__name__}: {first_line(error)}"
        text = f"This section cannot be shown ({why}): a file is damaged, or was written by another version of runtree."
        elements = [Paragraph(text)]
    if elements and id in OF_ROWS_IN_MEMORY and (sampled := unless_damaged(lambda: _rows_in_memory(content), "")):
        elements = [Paragraph(sampled), *elements]
    return Section(id, title, elements) if elements else None


def _rows_in_memory(content: Any) -> str:
    """Return what the figures of a table that was read in batches are of; "" for one that was read whole."""
    [first, *_] = content.data.get("sources") or [{}]
    said = "Plots of the predictions show all test rows; what else is computed is of"
    sampled, rows = first.get("sampled"), content.data.get("rows")
    return f"{said} {sampled:,} of the {rows:,} rows, those in memory (data.batch_sample)." if sampled else ""


def run_next_steps(content: RunContent) -> list[Element]:
    """Return what to do next: the advice of the findings, the most serious first, and commands to type."""
    record = content.record
    # two findings may give the same advice
    advice = dict.fromkeys(map(_advice_line, content.advice))
    elements: list[Element] = [Paragraph(line) for line in list(advice)[:MAX_ADVICE]]
    if record.state != "completed":
        return [*elements, Code("read the log", run_command("show", record, "--log"))]
    single = "/" not in record.id  # a run of a sweep has been searched for already
    value = (content.record.metrics.get("test") or {}).get(content.metric)
    if single and "benchmark" not in content.evaluation and isinstance(value, (int, float)):
        bound = f"test.{content.metric} {'>=' if content.maximized else '<='} {_within(value, content.maximized):g}"
        gate = training_command(record, f'evaluator.benchmark.metrics=["{bound}"]')
        elements.append(Code("set a target, this score or your own number, and train again", gate))
    if single and decide_verdict(content).word != "Ship":
        search = tuning_command(record)
        elements += [Code("search for a better model", search)] if search else []
    if content.folder.model.is_dir():
        return [*elements, *(Code("predict the rows of a file", text) for text in prediction_commands(record))]
    return [*elements, Code("train the model again", run_command("rerun", record))]


def _within(value: float, maximized: bool) -> float:
    """Return a value with two significant digits that it does not fall behind."""
    if not value:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return round((math.floor if maximized else math.ceil)(value / unit) * unit, 12)


def _advice_line(finding: Mapping[str, Any]) -> str:
    return f"{str(finding.get('name') or 'finding').replace('_', ' ')}: {finding['advice']}"
