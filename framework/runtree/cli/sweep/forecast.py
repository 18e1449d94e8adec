"""How long a sweep may take and how much it may write, judged by earlier runs of the same data and algorithm."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from runtree.contract.types import RunRecord
from runtree.records.layout import ARTIFACT_FOLDERS
from runtree.records.selectors import read_records

MEASURED = 50  # folders of an algorithm that are measured, the latest


@dataclass(frozen=True)
class Judged:
    """What earlier runs of one algorithm took: seconds, and bytes with and without what only kept runs have."""

    runs: int
    seconds: float
    light: float | None
    heavy: float | None


@dataclass(frozen=True)
class Forecast:
    """What is to be expected. `judged` holds, by algorithm, what it rests on; `unknown` those that never ran."""

    judged: Mapping[str, Judged] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    seconds: float | None = None
    bytes: float | None = None


def forecast(
    outputs: Path, data: Sequence[str], algorithms: Sequence[str], runs: int | None, slots: int, keep: str
) -> Forecast:
    """Judge by the runs that completed below `outputs`; each algorithm is taken to have its share of `runs`."""
    found: dict[str, list[RunRecord]] = {}
    for record in read_records(outputs):
        name = str(record.config.get("algorithm.name"))
        known = record.state == "completed" and record.seconds is not None
        if known and name in algorithms and record.config.get("data.name") in data:
            found.setdefault(name, []).append(record)
    judged = {name: _judged(found[name]) for name in algorithms if name in found}
    unknown = tuple(name for name in algorithms if name not in found)
    if not judged or runs is None:
        return Forecast(judged, unknown)
    seconds = runs * fmean(one.seconds for one in judged.values()) / slots
    return Forecast(judged, unknown, seconds, _bytes(judged.values(), runs, keep))


def _judged(found: Sequence[RunRecord]) -> Judged:
    latest = sorted(found, key=lambda record: record.started)[-MEASURED:]
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for record in latest:
        sizes[(record.folder / ARTIFACT_FOLDERS[0]).is_dir()].append(size_of(record.folder))
    light, heavy = (float(median(sizes[kept])) if sizes[kept] else None for kept in (False, True))
    return Judged(len(found), float(median(record.seconds or 0.0 for record in found)), light, heavy)


def _bytes(judged: Iterable[Judged], runs: int, keep: str) -> float:
    """Return the bytes of all runs: each kept whole, or one of them."""
    known = list(judged)
    heavy = fmean(one.heavy if one.heavy is not None else one.light or 0.0 for one in known)
    light = fmean(one.light if one.light is not None else one.heavy or 0.0 for one in known)
    return runs * heavy if keep == "all" else (runs - 1) * light + (heavy if keep == "best" else light)


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def told_bytes(size: float) -> str:
    """Return a size as people read it: 820 B, 45 kB, 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.1f} {unit}" if size < 10 and unit != "B" else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
