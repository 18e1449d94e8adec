"""A page as one HTML file: jinja2's templates beside this file, everything that was found escaped."""

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.writer import write_text
from runtree.reports.elements import Element, Page
from runtree.reports.images import PlotGallery
from runtree.reports.palette import DARK, LIGHT
from runtree.reports.plots.draw import KNOWN, draw_run_plots
from runtree.reports.run.content import RunContent, read_run_content
from runtree.reports.run.page import run_page
from runtree.reports.sweep.content import read_sweep_content
from runtree.reports.sweep.page import sweep_page
from runtree.reports.sweep.results import PICTURES

TEMPLATES = "templates"


def render(page: Page) -> str:
    """Return the page; it loads nothing, and is read without a script."""
    return str(_environment().get_template("page.html").render(page=page, light=LIGHT, dark=DARK))


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("runtree.reports", TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["groups_of_a_kind"] = groups_of_a_kind
    return made


def groups_of_a_kind(blocks: Sequence[Element]) -> list[tuple[str, list[Element]]]:
    """Return neighbours of one kind together: pictures stand side by side, findings make one list."""
    return [(kind, list(own)) for kind, own in groupby(blocks, key=lambda block: block.kind)]


def write_run_report(record: RunRecord) -> Path:
    """Draw a run's pictures into its folder, and write its page."""
    folder = RunFolder(record.folder)
    facts = read_run_content(record)
    draw_run_plots(facts, folder.plots)
    write_text(folder.report, tell(facts, [folder.plots]))
    return folder.report


def write_report_elsewhere(record: RunRecord, file: Path, place: Path) -> None:
    """Write a run's page to another file; the run's folder stays as it is, and pictures are drawn in `place`."""
    facts = read_run_content(record)
    draw_run_plots(facts, place)
    write_text(file, tell(facts, [place, RunFolder(record.folder).plots]))


def tell(facts: RunContent, pictures: Sequence[Path]) -> str:
    """Return the page."""
    return render(run_page(facts, PlotGallery(pictures, KNOWN)))


def write_sweep_report(folder: SweepFolder, file: Path | None = None) -> Path:
    """Write a sweep's page into its folder, or to another file."""
    facts = read_sweep_content(folder)
    place = file or folder.report
    write_text(place, render(sweep_page(facts, PlotGallery([folder.plots], PICTURES))))
    return place
