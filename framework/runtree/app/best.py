"""Which runs are the best: of an experiment on one table by one metric, and of each sweep."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from runtree.app.recorded import sweep_of
from runtree.contract.errors import RuntreeError
from runtree.contract.types import RunRecord
from runtree.records.ledger import read_ledger
from runtree.records.sweep import SweepFolder, read_description
from runtree.sweeps.book import Book
from runtree.sweeps.judgement import Front, Judge, constraints


def best_runs(found: Sequence[RunRecord]) -> set[Path]:
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
        sweep = sweep_of(record)
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
        judge = Judge(objectives, constraints(node.get("constraints")))
        book = Book().apply_all(read_ledger(sweep.ledger))
    except (RuntreeError, LookupError, TypeError, ValueError, AttributeError):
        return {record.folder for record in runs}
    front = Front(judge)
    for trial in book.trials.values():
        if trial.runs and all(entry.has_ended for entry in book.entries(trial)):
            front.add(book, trial)
    entries = (entry for trial, _ in front.best for entry in book.entries(trial))
    return {sweep.run(entry.number).path for entry in entries}
