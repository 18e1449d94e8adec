"""A sweep's folder: its file names, its lock, and where its runs live."""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError, RequestError, first_line
from runtree.records.folder import RunFolder, not_writable, take
from runtree.records.record import timestamp

DEEPEST = 500  # brackets within brackets of a description
HEAVY = ("model", "plots", "checkpoints")
HEAVY_FILES = ("predictions.parquet", "manifest.json", "report.html")


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
            raise not_writable(self.path, error) from None
        try:
            try:
                take(handle)
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
                raise not_writable(self.path, error) from None
            drop_parts(self.path)
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
        if _depth(text) > DEEPEST:
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


def drop_parts(folder: Path) -> None:
    """Remove what writers that died left beside their files; who calls this holds the folder."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def drop_heavy(folder: RunFolder, but: Collection[str] = ()) -> None:
    """Remove what only a kept run has; how it was scored stays."""
    for name in set(HEAVY) - set(but):
        shutil.rmtree(folder.path / name, ignore_errors=True)
    for name in HEAVY_FILES:
        (folder.path / name).unlink(missing_ok=True)
    drop_parts(folder.path)


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
