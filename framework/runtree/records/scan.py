"""The walk over the output tree: where runs are, and the file marks that reveal a change without reading a file."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtree.contract.files import is_within
from runtree.records.layout import SweepFolder
from runtree.records.record import FileStamp, file_stamp

log = logging.getLogger(__name__)

# Two changes within one tick of a file system's clock have the same time. A file that changed this recently is
# therefore read again next time: ticks are 10 ms on ext4 and up to 2 s on FAT and some network file systems.
SETTLED_NANOSECONDS = 2_000_000_000


@dataclass(frozen=True)
class RunsFolder:
    """A folder whose subfolders are runs: an experiment, or ``runs`` of a sweep. `name` is relative to the outputs."""

    name: str
    is_sweep: bool
    subfolders: tuple[str, ...] = ()


def find_runs_folders(outputs: str) -> Iterator[RunsFolder]:
    """Yield every place, sorted by name. The subfolders of a sweep's ``runs`` are not listed yet."""
    for experiment in list_subfolders(outputs):
        folders = list_subfolders(f"{outputs}/{experiment}", outputs)
        yield RunsFolder(experiment, False, tuple(name for name in folders if not name.endswith("-sweep")))
        for name in folders:
            if name.endswith("-sweep"):
                yield RunsFolder(f"{experiment}/{name}/runs", True)


def list_subfolders(folder: str, root: str | None = None) -> list[str]:
    """Return the names of the folders in a folder, sorted. A folder that cannot be read is a warning.

    Links count where they stay in `root`, by default in the folder itself: what is elsewhere is not of this tree.
    """
    try:
        with os.scandir(folder) as entries:
            # scandir knows the type of an entry without a stat
            names = sorted(
                entry.name
                for entry in entries
                if entry.name[0] != "."
                and entry.is_dir()
                and (not entry.is_symlink() or is_within(Path(entry.path), Path(root or folder)))
            )
    except (FileNotFoundError, NotADirectoryError):  # deleted in the middle of the walk
        return []
    except OSError as error:
        log.warning("%s: cannot read the folder (%s)", folder, error.strerror)
        return []
    # such a name could not be written to the index, which is UTF-8
    for name in [name for name in names if not name.isascii() and os.fsencode(name) != name.encode("utf-8", "replace")]:
        log.warning("%s: left out, its name is not UTF-8", os.fsencode(f"{folder}/{name}"))
        names.remove(name)
    return names


def is_settled(stamp: FileStamp, now: int) -> bool:
    """Return whether the last change is long enough ago for the next one to show in the stamp."""
    return stamp[0] < now - SETTLED_NANOSECONDS


def read_stamp(file: str) -> FileStamp | None:
    """Return the stamp of a file, None if it does not exist."""
    try:
        return file_stamp(os.stat(file))  # noqa: PTH116 - a Path object for each run costs more than the call
    except OSError:
        return None


def sweep_stamp(runs: str, now: int) -> tuple[FileStamp, FileStamp] | None:
    """Return the stamps of a sweep's ledger and of its folder of runs.

    A process that works on a sweep holds its lock and appends to the ledger whatever happens to a run, so the two
    stamps stand for all run files. None while the lock is held, and while a change could go unnoticed.
    """
    sweep = SweepFolder(Path(runs).parent)
    try:
        stamps = file_stamp(sweep.ledger.stat()), file_stamp(sweep.runs.stat())
    except OSError:
        return None
    settled = all(is_settled(stamp, now) for stamp in stamps)
    # The lock comes last: a process that takes it after this check changes the ledger, which the next listing sees.
    return stamps if settled and sweep.holder() is None else None
