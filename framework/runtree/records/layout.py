"""The output tree: every file name in it, and how a folder comes to belong to one run alone."""

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, count
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError, RequestError, first_line


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. It alone knows what the files are called."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config, for people and for a rerun."""
        return self.path / "config.yaml"

    @property
    def record(self) -> Path:
        """The record, for programs."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """The metrics by part."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """One line an iteration."""
        return self.path / "history.jsonl"

    @property
    def folds(self) -> Path:
        """One line a fold, as it ends: its scores, and how long its fit took."""
        return self.path / "folds.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States of the fit to go on from, a folder each."""
        return self.path / "checkpoints"

    @property
    def data(self) -> Path:
        """Schema, rows and fingerprint of the data, and the split."""
        return self.path / "data.json"

    @property
    def environment(self) -> Path:
        """Versions, git, hardware."""
        return self.path / "environment.json"

    @property
    def predictions(self) -> Path:
        """A row for each row of the data that belongs to a part."""
        return self.path / "predictions.parquet"

    @property
    def model(self) -> Path:
        """The folder of the fitted model."""
        return self.path / "model"

    @property
    def plots(self) -> Path:
        """The folder of pictures, each with its data as JSON."""
        return self.path / "plots"

    @property
    def evaluation(self) -> Path:
        """How sure the metrics are, what they are compared with, what was found wrong and what to do."""
        return self.path / "evaluation.json"

    @property
    def report(self) -> Path:
        """The page that tells all of it to a reader."""
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        """What was said during the run."""
        return self.path / "log.txt"

    @property
    def manifest(self) -> Path:
        """The sha256 of every file."""
        return self.path / "manifest.json"

    @property
    def cleaned(self) -> Path:
        """What was removed later to save room."""
        return self.path / "cleaned.json"

    @property
    def events(self) -> Path:
        """What TensorBoard reads, where it was asked for."""
        return self.path / "tensorboard"

    @property
    def lock(self) -> Path:
        """The file whose kernel lock the running process holds."""
        return self.path / ".lock"

    def files(self) -> Iterator[Path]:
        """Yield the files that the manifest covers, sorted."""
        for file in sorted(self.path.rglob("*")):
            state = (self.manifest, self.log, self.record, self.cleaned)  # these change after the manifest is written
            if file.is_file() and not file.name.startswith(".") and file not in state and file.parent != self.events:
                yield file

    def is_held(self) -> bool:
        """Tell whether a living process works in this folder."""
        try:
            handle = os.open(self.lock, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: a kernel lock, which dies with the process."""
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            acquire_lock(handle)
            yield
        except BlockingIOError:
            raise RequestError(f"{self.path}: another process works in this folder") from None
        finally:
            os.close(handle)


def acquire_lock(handle: int) -> None:
    """Lock an open file for this process alone.

    Who only looks whether somebody holds it (`is_held`) does so for an instant: that is waited for, up to 0.2 s.

    Raises
    ------
    BlockingIOError
        Somebody else holds it.
    """
    for pause in (0.001, 0.01, 0.05, 0.14):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        else:
            return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def timestamp() -> str:
    """Return the present time as ISO 8601 in UTC, for people: durations come from a monotonic clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def folder_time() -> str:
    """Return the time for a folder's name (UTC, to the second): it orders nothing, it helps people."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


def make_run_folder(parent: Path, fingerprint: str) -> RunFolder:
    """Make a run's folder ``<time>-<fingerprint8>``; another run of the same second gets another name."""
    return RunFolder(make_unique_folder(parent, f"{folder_time()}-{fingerprint[:8]}"))


def make_sweep_folder(parent: Path) -> Path:
    """Make a sweep's folder."""
    return make_unique_folder(parent, folder_time(), "-sweep")


def use_sweep_folder(path: Path) -> Path:
    """Take the folder that the user named for a sweep; one that holds a sweep already is refused."""
    _make(path)
    if (path / "ledger.jsonl").exists():
        raise RequestError(f"{path}: there is a sweep in this folder already", f"go on with it: runtree resume {path}")
    return path


def make_unique_folder(parent: Path, name: str, ending: str = "") -> Path:
    """Make a folder that did not exist, adding -2, -3 … to its name where somebody was quicker."""
    _make(parent)
    for number in count(1):
        folder = parent / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise not_writable_error(parent, error) from None
        return folder
    raise AssertionError("count() does not end")


def use_run_folder(path: Path) -> RunFolder:
    """Take the folder that the user named for a run; one that holds a run already is refused."""
    _make(path)
    folder = RunFolder(path)
    try:
        os.close(os.open(folder.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        raise RequestError(f"{path}: there is a run in this folder already", "name another folder") from None
    except OSError as error:
        raise not_writable_error(path, error) from None
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable_error(folder, error) from None


def not_writable_error(folder: Path, error: OSError) -> RequestError:
    """Say that a run cannot be kept there."""
    return RequestError(
        f"outputs: cannot write to {folder} ({error.strerror})", "choose another place: outputs=/path/to/folder"
    )


# --- A sweep's folder: its file names, its lock, and where its runs live.

MAX_BRACKET_DEPTH = 500  # brackets within brackets of a description
ARTIFACT_FOLDERS = ("model", "plots", "checkpoints")
ARTIFACT_FILES = ("predictions.parquet", "manifest.json", "report.html")


@dataclass(frozen=True)
class SweepFolder:
    """One sweep's folder. It alone knows what the files are called."""

    path: Path

    @property
    def ledger(self) -> Path:
        """What happened, a line an event."""
        return self.path / "ledger.jsonl"

    @property
    def description(self) -> Path:
        """What was asked: the command line, the tuner, the space."""
        return self.path / "sweep.yaml"

    @property
    def environment(self) -> Path:
        """Versions, git, hardware."""
        return self.path / "environment.json"

    @property
    def stop(self) -> Path:
        """Why it ended."""
        return self.path / "stop.json"

    @property
    def leaderboard(self) -> Path:
        """Its runs, the best first."""
        return self.path / "leaderboard.csv"

    @property
    def report(self) -> Path:
        """The page that tells all of it to a reader."""
        return self.path / "report.html"

    @property
    def plots(self) -> Path:
        """Pictures of the search, each with its data as JSON."""
        return self.path / "plots"

    @property
    def runs(self) -> Path:
        """The folder of its runs."""
        return self.path / "runs"

    @property
    def advice(self) -> Path:
        """What its runs say about the search, and how far to believe its winner."""
        return self.path / "advice.json"

    def rechecked(self, number: int) -> RunFolder:
        """Return where a run's configuration was judged once more, by folds."""
        return RunFolder(self.path / "rechecked" / f"{number:04d}")

    @property
    def lock(self) -> Path:
        """The file whose kernel lock the driver holds; it names the holder."""
        return self.path / ".lock"

    @property
    def request(self) -> Path:
        """The file by which `runtree stop` asks the driver to end."""
        return self.path / ".stop"

    def run(self, number: int) -> RunFolder:
        """Return the folder of a run, by its number."""
        return RunFolder(self.runs / f"{number:04d}")

    def set_aside(self, folder: Path, attempt: int) -> Path | None:
        """Move what a dead attempt left out of the way; it is kept, and counted nowhere. Return where it is now."""
        place: Path | None = None
        if folder.exists():
            attempts = self.path / "attempts"
            attempts.mkdir(exist_ok=True)
            place = attempts / f"{folder.name}-{attempt}"
            while place.exists():
                place = place.with_name(f"{place.name}+")
            folder.rename(place)
        return place

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the sweep: a kernel lock, which dies with the driver.

        Raises
        ------
        RequestError
            Another process holds it; the message names it.
        """
        try:
            handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise not_writable_error(self.path, error) from None
        try:
            try:
                acquire_lock(handle)
            except BlockingIOError:
                raise RequestError(
                    f"{self.path}: another process works on this sweep: {describe_holder(self.holder())}",
                    f"see how far it is: runtree status {self.path.name}",
                    f"or end it: runtree stop {self.path.name}",
                ) from None
            try:
                os.ftruncate(handle, 0)
                told = {"pid": os.getpid(), "host": socket.gethostname(), "since": timestamp()}
                os.pwrite(handle, json.dumps(told).encode(), 0)
            except OSError as error:
                raise not_writable_error(self.path, error) from None
            remove_temporary_files(self.path)
            yield
        finally:
            os.close(handle)

    def holder(self) -> dict[str, Any] | None:
        """Return who works on the sweep: process id, host, since when. None where nobody does."""
        try:
            handle = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _told(os.pread(handle, 4096, 0))
        finally:
            os.close(handle)
        return None


def read_description(folder: SweepFolder) -> dict[str, Any]:
    """Read `sweep.yaml`: how a sweep was asked for, and what it is.

    Raises
    ------
    NotFoundError
        It is not there, or damaged.
    """
    import yaml

    file = folder.description
    try:
        text = file.read_bytes()
        if _depth(text) > MAX_BRACKET_DEPTH:
            raise ValueError("it is nested too deep")
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if not isinstance(content, dict) or "overrides" not in content:
            raise ValueError("it is no description of a sweep")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise NotFoundError(f"{file}: cannot be read ({first_line(error)})") from None
    return content


def _depth(text: bytes) -> int:
    """Return how many brackets are open at once at most: of too many the C loader dies, with this process."""
    steps = ({91: 1, 123: 1, 93: -1, 125: -1}[byte] for byte in text if byte in b"[]{}")
    return max(accumulate(steps), default=0)


def describe_holder(holder: dict[str, Any] | None) -> str:
    """Return the holder of a lock as a text."""
    told = holder or {}
    return f"process {told.get('pid', '?')} on {told.get('host', '?')} since {told.get('since', '?')}"


def _told(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def remove_temporary_files(folder: Path) -> None:
    """Remove what writers that died left beside their files; who calls this holds the folder."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def drop_artifacts(folder: RunFolder, but: Collection[str] = ()) -> None:
    """Remove what only a kept run has; how it was scored stays."""
    for name in set(ARTIFACT_FOLDERS) - set(but):
        shutil.rmtree(folder.path / name, ignore_errors=True)
    for name in ARTIFACT_FILES:
        (folder.path / name).unlink(missing_ok=True)
    remove_temporary_files(folder.path)


def sweep_folders(outputs: Path) -> list[SweepFolder]:
    """Return every sweep below `outputs`, the oldest first."""
    found = [path for path in outputs.glob("*/*-sweep") if (path / "ledger.jsonl").is_file()]
    return [SweepFolder(path) for path in sorted(found, key=lambda path: path.name)]


def find_sweep(outputs: Path, selector: str) -> SweepFolder:
    """Return the sweep that `selector` names: `latest`, a path, or a unique beginning of its name.

    Raises
    ------
    NotFoundError
        Where no sweep, or more than one, answers to the selector.
    """
    as_path = Path(selector)
    if (as_path / "ledger.jsonl").is_file():
        return SweepFolder(as_path)
    found = sweep_folders(outputs)
    if not found:
        raise NotFoundError(f"no sweeps in {outputs}", "begin one: runtree tune")
    matching = found[-1:] if selector == "latest" else [one for one in found if one.path.name.startswith(selector)]
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(one.path.name for one in matching[:4])
    if matching:
        raise NotFoundError(f"'{selector}' names {len(matching)} sweeps: {names}", "type more of the name")
    raise NotFoundError(f"no sweep '{selector}' in {outputs}", f"the latest is {found[-1].path.name}")
