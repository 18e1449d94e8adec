"""The report of a run or a sweep, made again from its files."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from runtree.contract.errors import NotFoundError, RequestError
from runtree.contract.model_version import SCHEME, ModelVersion
from runtree.contract.types import RunRecord
from runtree.monitoring.page import read_windows
from runtree.records.find import LATEST, find_run, is_chosen
from runtree.records.layout import MonitorFolder, RunFolder, SweepFolder, find_sweep, sweep_folders
from runtree.records.manifest import amend_manifest
from runtree.records.model_log import AuditFolder, read_log
from runtree.records.model_versions import find_model, parse_reference, registry_root
from runtree.records.reader import read_lines
from runtree.records.record import read_record, sweep_path
from runtree.records.retrain_requests import read_requests
from runtree.records.writer import write_text
from runtree.reports.images import PlotGallery
from runtree.reports.model_page import CHAMPION, model_page
from runtree.reports.render import render, write_report_elsewhere, write_run_report, write_sweep_report
from runtree.reports.run.content import read_run_content

MONITORING = "monitoring"  # where `runtree monitor` writes, in the folder in which it is typed
ELSEWHERE = "results of runtree monitor in another folder: --monitoring FOLDER"


@dataclass(frozen=True)
class WrittenReport:
    """The file, what it is of, and the sections that are missing."""

    file: Path
    source: RunRecord | SweepFolder | ModelVersion
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the run, the sweep or the model."""
        if isinstance(self.source, ModelVersion):
            return self.source.reference
        return self.source.path.name if isinstance(self.source, SweepFolder) else self.source.id


def write_any_report(
    outputs: Path, selector: str, file: Path | None = None, monitoring: Path | None = None
) -> WrittenReport:
    """Write the report of a run or a sweep into its folder, or to `file`; in that case its folder stays unchanged.

    `monitoring` is the folder with the results of `runtree monitor`, for the page of a model.

    Raises
    ------
    NotFoundError
        The selector means no run and no sweep, or more than one; or `monitoring` has no results of the model.
    RequestError
        `monitoring` is named for the report of a run or a sweep.
    """
    if selector.startswith(SCHEME):
        return report_model(selector, file, monitoring)
    if monitoring is not None:
        raise RequestError("--monitoring is for the page of a registered model", "type: runtree report models:/NAME")
    folder = select_reported(outputs, selector)
    return report_sweep(folder, file) if isinstance(folder, SweepFolder) else report_run(folder, file)


def select_reported(outputs: Path, selector: str) -> RunRecord | SweepFolder:
    """Return the run or the sweep that a selector means. `latest` is the sweep if the latest run belongs to one.

    Raises
    ------
    NotFoundError
        As `write_any_report` does.
    """
    # a path comes first: it is unambiguous, and may lie outside the output tree
    if (Path(selector) / "ledger.jsonl").is_file():
        return SweepFolder(Path(selector))
    if not is_chosen(selector):
        matching = [sweep for sweep in sweep_folders(outputs) if sweep.path.name.startswith(selector)]
        # an exact name of a sweep wins over runs whose names begin with it
        exact = any(sweep.path.name == selector for sweep in matching)
        run = None if exact else _find_run(outputs, selector)
        if matching and (run is None or (sweep_path(run) is not None and "/" not in selector)):
            return find_sweep(outputs, selector)
        if matching:
            raise NotFoundError(f"'{selector}' names a run and a sweep", "type more of the name")
    record = find_run(outputs, selector)
    sweep = sweep_path(record) if selector == LATEST else None
    return SweepFolder(sweep) if sweep and (sweep / "ledger.jsonl").is_file() else record


def _find_run(outputs: Path, selector: str) -> RunRecord | None:
    try:
        return find_run(outputs, selector)
    except NotFoundError:
        return None


def report_sweep(folder: SweepFolder, file: Path | None) -> WrittenReport:
    """Write the report of a sweep."""
    return WrittenReport(write_sweep_report(folder, file), folder)


def report_run(record: RunRecord, file: Path | None) -> WrittenReport:
    """Write the report of a run. Plots are drawn again if their data is there."""
    folder, missing = RunFolder(record.folder), tuple(read_run_content(record).missing)
    if file is not None:
        # plots that have to be drawn again go to a temporary folder, as the run's own folder must stay as it is
        with TemporaryDirectory() as place:
            write_report_elsewhere(record, file, Path(place))
        return WrittenReport(file, record, missing)
    # the lock keeps `clean` from removing the folder meanwhile
    with folder.held():
        write_run_report(record)
        # only the files made here get a new hash: a model that was changed since the run must still be detected
        amend_manifest(folder, [folder.report, *(plot for plot in folder.plots.glob("*") if plot.is_file())])
    return WrittenReport(folder.report, record, missing)


def report_model(reference: str, file: Path | None, monitoring: Path | None = None) -> WrittenReport:
    """Write the page of a registered model; without an alias or number the champion is in view, else the latest.

    Raises
    ------
    NotFoundError
        There is no such model, or `monitoring` has no results of it.
    """
    name, word = parse_reference(reference)
    model = find_model(registry_root(), name)
    version = model.version(word or (CHAMPION if CHAMPION in model.aliases else None))
    content = read_run_content(read_record(RunFolder(version.folder)))
    watched = MonitorFolder((monitoring or Path(MONITORING)) / name)
    windows = read_windows(watched)
    if monitoring is not None and not windows:
        raise NotFoundError(f"--monitoring {monitoring}: it has no results of {name}", "see: runtree monitor --help")
    audited, _ = read_log(AuditFolder(registry_root()))
    page = model_page(
        model,
        version,
        content,
        windows,
        PlotGallery([watched.plots]),
        read_requests(watched),
        read_lines(watched.alerts),
        [entry for entry in audited if entry["act"] == "override" and entry.get("model") == name],
    )
    # a version never changes, so the page lies beside the versions
    write_text(file or model.folder.report, render(page))
    missing = () if windows else (f"{watched.path}: {ELSEWHERE}",)
    return WrittenReport(file or model.folder.report, version, missing)
