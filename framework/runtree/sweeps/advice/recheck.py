"""The best few of a sweep once more, by folds: rows that none of them was chosen by take part in the judgement."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from runtree.contract.errors import NotFoundError, RuntreeError
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.sweeps.advice.facts import Facts
from runtree.sweeps.book import Entry, Trial
from runtree.sweeps.driver import Driver
from runtree.sweeps.messages import RunRequest
from runtree.workers.executor import run_on_workers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rechecked:
    """A configuration: the first of its runs, its value in the sweep, and mean, sd and number of its fold scores."""

    run: int
    value: float
    mean: float
    sd: float
    folds: int


def recheck(driver: Driver, facts: Facts, most: int, by_folds: Callable[[Entry, Trial], RunRequest]) -> list[Rechecked]:
    """Cross-validate the best configurations and return what they came to, in the order of the sweep.

    One that was rechecked before, by a former session, is read. Where the evaluator has folds already there is nothing
    to recheck; what fails is left out with a warning.
    """
    chosen = [(driver.book.entries(trial)[0], trial, value) for trial, value in facts.scored[:most]]
    try:
        works = [by_folds(entry, trial) for entry, trial, _ in chosen]
    except RuntreeError as error:
        log.warning("tuner.recheck is left out: %s", error.message)
        return []
    left = [work for work in works if not _is_done(work)]
    answers = run_on_workers(driver.executor, left, cancelled=lambda: driver.signals > 1)
    for work, answer in zip(left, answers, strict=True):
        if getattr(answer, "state", None) != "completed":
            log.warning("run %s could not be rechecked: its log is in %s", work.folder.name, work.folder)
    return list(_read(facts.metric, works, [value for *_, value in chosen]))


def _is_done(work: RunRequest) -> bool:
    try:
        record = read_record(RunFolder(work.folder))
    except NotFoundError:
        return False
    return record.state == "completed" and record.fingerprints.get("config") == work.fingerprint


def _read(metric: str, works: Sequence[RunRequest], values: Sequence[float]) -> Iterator[Rechecked]:
    for work, value in zip(works, values, strict=True):
        scores = fold_scores(RunFolder(work.folder), metric)
        if len(scores) > 1:
            yield Rechecked(int(work.folder.name), value, mean(scores), stdev(scores), len(scores))


def fold_scores(folder: RunFolder, metric: str) -> list[float]:
    """Return what a run scored on each fold; nothing where it has none."""
    try:
        folds = json.loads(folder.metrics.read_bytes()).get("folds") or []
    except (OSError, ValueError, AttributeError):
        return []
    found = [fold.get(metric) for fold in folds]
    return [float(score) for score in found if score is not None]
