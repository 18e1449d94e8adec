"""How much too good the winner of a sweep looks: the best of many was lucky too."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from runtree.contract.errors import NotFoundError, RuntreeError
from runtree.contract.finding import Finding
from runtree.records.artifacts import mapping
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.sweeps.advice.search import FinishedSweep
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import RunRequest
from runtree.sweeps.state import RunState, Trial
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


def recheck(
    driver: Driver, facts: FinishedSweep, most: int, by_folds: Callable[[RunState, Trial], RunRequest]
) -> list[Rechecked]:
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


MOST = 2000  # runs whose fold scores are read


def optimism(facts: FinishedSweep, rechecked: Sequence[Rechecked]) -> dict[str, Any]:
    """Return what the winner promised on validation, what it came to on test, and what folds say of it.

    Returns
    -------
    dict
        `metric`, `direction`, `run`, `validation`; `test` with its interval `low`, `high` where there is one;
        `selection_bias` where every configuration has fold scores: how much better than it is the best mean over folds
        looks, because it is the best (Tibshirani & Tibshirani 2009); `rechecked`: the best few by cross-validation.
    """
    if not facts.scored:
        return {}
    trial, value = facts.scored[0]
    metric, direction = facts.judge.objectives[0]
    entry = next((one for one in facts.book.entries(trial) if one.kept), facts.book.entries(trial)[0])
    found: dict[str, Any] = {"metric": metric, "direction": direction, "run": entry.number, "validation": value}
    found |= _test(facts, entry)
    bias = selection_bias(facts)
    found |= {"selection_bias": bias} if bias is not None else {}
    return found | ({"rechecked": [asdict(one) for one in rechecked]} if rechecked else {})


def _test(facts: FinishedSweep, entry: RunState) -> dict[str, Any]:
    value = (entry.outcome.get("metrics") or {}).get("test", {}).get(facts.metric)
    if value is None:
        return {}
    intervals = mapping(facts.folder.run(entry.number).evaluation).get("intervals") or {}
    ends = (intervals.get("test") or {}).get(facts.metric) or {}
    return {"test": value, **{name: ends[name] for name in ("low", "high") if ends.get(name) is not None}}


def selection_bias(facts: FinishedSweep) -> float | None:
    """Return by how much the best mean over folds flatters; None where not every configuration has the same folds."""
    entries = [facts.book.entries(trial)[0] for trial, _ in facts.scored[:MOST]]
    scores = [fold_scores(facts.folder.run(entry.number), facts.metric) for entry in entries[:2]]
    if len(entries) < 2 or not all(len(one) > 1 for one in scores):
        return None
    scores += [fold_scores(facts.folder.run(entry.number), facts.metric) for entry in entries[2:]]
    if len({len(one) for one in scores}) > 1:
        return None
    from runtree.statistics.selection_bias import tibshirani

    found = tibshirani(scores, "maximize" if facts.maximize else "minimize")
    return found.bias


def promised_too_much(facts: FinishedSweep, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Find that the validation value of the winner lies beyond what its test rows allow."""
    low, high, value = found.get("low"), found.get("high"), found.get("validation")
    if low is None or high is None or value is None:
        return
    if value > high if facts.maximize else value < low:
        said = f"validation promised {facts.metric} {value:.4g}, the test part says {found['test']:.4g}"
        yield Finding(
            "optimism",
            "warning",
            f"{said} [{low:.4g}, {high:.4g}]: the winner was lucky too",
            "believe the test value; choose by folds next time: evaluator=cross_validation, or tuner.repeats=3",
            {"validation": value, "test": found["test"], "low": low, "high": high},
        )


def told_by_folds(facts: FinishedSweep, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what cross-validating the best few says: how much they lose, and whether another of them leads."""
    rechecked = found.get("rechecked") or []
    if not rechecked:
        return
    sign = 1 if facts.maximize else -1
    first = rechecked[0]
    loss = sign * (first["value"] - first["mean"])
    error = first["sd"] / sqrt(first["folds"])
    lead = max(rechecked, key=lambda one: sign * one["mean"])
    values = {"loss": loss, "standard_error": error, "leader": lead["run"]}
    said = f"by {first['folds']} folds run {first['run']:04d} comes to {first['mean']:.4g}"
    said += f", in the sweep {first['value']:.4g}"
    if lead["run"] != first["run"] and sign * (lead["mean"] - first["mean"]) > error:
        said += f"; run {lead['run']:04d} comes to {lead['mean']:.4g}"
        advice = f"train that one: runtree rerun {facts.name}/{lead['run']:04d}"
        yield Finding("optimism", "warning", said, advice, values)
    elif loss > 2 * error:
        yield Finding("optimism", "note", said, "promise no more than the folds do", values)
    else:
        yield Finding("optimism", "good", said, "", values)


def biased(facts: FinishedSweep, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Find by how much the best mean over folds is flattered by being the best."""
    bias = found.get("selection_bias")
    if bias is None:
        return
    honest = found["validation"] - bias if facts.maximize else found["validation"] + bias
    said = f"the best mean over folds, {found['validation']:.4g}, is the best of many: expect {honest:.4g}"
    yield Finding("optimism", "note", said, "promise that, or the test value", {"bias": bias, "expected": honest})
