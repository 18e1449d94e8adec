"""`report.html` of a sweep: told and written from the files of its folder alone."""

from pathlib import Path

from runtree.records.layout import SweepFolder
from runtree.records.writer import write_text
from runtree.reports.gallery import Gallery
from runtree.reports.page import render
from runtree.reports.sweep.facts import read_sweep
from runtree.reports.sweep.found import PICTURES
from runtree.reports.sweep.sections import page


def write_sweep_report(folder: SweepFolder, file: Path | None = None) -> Path:
    """Write a sweep's page into its folder, or to another file."""
    facts = read_sweep(folder)
    place = file or folder.report
    write_text(place, render(page(facts, Gallery([folder.plots], PICTURES))))
    return place
