"""The output tree: every file name in it, and how a folder comes to belong to one run alone."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from runtree.contract.errors import RequestError


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
            take(handle)
            yield
        except BlockingIOError:
            raise RequestError(f"{self.path}: another process works in this folder") from None
        finally:
            os.close(handle)


def take(handle: int) -> None:
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


def now() -> str:
    """Return the time for a folder's name (UTC, to the second): it orders nothing, it helps people."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


def open_run(parent: Path, fingerprint: str) -> RunFolder:
    """Make a run's folder ``<time>-<fingerprint8>``; another run of the same second gets another name."""
    return RunFolder(claim(parent, f"{now()}-{fingerprint[:8]}"))


def open_sweep(parent: Path) -> Path:
    """Make a sweep's folder."""
    return claim(parent, now(), "-sweep")


def named_sweep(path: Path) -> Path:
    """Take the folder that the user named for a sweep; one that holds a sweep already is refused."""
    _make(path)
    if (path / "ledger.jsonl").exists():
        raise RequestError(f"{path}: there is a sweep in this folder already", f"go on with it: runtree resume {path}")
    return path


def claim(parent: Path, name: str, ending: str = "") -> Path:
    """Make a folder that did not exist, adding -2, -3 … to its name where somebody was quicker."""
    _make(parent)
    for number in count(1):
        folder = parent / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise not_writable(parent, error) from None
        return folder
    raise AssertionError("count() does not end")


def open_exact(path: Path) -> RunFolder:
    """Take the folder that the user named for a run; one that holds a run already is refused."""
    _make(path)
    folder = RunFolder(path)
    try:
        os.close(os.open(folder.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        raise RequestError(f"{path}: there is a run in this folder already", "name another folder") from None
    except OSError as error:
        raise not_writable(path, error) from None
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error) from None


def not_writable(folder: Path, error: OSError) -> RequestError:
    """Say that a run cannot be kept there."""
    return RequestError(
        f"outputs: cannot write to {folder} ({error.strerror})", "choose another place: outputs=/path/to/folder"
    )
