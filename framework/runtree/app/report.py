"""A page made again, of any run or sweep, from its files alone."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder, find_sweep, sweep_folders
from runtree.records.manifest import amend_manifest
from runtree.records.record import sweep_path
from runtree.records.selectors import find_run
from runtree.reports.render import write_report_elsewhere, write_run_report, write_sweep_report
from runtree.reports.run.content import read_run_content
from runtree.training.history import write_learning_curve


@dataclass(frozen=True)
class WrittenReport:
    """The page that was written, of what, and what it had to leave out."""

    file: Path
    name: str
    missing: tuple[str, ...] = ()


def write_any_report(outputs: Path, selector: str, file: Path | None = None) -> WrittenReport:
    """Write the page of a run or a sweep; into its folder, or with `file` there, and then its folder stays as it is.

    Raises
    ------
    NotFoundError
        No run and no sweep, or more than one, answers to the selector.
    """
    found = select_reported(outputs, selector)
    return report_sweep(found, file) if isinstance(found, SweepFolder) else report_run(found, file)


def select_reported(outputs: Path, selector: str) -> RunRecord | SweepFolder:
    """Return the run or the sweep that a selector names; `latest` is the sweep where the latest run is one of its.

    Raises
    ------
    NotFoundError
        As `report` does.
    """
    if (Path(selector) / "ledger.jsonl").is_file():
        return SweepFolder(Path(selector))
    if selector != "latest":
        matching = [one for one in sweep_folders(outputs) if one.path.name.startswith(selector)]
        runs = _run(outputs, selector) if not any(one.path.name == selector for one in matching) else None
        if matching and (runs is None or (sweep_path(runs) is not None and "/" not in selector)):
            return find_sweep(outputs, selector)
        if matching:
            raise NotFoundError(f"'{selector}' names a run and a sweep", "type more of the name")
    record = find_run(outputs, selector)
    sweep = sweep_path(record) if selector == "latest" else None
    return SweepFolder(sweep) if sweep and (sweep / "ledger.jsonl").is_file() else record


def _run(outputs: Path, selector: str) -> RunRecord | None:
    try:
        return find_run(outputs, selector)
    except NotFoundError:
        return None


def report_sweep(folder: SweepFolder, file: Path | None) -> WrittenReport:
    """Write the page of a sweep."""
    return WrittenReport(write_sweep_report(folder, file), folder.path.name)


def report_run(record: RunRecord, file: Path | None) -> WrittenReport:
    """Write the page of a run, with its pictures drawn anew as far as what they show is there."""
    folder, missing = RunFolder(record.folder), tuple(read_run_content(record).missing)
    if file is not None:
        with TemporaryDirectory() as place:
            write_report_elsewhere(record, file, Path(place))
        return WrittenReport(file, record.id, missing)
    with folder.held():
        if not (folder.plots / "learning_curve.svg").exists():
            write_learning_curve(folder, record.fit)
        write_run_report(record)
        amend_manifest(folder, [folder.report, *(one for one in folder.plots.glob("*") if one.is_file())])
    return WrittenReport(folder.report, record.id, missing)
