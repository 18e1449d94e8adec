"""`report.html` of a run: drawn, told and written from the files of its folder alone."""

from collections.abc import Sequence
from pathlib import Path

from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.writer import write_text
from runtree.reports.facts import Facts, read_facts
from runtree.reports.gallery import Gallery
from runtree.reports.page import render
from runtree.reports.pictures.catalogue import KNOWN, draw
from runtree.reports.run.sections import page


def write_report(record: RunRecord) -> Path:
    """Draw a run's pictures into its folder, and write its page."""
    folder = RunFolder(record.folder)
    facts = read_facts(record)
    draw(facts, folder.plots)
    write_text(folder.report, tell(facts, [folder.plots]))
    return folder.report


def write_report_elsewhere(record: RunRecord, file: Path, place: Path) -> None:
    """Write a run's page to another file; the run's folder stays as it is, and pictures are drawn in `place`."""
    facts = read_facts(record)
    draw(facts, place)
    write_text(file, tell(facts, [place, RunFolder(record.folder).plots]))


def tell(facts: Facts, pictures: Sequence[Path]) -> str:
    """Return the page."""
    return render(page(facts, Gallery(pictures, KNOWN)))
