"""Which runs are the best: of an experiment on one table by one metric, and of each sweep."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from runtree.contract.errors import RequestError, RuntreeError
from runtree.contract.types import RunRecord
from runtree.records import query
from runtree.records.cleanup import (
    REMOVABLE_KINDS,
    disk_usage,
    list_artifacts,
    remove,
    remove_artifacts,
    unfinished_removals,
)
from runtree.records.index import RunIndex, query_index
from runtree.records.layout import RunFolder, SweepFolder, read_description
from runtree.records.ledger import read_ledger
from runtree.records.query import matching_rows
from runtree.records.record import sweep_path
from runtree.records.selectors import read_records
from runtree.sweeps.results import Objectives, ParetoFront, read_constraints
from runtree.sweeps.state import SweepState


def find_best_runs(found: Sequence[RunRecord]) -> set[Path]:
    """Return the folders of the best runs; of runs that are equally good the one that began first.

    Of a sweep they are those of its best configurations. Where a sweep cannot say which these are, all of its runs are.
    """
    groups: dict[tuple[object, ...], list[RunRecord]] = {}
    sweeps: dict[Path, list[RunRecord]] = {}
    for record in found:
        ranked = record.objective
        own = (record.fingerprints.get("data"), ranked.get("metric"), ranked.get("direction"))
        for place in dict.fromkeys((record.experiment, record.folder.parent)):
            groups.setdefault((place, *own), []).append(record)
        sweep = sweep_path(record)
        if sweep is not None:
            sweeps.setdefault(sweep, []).append(record)
    best = {folder for group in groups.values() for folder in _best(group)}
    return best.union(*(_of_sweep(SweepFolder(path), runs) for path, runs in sweeps.items()))


def _best(group: Iterable[RunRecord]) -> list[Path]:
    scored = [record for record in group if record.state == "completed" and _value(record) is not None]
    if not scored:
        return []
    sign = -1 if scored[0].objective.get("direction") == "maximize" else 1
    first = min(scored, key=lambda record: (sign * (_value(record) or 0.0), record.started, record.id))
    return [first.folder]


def _value(record: RunRecord) -> float | None:
    found = record.objective.get("value")
    return float(found) if isinstance(found, (int, float)) else None


def _of_sweep(sweep: SweepFolder, runs: Sequence[RunRecord]) -> set[Path]:
    if not sweep.ledger.exists():
        return set()  # a sweep of another sweeper's: its runs were ranked above
    try:
        asked = read_description(sweep)
        objectives = tuple((str(name), str(way)) for name, way in asked["objectives"])
        node = asked.get("tuner_node") or {}
        judge = Objectives(objectives, read_constraints(node.get("constraints")))
        book = SweepState().apply_all(read_ledger(sweep.ledger))
    except (RuntreeError, LookupError, TypeError, ValueError, AttributeError):
        return {record.folder for record in runs}
    front = ParetoFront(judge)
    for trial in book.trials.values():
        if trial.runs and all(entry.is_finished for entry in book.runs_of(trial)):
            front.add(book, trial)
    entries = (entry for trial, _ in front.best for entry in book.runs_of(trial))
    return {sweep.run(entry.number).path for entry in entries}


BORN = 60  # seconds that a folder may take from being made to being held, however little --older says
OF_A_RUN = ("failed", "leaves")
DIED = ("failed", "interrupted")
A_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?")
A_SWEEP = re.compile(r"\d{8}-\d{6}(-\d+)?-sweep")
OF_A_HALF = {"config.yaml", "log.txt", "history.jsonl", "sweep.yaml", "environment.json", "data.json", "runs"}


@dataclass(frozen=True)
class CleanRequest:
    """What is asked to go: kinds, of which age in seconds, of which experiment, and whether the best go, too.

    Where there are conditions, only what is of runs to which all of them hold.
    """

    older: float
    kinds: tuple[str, ...] = REMOVABLE_KINDS
    experiment: str | None = None
    best: bool = False
    where: tuple[str, ...] = ()

    @property
    def runs_alone(self) -> "CleanRequest":
        """Return the same wish without what belongs to no run."""
        return replace(self, kinds=tuple(kind for kind in self.kinds if kind in OF_A_RUN))


@dataclass(frozen=True)
class Removable:
    """One thing that may go.

    Attributes
    ----------
    path
        The folder; with `leaves` these alone go from it.
    hold
        Holds the folder while it is removed, or refuses where somebody else does.
    """

    kind: str
    path: Path
    bytes: int
    why: str
    leaves: tuple[Path, ...] = ()
    hold: Callable[[], AbstractContextManager[None]] = nullcontext

    def remove(self) -> None:
        """Remove it.

        Raises
        ------
        RequestError, OSError
            Somebody works there by now, or the disk refuses.
        """
        with self.hold():
            if self.leaves:
                remove_artifacts(RunFolder(self.path), self.leaves)
            else:
                remove(self.path)


@dataclass
class CleanScan:
    """Looks through a tree for what may go; `held` are the folders that were passed over, for somebody works there."""

    outputs: Path
    wish: CleanRequest
    held: list[Path] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def items(self) -> list[Removable]:
        """Return everything that may go."""
        if self.wish.where:
            self.wish = self.wish.runs_alone
        known = {record.folder: record for record in read_records(self.outputs)}
        best = set() if self.wish.best else find_best_runs(list(known.values()))
        known = {folder: known[folder] for folder in self._meant(known)}
        found: list[Removable] = []
        for experiment in list_folders(self.outputs):
            if self.wish.experiment in (None, experiment.name):
                found += self._aside(experiment)
                for folder in list_folders(experiment):
                    look = self._sweep if folder.name.endswith("-sweep") else self._run
                    found += look(folder, known, best)
        return found

    def _meant(self, known: Iterable[Path]) -> list[Path]:
        """Return the folders of the runs to which the conditions hold."""
        if not self.wish.where:
            return list(known)

        def answer(runs: RunIndex) -> set[Path]:
            chosen, places = matching_rows(runs, query.RunQuery(where=self.wish.where)), runs.folders()
            return {self.outputs / places[row] for row in chosen}

        meant = query_index(self.outputs, answer, verify_each=True)
        return [folder for folder in known if folder in meant]

    def _run(self, folder: Path, known: Mapping[Path, RunRecord], best: set[Path]) -> Iterator[Removable]:
        run, record = RunFolder(folder), known.get(folder)
        if record is None and not (A_RUN.fullmatch(folder.name) and is_incomplete(folder, run.record)):
            return  # foreign or damaged: not ours to remove
        if run.is_held():
            self.held.append(folder)
            return
        yield from self._aside(folder)
        if record is None:
            yield from self._half(folder, run.held)
        elif record.state in DIED:
            if "failed" in self.wish.kinds and self._old(record):
                yield Removable("failed", folder, disk_usage(folder), self._told(record), hold=run.held)
        elif folder not in best:
            yield from self._leaves(record, run.held)

    def _sweep(self, folder: Path, known: Mapping[Path, RunRecord], best: set[Path]) -> Iterator[Removable]:
        """Look through a sweep. Its runs stay, whatever became of them: the ledger speaks of them."""
        sweep = SweepFolder(folder)
        if sweep.holder() is not None:
            self.held.append(folder)
            return
        yield from self._aside(folder)
        if A_SWEEP.fullmatch(folder.name) and is_incomplete(folder, sweep.ledger):
            yield from self._half(folder, sweep.held)
            return
        attempts = folder / "attempts"
        if "attempts" in self.wish.kinds and attempts.is_dir() and not attempts.is_symlink() and self._aged(attempts):
            yield Removable(
                "attempts", attempts, disk_usage(attempts), "attempts that died and count nowhere", hold=sweep.held
            )
        for run in list_folders(sweep.runs) if not sweep.runs.is_symlink() else ():
            yield from self._aside(run)
            if run in known and known[run].state not in DIED and run not in best and not RunFolder(run).is_held():
                yield from self._leaves(known[run], sweep.held)

    def _leaves(self, record: RunRecord, hold: Callable[[], AbstractContextManager[None]]) -> Iterator[Removable]:
        if "leaves" not in self.wish.kinds or record.state == "running" or not self._old(record):
            return
        found = list_artifacts(RunFolder(record.folder))
        if found:
            bytes_ = sum(map(disk_usage, found))
            yield Removable("leaves", record.folder, bytes_, self._told(record), tuple(found), hold)

    def _half(self, folder: Path, hold: Callable[[], AbstractContextManager[None]]) -> Iterator[Removable]:
        if "halves" in self.wish.kinds and self._aged(folder, BORN):
            yield Removable("halves", folder, disk_usage(folder), "it died before its first record", hold=hold)

    def _aside(self, folder: Path) -> Iterator[Removable]:
        """Yield what a removal that was killed left; it was on its way, so its age does not matter."""
        if "halves" in self.wish.kinds:
            for path in unfinished_removals(folder):
                yield Removable("halves", path, disk_usage(path), "left of a removal that was killed")

    def _old(self, record: RunRecord) -> bool:
        try:
            then = datetime.fromisoformat(record.finished or record.started)
        except (TypeError, ValueError):
            return self._aged(record.folder)
        then = then.replace(tzinfo=UTC) if then.tzinfo is None else then
        return (self.now - then).total_seconds() >= self.wish.older

    def _aged(self, folder: Path, least: float = 0) -> bool:
        try:
            newest = max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:  # it is going already
            return False
        return self.now.timestamp() - newest >= max(self.wish.older, least)

    def _told(self, record: RunRecord) -> str:
        spared = "" if self.wish.best or record.state in DIED else ", and not the best"
        return f"{record.state} on {str(record.finished or record.started)[:10]}{spared}"


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name: no hidden ones, and no symbolic links."""
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def is_incomplete(folder: Path, record: Path) -> bool:
    """Tell whether a folder holds nothing but what is written before the record, or a ledger, is."""
    if record.exists() or record.is_symlink() or list_folders(folder / "runs"):
        return False
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return names <= OF_A_HALF


def try_remove(item: Removable) -> str | None:
    """Remove an item; return why that could not be done, None where it was."""
    try:
        item.remove()
    except RequestError as error:
        return error.message
    except OSError as error:
        return f"{error.filename or item.path}: {error.strerror}"
    return None
