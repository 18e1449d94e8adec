"""The output tree: every file name in it, and how a folder is claimed and locked by one process."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtree.contract.commands import command, display_path
from runtree.contract.errors import NotFoundError, RequestError, first_line
from runtree.contract.files import is_within, load_yaml, open_regular, read_regular
from runtree.contract.storage import reason, remedy
from runtree.records.locks import acquire_lock, is_locked, open_lock


@dataclass(frozen=True)
class FileName:
    """A file or folder in the folder of a run or a sweep: its path there, or its bare name if read from the class."""

    name: str

    def __get__(self, folder: Any, _: type) -> Path:
        return Path(self.name) if folder is None else folder.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. This class alone knows the names of its files."""

    path: Path

    config = FileName("config.yaml")  # the resolved config, for people and for a rerun
    record = FileName("run.json")  # the record, for programs
    metrics = FileName("metrics.json")  # the metrics by split
    history = FileName("history.jsonl")  # one line for each iteration
    folds = FileName("folds.jsonl")  # one line for each fold, when it ends: its scores and the seconds of its fit
    checkpoints = FileName("checkpoints")  # states from which the fit can be resumed, a folder each
    data = FileName("data.json")  # schema, number of rows and fingerprint of the data, and the split
    columns = FileName(
        "profile.json"
    )  # what each column holds: quantiles, frequent values, association with the target
    environment = FileName("environment.json")  # versions, git, hardware
    code = FileName("code")  # the folder of copies of the user's own modules, with their sha256
    predictions = FileName("predictions.parquet")  # one row for each row of the data in a split
    validation = FileName(
        "validation.npz"
    )  # the predictions on the validation split, of a sweep's run that is not kept
    model = FileName("model")  # the folder of the fitted model
    plots = FileName("plots")  # the folder of plots, each with its data as JSON
    evaluation = FileName("evaluation.json")  # intervals of the metrics, baseline comparison, findings and advice
    report = FileName("report.html")  # the report, one HTML page
    log = FileName("log.txt")  # the log of the run
    profile = FileName("profile.txt")  # where the time went, with compute.profile
    manifest = FileName("manifest.json")  # the sha256 of every file
    cleaned = FileName("cleaned.json")  # the artifacts that were removed later, to free disk space
    events = FileName("tensorboard")  # the event files of TensorBoard, if that tracker is on
    evaluations = FileName("evaluations")  # a folder for each time that its model was scored on other rows, later
    lock = FileName(".lock")  # the file whose kernel lock the process of the run holds

    def files(self) -> Iterator[Path]:
        """Yield the files that the manifest covers, sorted."""
        for file in sorted(self.path.rglob("*")):
            # these change after the manifest is written
            state = (self.manifest, self.log, self.record, self.cleaned)
            later = file.parent == self.events or self.evaluations in file.parents
            if file.is_file() and not file.name.startswith(".") and file not in state and not later:
                yield file

    def is_held(self) -> bool:
        """Return whether a living process holds this folder."""
        handle = open_lock(self.lock)
        if handle is None:
            return False
        try:
            return is_locked(handle, self.lock)
        finally:
            os.close(handle)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder by a kernel lock, which the kernel releases when the process ends."""
        try:
            handle = open_regular(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except OSError as error:
            raise not_writable_error(self.path, error) from None
        try:
            try:
                acquire_lock(handle, self.lock)
            except BlockingIOError:
                raise RequestError(f"{self.path}: another process works in this folder") from None
            yield
        finally:
            os.close(handle)


@dataclass(frozen=True)
class EvaluationFolder:
    """The folder of one evaluation of a saved model on labelled rows."""

    path: Path

    result = FileName("scores.json")  # scores, their differences from the run's own, what was found in the rows
    predictions = FileName("predictions.parquet")  # one row for each row that was scored


@dataclass(frozen=True)
class LoadFolder:
    """The folder of one load test."""

    path: Path

    result = FileName("load_test.json")  # latencies, throughput, errors
    plot = FileName("load")  # and the endings .svg and .json


@dataclass(frozen=True)
class MonitorFolder:
    """The folder of all that was watched of one model."""

    path: Path

    report = FileName("report.html")  # the page, with a point for each window
    plots = FileName("plots")  # the plots of the page, each with its data as JSON
    alerts = FileName("alerts.jsonl")  # one line for each alert that was sent
    alert_lock = FileName(".alerts.lock")  # held while alerts are sent
    watch_lock = FileName(".watch.lock")  # held by `runtree monitor --watch`; its content names the process

    def window(self, name: str) -> "WindowFolder":
        """Return the folder of a window by its name."""
        return WindowFolder(self.path / name)

    def windows(self) -> "list[WindowFolder]":
        """Return the folders of the windows that have a result, by name."""
        places = sorted(self.path.iterdir()) if self.path.is_dir() else []
        return [folder for place in places if (folder := WindowFolder(place)).result.is_file()]


@dataclass(frozen=True)
class WindowFolder:
    """The folder of one window."""

    path: Path

    result = FileName("monitor.json")  # drift, quality, KPIs and alarms


def timestamp() -> str:
    """Return the current time in UTC as ISO 8601. It is for people: durations come from a monotonic clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def not_writable_error(folder: Path, error: OSError) -> RequestError:
    """Return the error for a folder that cannot be written to."""
    return RequestError(
        f"outputs: cannot write to {folder} ({reason(error)})",
        "choose another folder: outputs=/path/to/folder",
        remedy(error) and f"or {remedy(error)}",
    )


INDEX_NAME = ".runs.index"  # in the output folder
TEST_ACCESS_NAME = "test_looks.jsonl"  # in the output folder


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep. This class alone knows the names of its files."""

    path: Path

    ledger = FileName("ledger.jsonl")  # the ledger: one line for each event
    description = FileName("sweep.yaml")  # the request: command line, tuner, search space
    environment = FileName("environment.json")  # versions, git, hardware
    stop = FileName("stop.json")  # the stop criterion that ended it
    leaderboard = FileName("leaderboard.csv")  # its runs, the best first, as CSV
    report = FileName("report.html")  # the report, one HTML page
    plots = FileName("plots")  # plots of the search, each with its data as JSON
    runs = FileName("runs")  # the folder of its runs
    advice = FileName("advice.json")  # findings about the search and its best run

    def rechecked(self, number: int) -> RunFolder:
        """Return the folder where the configuration of a run was cross-validated once more."""
        return RunFolder(self.path / "rechecked" / f"{number:04d}")

    lock = FileName(".lock")  # the file whose kernel lock the driver holds; its content names the process
    request = FileName(".stop")  # the file that `runtree stop` writes for the driver

    def run(self, number: int) -> RunFolder:
        """Return the folder of a run by its number."""
        return RunFolder(self.runs / f"{number:04d}")

    def set_aside(self, folder: Path, attempt: int) -> Path | None:
        """Move the folder of a dead attempt into ``attempts``, where it counts nowhere; return its new path, if any."""
        place: Path | None = None
        if folder.exists():
            attempts = self.path / "attempts"
            attempts.mkdir(exist_ok=True)
            place = attempts / f"{folder.name}-{attempt}"
            while place.exists():
                place = place.with_name(f"{place.name}+")
            # renamed, never removed: its log may say why the attempt died
            folder.rename(place)
        return place

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the sweep by a kernel lock, which the kernel releases when the driver ends.

        Raises
        ------
        RequestError
            Another process holds it; the error names that process.
        """

        def busy(holder: str) -> RequestError:
            return RequestError(
                f"{self.path} is in use by another process: {holder}",
                f"see its progress: {command('status', display_path(self.path))}",
                f"or stop it: {command('stop', display_path(self.path))}",
            )

        with hold_alone(self.lock, busy):
            # only now, with the lock held: before, they might belong to the process that holds it
            remove_temporary_files(self.path)
            yield

    def holder(self) -> dict[str, Any] | None:
        """Return the process that holds the sweep (pid, host, since), None if none does."""
        return lock_holder(self.lock)


@contextmanager
def hold_alone(lock: Path, busy: Callable[[str], RequestError]) -> Iterator[None]:
    """Hold a kernel lock, in whose file the holder is named; `busy` makes the error if another process holds it."""
    try:
        # closed in programs that are started: one that inherited the handle would keep the lock after the driver's
        # death
        handle = open_regular(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        raise not_writable_error(lock.parent, error) from None
    try:
        try:
            acquire_lock(handle, lock)
        except BlockingIOError:
            raise busy(describe_holder(lock_holder(lock))) from None
        try:
            # the content is for people only; the lock itself is what counts
            os.ftruncate(handle, 0)
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": timestamp()}
            os.pwrite(handle, json.dumps(holder).encode(), 0)
        except OSError as error:
            raise not_writable_error(lock.parent, error) from None
        yield
    finally:
        os.close(handle)


def lock_holder(lock: Path) -> dict[str, Any] | None:
    """Return the process that holds a lock (pid, host, since), None if none does."""
    handle = open_lock(lock)
    if handle is None:
        return None
    try:
        return _parse_holder(os.pread(handle, 4096, 0)) if is_locked(handle, lock) else None
    finally:
        os.close(handle)


def read_description(folder: SweepFolder) -> dict[str, Any]:
    """Read ``sweep.yaml``.

    Raises
    ------
    NotFoundError
        It is missing or damaged.
    """
    import yaml

    file = folder.description
    try:
        content = load_yaml(read_regular(file))
        if not isinstance(content, dict) or "overrides" not in content:
            raise ValueError("it does not describe a sweep")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise NotFoundError(f"{file}: cannot be read ({first_line(error)})") from None
    return content


def describe_holder(holder: dict[str, Any] | None) -> str:
    """Return the holder of a lock as text."""
    known = holder or {}
    return f"process {known.get('pid', '?')} on {known.get('host', '?')} since {known.get('since', '?')}"


def _parse_holder(content: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(content)
    except ValueError:  # the lock is taken before the content is written
        return {}
    return holder if isinstance(holder, dict) else {}


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of writers that were killed. Only the process that holds the folder may do so."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def sweep_folders(outputs: Path) -> list[SweepFolder]:
    """Return every sweep below `outputs`, the oldest first."""
    paths = [
        path
        for path in outputs.glob("*/*-sweep")
        if (path / "ledger.jsonl").is_file()
        # what a link leads to outside of the tree is not of the tree
        and (not (path.is_symlink() or path.parent.is_symlink()) or is_within(path, outputs))
    ]
    return [SweepFolder(path) for path in sorted(paths, key=lambda path: _creation_order(path.name))]


def _creation_order(sweep: str) -> tuple[str, int, str]:
    """Return the time in a sweep's name, its number among the sweeps of that second, and the name."""
    # as text "<time>-2-sweep" would sort before "<time>-sweep", and "-10" before "-2"
    match = re.match(r"(\d{8}-\d{6})(?:-(\d+))?-sweep$", sweep)
    return (match[1], int(match[2] or 1), sweep) if match else (sweep, 0, sweep)


def find_sweep(outputs: Path, selector: str) -> SweepFolder:
    """Return the sweep that `selector` means: `latest`, a path, or the unique beginning of its name.

    Raises
    ------
    NotFoundError
        The selector means no sweep, or more than one.
    """
    as_path = Path(selector)
    if (as_path / "ledger.jsonl").is_file():
        return SweepFolder(as_path)
    sweeps = sweep_folders(outputs)
    if not sweeps:
        raise NotFoundError(f"no sweeps in {outputs}", "start one: runtree tune")
    matching = (
        sweeps[-1:] if selector == "latest" else [folder for folder in sweeps if folder.path.name.startswith(selector)]
    )
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(folder.path.name for folder in matching[:4])
    if matching:
        raise NotFoundError(f"'{selector}' names {len(matching)} sweeps: {names}", "type more of the name")
    raise NotFoundError(f"no sweep '{selector}' in {outputs}", f"the latest is {sweeps[-1].path.name}")
