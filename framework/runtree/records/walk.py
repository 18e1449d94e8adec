"""The walk over the output tree: where runs are, and marks by which a change is noticed without reading."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtree.records.record import Stamp, stamp_of
from runtree.records.sweep import SweepFolder

log = logging.getLogger(__name__)

SETTLED = 2_000_000_000  # nanoseconds: of two changes closer than a file system's clock ticks one may go unnoticed


@dataclass(frozen=True)
class Place:
    """A folder below the output folder whose subfolders are runs: an experiment's, or `runs` of a sweep."""

    name: str
    sweep: bool
    runs: tuple[str, ...] = ()


def places(outputs: str) -> Iterator[Place]:
    """Yield every place, experiments and sweeps by name; the runs of a sweep are not looked at yet."""
    for experiment in subfolders(outputs):
        found = subfolders(f"{outputs}/{experiment}")
        yield Place(experiment, False, tuple(name for name in found if not name.endswith("-sweep")))
        for name in found:
            if name.endswith("-sweep"):
                yield Place(f"{experiment}/{name}/runs", True)


def subfolders(folder: str) -> list[str]:
    """Return the names of the folders in a folder, sorted; one that cannot be looked into is a warning."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.warning("%s: cannot be looked into (%s)", folder, error.strerror)
        return []


def is_settled(stamp: Stamp, now: int) -> bool:
    """Tell whether the last change is so long ago that the next one will show."""
    return stamp[0] < now - SETTLED


def sweep_stamp(runs: str, now: int) -> tuple[Stamp, Stamp] | None:
    """Return what is other after anybody worked on a sweep: its ledger, and the folder of its runs.

    Whoever works on a sweep holds its lock, and tells the ledger what became of each run. None while somebody does,
    and where a change may go unnoticed.
    """
    sweep = SweepFolder(Path(runs).parent)
    try:
        stamps = stamp_of(sweep.ledger.stat()), stamp_of(sweep.runs.stat())
    except OSError:
        return None
    settled = all(is_settled(stamp, now) for stamp in stamps)
    return stamps if settled and sweep.holder() is None else None  # asked last: who begins later changes the ledger
