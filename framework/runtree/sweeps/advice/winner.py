"""Advice on the winner: the best of many trials owes part of its score to luck."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from runtree.contract.errors import NotFoundError, RuntreeError
from runtree.contract.files import read_regular
from runtree.contract.types import Finding
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.record import read_record
from runtree.sweeps.advice.search import FinishedSweep
from runtree.sweeps.attempts import difference_from_request
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import RunRequest
from runtree.sweeps.state import RunState
from runtree.workers.executor import run_on_workers

log = logging.getLogger(__name__)

MAX_RUNS_READ = 2000  # reading the fold scores of more would take longer than it is worth


@dataclass(frozen=True)
class Rechecked:
    """A trial that was cross-validated after the sweep.

    Attributes
    ----------
    run
        The first of its runs.
    value
        Its value in the sweep.
    mean, sd, folds
        Mean, standard deviation and number of its fold scores.
    """

    run: int
    value: float
    mean: float
    sd: float
    folds: int


def recheck(driver: Driver, sweep: FinishedSweep, count: int) -> list[Rechecked]:
    """Cross-validate the best `count` trials, in the order of the sweep.

    The sweep chose them on one validation split; folds judge them on rows that took no part in that. A trial that a
    former session rechecked is only read. One that fails is left out with a warning; if the evaluator has folds
    already, all are.
    """
    # the first run of a trial stands for it: its repeats differ only in the seed
    best = [(driver.state.runs_of(trial)[0], trial, value) for trial, value in sweep.scored[:count]]
    try:
        requests = [driver.tasks.recheck_request(run, trial) for run, trial, _ in best]
    except RuntreeError as error:
        log.warning("tuner.recheck is left out: %s", error.message)
        return []
    missing = [request for request in requests if not _is_done(request)]
    results = run_on_workers(driver.executor, missing, cancelled=lambda: driver.signals > 1)
    for request, result in zip(missing, results, strict=True):
        if getattr(result, "state", None) != "completed":
            log.warning("run %s could not be rechecked: its log is in %s", request.folder.name, request.folder)
    rechecked = []
    for request, (_, _, value) in zip(requests, best, strict=True):
        # from the file and not from the worker's result: a former session may have rechecked the trial
        scores = fold_scores(RunFolder(request.folder), sweep.metric) if _is_done(request) else []
        if len(scores) > 1:
            rechecked.append(Rechecked(int(request.folder.name), value, mean(scores), stdev(scores), len(scores)))
    return rechecked


def _is_done(request: RunRequest) -> bool:
    try:
        record = read_record(RunFolder(request.folder))
    except NotFoundError:
        return False
    # a folder that was left by another config does not count
    return record.state == "completed" and not difference_from_request(record, request, attempt=False)


def fold_scores(folder: RunFolder, metric: str) -> list[float]:
    """Return a run's score on each fold, empty if it has none."""
    try:
        folds = json.loads(read_regular(folder.metrics)).get("folds") or []
    except (OSError, ValueError, AttributeError, RecursionError):
        return []
    scores = [fold.get(metric) for fold in folds]
    return [float(score) for score in scores if score is not None]


def optimism(sweep: FinishedSweep, rechecked: Sequence[Rechecked]) -> dict[str, Any]:
    """Compare the winner's validation score with its test score and with cross-validation.

    Returns
    -------
    dict
        `metric`, `direction`, `run`, `validation`; `test` with its interval `low`, `high`, if there is one;
        `selection_bias` if every trial has fold scores: by how much the best mean over folds overestimates, because it
        is the best (Tibshirani & Tibshirani 2009); `rechecked`: the best few by cross-validation.
    """
    if not sweep.scored:
        return {}
    trial, value = sweep.scored[0]
    metric, direction = sweep.objectives.metrics[0]
    runs = sweep.state.runs_of(trial)
    run = next((run for run in runs if run.kept), runs[0])
    summary: dict[str, Any] = {"metric": metric, "direction": direction, "run": run.number, "validation": value}
    summary |= _test_score(sweep, run)
    bias = selection_bias(sweep)
    summary |= {"selection_bias": bias} if bias is not None else {}
    return summary | ({"rechecked": [asdict(entry) for entry in rechecked]} if rechecked else {})


def _test_score(sweep: FinishedSweep, run: RunState) -> dict[str, Any]:
    value = run.result.metrics.get("test", {}).get(sweep.metric)
    if value is None:
        return {}
    intervals = RunReader(sweep.folder.run(run.number).path).evaluation.get("intervals") or {}
    ends = (intervals.get("test") or {}).get(sweep.metric) or {}
    return {"test": value, **{name: ends[name] for name in ("low", "high") if ends.get(name) is not None}}


def selection_bias(sweep: FinishedSweep) -> float | None:
    """Return by how much the best mean over folds overestimates; None unless all trials have the same folds."""
    runs = [sweep.state.runs_of(trial)[0] for trial, _ in sweep.scored[:MAX_RUNS_READ]]
    # Two runs show whether there are folds at all, without reading the files of 2,000 runs
    scores = [fold_scores(sweep.folder.run(run.number), sweep.metric) for run in runs[:2]]
    if len(runs) < 2 or not all(len(folds) > 1 for folds in scores):
        return None
    scores += [fold_scores(sweep.folder.run(run.number), sweep.metric) for run in runs[2:]]
    # the correction compares trials fold by fold, so all must have the same folds
    if len({len(folds) for folds in scores}) > 1:
        return None
    from runtree.statistics.selection_bias import tibshirani  # imports scipy

    return tibshirani(scores, "maximize" if sweep.objectives.maximizes else "minimize").bias


def compare_with_test(sweep: FinishedSweep, winner: Mapping[str, Any]) -> Iterator[Finding]:
    """Find that the winner's validation score lies outside the interval of its test score, on the better side."""
    low, high, value = winner.get("low"), winner.get("high"), winner.get("validation")
    if low is None or high is None or value is None:
        return
    if value > high if sweep.objectives.maximizes else value < low:
        text = f"validation {sweep.metric} {value:.4g}, test {winner['test']:.4g}"
        repeated = any(trial.repeats > 1 for trial, _ in sweep.scored[:1])
        repeats = "" if repeated else ", or tuner.repeats=3"
        yield Finding(
            "optimism",
            "warning",
            f"{text} [{low:.4g}, {high:.4g}]: part of the winning score was luck",
            f"rely on the test score; select by folds next time: evaluator=cross_validation{repeats}",
            {"validation": value, "test": winner["test"], "low": low, "high": high},
        )


def compare_with_folds(sweep: FinishedSweep, winner: Mapping[str, Any]) -> Iterator[Finding]:
    """Report how the winner did in cross-validation, and whether another of the best trials did better."""
    rechecked = winner.get("rechecked") or []
    if not rechecked:
        return
    sign = 1 if sweep.objectives.maximizes else -1
    first = rechecked[0]
    loss = sign * (first["value"] - first["mean"])
    # as if folds were independent, which they are not: a rough scale, used for the wording of an advice only
    error = first["sd"] / sqrt(first["folds"])
    leader = max(rechecked, key=lambda entry: sign * entry["mean"])
    values = {"loss": loss, "standard_error": error, "leader": leader["run"]}
    text = f"run {first['run']:04d}: {first['mean']:.4g} over {first['folds']} folds, {first['value']:.4g} in the sweep"
    if leader["run"] != first["run"] and sign * (leader["mean"] - first["mean"]) > error:
        text += f"; run {leader['run']:04d}: {leader['mean']:.4g} over the folds"
        advice = f"train that one: {sweep.run_command('rerun', leader['run'])}"
        yield Finding("optimism", "warning", text, advice, values)
    elif loss > 2 * error:
        yield Finding("optimism", "note", text, "expect no more than the score over the folds", values)
    else:
        yield Finding("optimism", "good", text, "", values)


def estimate_bias(sweep: FinishedSweep, winner: Mapping[str, Any]) -> Iterator[Finding]:
    """Report by how much the best mean over folds overestimates, because it is the best of many."""
    bias = winner.get("selection_bias")
    if bias is None:
        return
    expected = winner["validation"] - bias if sweep.objectives.maximizes else winner["validation"] + bias
    text = f"the best mean over folds, {winner['validation']:.4g}, is the best of many: expect {expected:.4g}"
    advice = "report that, or the test score"
    yield Finding("optimism", "note", text, advice, {"bias": bias, "expected": expected})
