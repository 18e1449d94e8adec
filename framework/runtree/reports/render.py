"""Writing report.html: content → page → HTML by the Jinja templates beside this file, which escape all values."""

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from runtree.contract.output import escape_controls
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.writer import write_text
from runtree.reports.elements import Element, Page
from runtree.reports.images import PlotGallery
from runtree.reports.plots.draw import draw_run_plots
from runtree.reports.run.content import RunContent, read_run_content
from runtree.reports.run.page import run_page
from runtree.reports.sweep.content import read_sweep_content
from runtree.reports.sweep.page import sweep_page
from runtree.reports.sweep.results import PLOTS


def write_run_report(record: RunRecord) -> Path:
    """Draw the plots of a run into its folder and write its page."""
    folder = RunFolder(record.folder)
    content = read_run_content(record)
    draw_run_plots(content, folder.plots)
    write_text(folder.report, render_run(content, [folder.plots]))
    return folder.report


def write_report_elsewhere(record: RunRecord, file: Path, plots: Path) -> None:
    """Write the page of a run to another file and draw into another folder; the run's folder is not changed."""
    content = read_run_content(record)
    draw_run_plots(content, plots)
    write_text(file, render_run(content, [plots, RunFolder(record.folder).plots]))


def render_run(content: RunContent, plots: Sequence[Path]) -> str:
    """Return the page of a run with the plots of these folders."""
    # the gallery fills while the page is built: sections take their plots, and those left over are shown at the end
    return render(run_page(content, PlotGallery(plots)))


def write_sweep_report(folder: SweepFolder, file: Path | None = None) -> Path:
    """Write the page of a sweep into its folder, or to another file. Its plots were drawn when it ended."""
    page = sweep_page(read_sweep_content(folder), PlotGallery([folder.plots], PLOTS))
    write_text(file or folder.report, render(page))
    return file or folder.report


def render(page: Page) -> str:
    """Return a page as HTML that loads nothing and needs no script."""
    # marks that reverse the direction of writing would let a name of a column show another text than it is
    return escape_controls(str(_environment().get_template("page.html").render(page=page)))


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # autoescape: names of columns, messages and config values come from elsewhere and may contain HTML.
    # StrictUndefined: a misspelled name in a template is an error and not an empty text.
    environment = Environment(
        loader=PackageLoader("runtree.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda element: type(element).__name__
    environment.filters["runs_of_a_kind"] = _runs_of_a_kind
    return environment


def _runs_of_a_kind(elements: Sequence[Element]) -> list[tuple[str, list[Element]]]:
    """Group neighbours of one class: figures stand side by side, findings form one list."""
    # neighbours only, as groupby does without sorting: the order of the page must stay
    return [(kind, list(run)) for kind, run in groupby(elements, key=lambda element: type(element).__name__)]
