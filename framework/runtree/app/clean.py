"""Items of an output tree that can be removed, and the best runs, which are kept."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from runtree.contract.errors import RequestError, RuntreeError
from runtree.contract.types import RunRecord
from runtree.records.cleanup import (
    REMOVABLE_KINDS,
    disk_usage,
    list_artifacts,
    remove,
    remove_artifacts,
    unfinished_removals,
)
from runtree.records.compare.comparability import group_comparable
from runtree.records.compare.configurations import (
    RankingMetric,
    RecordColumns,
    completed_rows,
    group_configurations,
    scored_rows,
)
from runtree.records.index import RunIndex, query_index
from runtree.records.layout import RunFolder, SweepFolder, read_description
from runtree.records.ledger import read_ledger
from runtree.records.query import RunQuery, matching_rows
from runtree.records.record import sweep_path
from runtree.records.selectors import read_records
from runtree.sweeps.results import Objectives, ParetoFront, read_constraints
from runtree.sweeps.state import SweepState


def find_best_runs(records: Sequence[RunRecord]) -> set[Path]:
    """Return the folders of the best runs: of those of an experiment that may be ranked together, and of each sweep.

    Of equally good runs the first one counts. Of a sweep all runs of its best configurations are returned; if these
    cannot be determined, all of its runs, so that nothing is removed by mistake.
    """
    groups: dict[tuple[str, RankingMetric], list[RunRecord]] = {}
    sweeps: dict[Path, list[RunRecord]] = {}
    for record in records:
        objective = [record.objective.get(name) for name in ("part", "metric", "direction")]
        # the best of the experiment as a whole, and of each folder: that of a multirun by Hydra's own sweeper is the
        # folder of its runs
        for place in {record.experiment, str(record.folder.parent)} if all(objective) else ():
            groups.setdefault((place, RankingMetric(*map(str, objective))), []).append(record)
        sweep = sweep_path(record)
        if sweep is not None:
            sweeps.setdefault(sweep, []).append(record)
    best = {folder for (_, measure), group in groups.items() for folder in _best_of_group(group, measure)}
    return best.union(*(_best_of_sweep(SweepFolder(path), runs) for path, runs in sweeps.items()))


def _best_of_group(group: Iterable[RunRecord], measure: RankingMetric) -> Iterator[Path]:
    """Yield the best run, and that of the best configuration, of each set of runs that may be ranked together."""
    # by start time and id: of equal runs the first is kept, so that a second `clean` keeps the same one
    columns = RecordColumns(sorted(group, key=lambda record: (record.started, record.id)))
    scores = columns.column(f"metrics:{measure.name}")
    for rows in group_comparable(
        columns, scored_rows(columns, completed_rows(columns, columns.rows()), measure), measure
    ):
        # `runtree best` selects by the mean over seeds, and of several runs of one seed knows the newest alone
        for candidates in (rows, group_configurations(columns, rows, measure)[0].rows):
            yield columns.records[max(candidates, key=lambda row: (measure.sign * scores[row], -row))].folder


def _best_of_sweep(sweep: SweepFolder, runs: Sequence[RunRecord]) -> set[Path]:
    if not sweep.ledger.exists():
        return set()  # a multirun of Hydra's own sweeper: its runs are ranked as an experiment's
    try:
        description = read_description(sweep)
        # the ledger and not the records: only it knows repeats and constraints, which decide what the best
        # configuration is
        pairs = tuple((str(name), str(direction)) for name, direction in description["objectives"])
        tuner = description.get("tuner_node") or {}
        objectives = Objectives(pairs, read_constraints(tuner.get("constraints")))
        state = SweepState().apply_all(read_ledger(sweep.ledger))
    except (RuntreeError, LookupError, TypeError, ValueError, AttributeError):
        return {record.folder for record in runs}
    front = ParetoFront(objectives)
    for trial in state.trials.values():
        if trial.runs and all(run.is_finished for run in state.runs_of(trial)):
            front.add(state, trial)
    return {sweep.run(run.number).path for trial, _ in front.best for run in state.runs_of(trial)}


# A folder is made before it is locked: until then nothing shows that a process uses it.
MIN_AGE_OF_INCOMPLETE_SECONDS = 60
KINDS_OF_RUNS = ("failed", "artifacts")
FAILED_STATES = ("failed", "interrupted")
RUN_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?")
SWEEP_NAME = re.compile(r"\d{8}-\d{6}(-\d+)?-sweep")
FILES_BEFORE_RECORD = {"config.yaml", "log.txt", "history.jsonl", "sweep.yaml", "environment.json", "data.json", "runs"}


@dataclass(frozen=True)
class CleanRequest:
    """Which items to remove.

    Attributes
    ----------
    older
        The minimum age in seconds.
    best
        Whether artifacts of the best runs are removed, too.
    where
        Conditions; if there are any, only items of matching runs are removed.
    """

    older: float
    kinds: tuple[str, ...] = REMOVABLE_KINDS
    experiment: str | None = None
    best: bool = False
    where: tuple[str, ...] = ()

    @property
    def of_runs_only(self) -> "CleanRequest":
        """Return the request without the kinds that belong to no run."""
        return replace(self, kinds=tuple(kind for kind in self.kinds if kind in KINDS_OF_RUNS))


@dataclass(frozen=True)
class Removable:
    """One item that can be removed.

    Attributes
    ----------
    path
        The folder; if there are `artifacts`, only these are removed from it.
    hold
        Locks the folder while the item is removed; raises if another process holds it.
    """

    kind: str
    path: Path
    bytes: int
    why: str
    artifacts: tuple[Path, ...] = ()
    hold: Callable[[], AbstractContextManager[None]] = nullcontext

    def remove(self) -> None:
        """Remove the item.

        Raises
        ------
        RequestError, OSError
            Another process uses the folder by now, or the system refuses.
        """
        with self.hold():
            if self.artifacts:
                remove_artifacts(RunFolder(self.path), self.artifacts)
            else:
                remove(self.path)


@dataclass
class CleanScan:
    """Finds the items to remove. `held` lists the folders that were skipped because a process uses them."""

    outputs: Path
    request: CleanRequest
    held: list[Path] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def items(self) -> list[Removable]:
        """Return all items that can be removed."""
        # sweeps and attempts have no metrics that a condition could hold for
        if self.request.where:
            self.request = self.request.of_runs_only
        known = {record.folder: record for record in read_records(self.outputs)}
        # over all runs, before any condition selects some: the best of the selected ones may be a bad run
        best = set() if self.request.best else find_best_runs(list(known.values()))
        known = {folder: known[folder] for folder in self._matching(known)}
        items: list[Removable] = []
        for experiment in list_folders(self.outputs):
            if self.request.experiment in (None, experiment.name):
                items += self._interrupted(experiment)
                for folder in list_folders(experiment):
                    scan = self._scan_sweep if folder.name.endswith("-sweep") else self._scan_run
                    items += scan(folder, known, best)
        return items

    def _matching(self, known: Iterable[Path]) -> list[Path]:
        """Return the folders of the runs for which all conditions hold."""
        if not self.request.where:
            return list(known)

        def find_folders(runs: RunIndex) -> set[Path]:
            folders = runs.folders()
            return {self.outputs / folders[row] for row in matching_rows(runs, RunQuery(where=self.request.where))}

        # an index that is wrong about one run would remove the wrong files: so each run is verified
        matching = query_index(self.outputs, find_folders, verify_each=True)
        return [folder for folder in known if folder in matching]

    def _scan_run(self, folder: Path, known: Mapping[Path, RunRecord], best: set[Path]) -> Iterator[Removable]:
        run, record = RunFolder(folder), known.get(folder)
        # both tests: the name and the files have to be those of runtree before a folder without a record is removed
        if record is None and not (RUN_NAME.fullmatch(folder.name) and is_incomplete(folder, run.record)):
            return  # not written by runtree, or damaged
        # looked up now for the message; the removal itself takes the lock again, as a process may begin in between
        if run.is_held():
            self.held.append(folder)
            return
        yield from self._interrupted(folder)
        if record is None:
            yield from self._incomplete(folder, run.held)
        elif record.state in FAILED_STATES:
            if "failed" in self.request.kinds and self._is_old(record):
                yield Removable("failed", folder, disk_usage(folder), self._describe(record), hold=run.held)
        elif folder not in best:
            yield from self._artifacts(record, run.held)

    def _scan_sweep(self, folder: Path, known: Mapping[Path, RunRecord], best: set[Path]) -> Iterator[Removable]:
        """Yield the items of a sweep. Its runs are kept whatever their state: the ledger refers to them."""
        sweep = SweepFolder(folder)
        if sweep.holder() is not None:
            self.held.append(folder)
            return
        yield from self._interrupted(folder)
        if SWEEP_NAME.fullmatch(folder.name) and is_incomplete(folder, sweep.ledger):
            yield from self._incomplete(folder, sweep.held)
            return
        attempts = folder / "attempts"
        if (
            "attempts" in self.request.kinds
            and attempts.is_dir()
            and not attempts.is_symlink()
            and self._is_unchanged(attempts)
        ):
            yield Removable("attempts", attempts, disk_usage(attempts), "attempts that crashed", hold=sweep.held)
        # a symbolic link may lead out of the output tree, and what lies there is not runtree's to remove
        for run in list_folders(sweep.runs) if not sweep.runs.is_symlink() else ():
            yield from self._interrupted(run)
            if (
                run in known
                and known[run].state not in FAILED_STATES
                and run not in best
                and not RunFolder(run).is_held()
            ):
                yield from self._artifacts(known[run], sweep.held)

    def _artifacts(self, record: RunRecord, hold: Callable[[], AbstractContextManager[None]]) -> Iterator[Removable]:
        if "artifacts" not in self.request.kinds or record.state == "running" or not self._is_old(record):
            return
        artifacts = list_artifacts(RunFolder(record.folder))
        if artifacts:
            bytes_ = sum(map(disk_usage, artifacts))
            yield Removable("artifacts", record.folder, bytes_, self._describe(record), tuple(artifacts), hold)

    def _incomplete(self, folder: Path, hold: Callable[[], AbstractContextManager[None]]) -> Iterator[Removable]:
        if "incomplete" in self.request.kinds and self._is_unchanged(folder, MIN_AGE_OF_INCOMPLETE_SECONDS):
            yield Removable("incomplete", folder, disk_usage(folder), "crashed before its first record", hold=hold)

    def _interrupted(self, folder: Path) -> Iterator[Removable]:
        """Yield the rest of an interrupted removal. It was to be removed already, so its age does not matter."""
        if "incomplete" in self.request.kinds:
            for path in unfinished_removals(folder):
                yield Removable("incomplete", path, disk_usage(path), "removal was interrupted")

    def _is_old(self, record: RunRecord) -> bool:
        try:
            then = datetime.fromisoformat(record.finished or record.started)
        except (TypeError, ValueError):
            return self._is_unchanged(record.folder)
        # records are in UTC; one that was edited by hand may lack the zone, and Python does not compare the two kinds
        then = then.replace(tzinfo=UTC) if then.tzinfo is None else then
        return (self.now - then).total_seconds() >= self.request.older

    def _is_unchanged(self, folder: Path, minimum: float = 0) -> bool:
        try:
            # lstat: the age of a symbolic link, not that of its target
            newest = max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:  # removed by another process meanwhile
            return False
        return self.now.timestamp() - newest >= max(self.request.older, minimum)

    def _describe(self, record: RunRecord) -> str:
        not_best = "" if self.request.best or record.state in FAILED_STATES else ", and not the best"
        return f"{record.state} on {str(record.finished or record.started)[:10]}{not_best}"


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name, without hidden ones and symbolic links."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
    return [path for path in paths if path.is_dir() and not path.is_symlink()]


def is_incomplete(folder: Path, record: Path) -> bool:
    """Return whether a folder contains only files that are written before the record or the ledger."""
    if record.exists() or record.is_symlink() or list_folders(folder / "runs"):
        return False
    # hidden files are ignored: the lock, and temporary files that a kill left behind
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return names <= FILES_BEFORE_RECORD


def try_remove(item: Removable) -> str | None:
    """Remove an item; return why it could not be removed, None if it was."""
    try:
        item.remove()
    except RequestError as error:
        return error.message
    except OSError as error:
        return f"{error.filename or item.path}: {error.strerror}"
    return None
