"""The end of a sweep: finalize the best run, write why it stopped, the leaderboard, advice, plots and the report."""

import json
import logging
from collections.abc import Callable
from typing import Any

from runtree.contract.errors import NotFoundError, RuntreeError, first_line
from runtree.contract.files import read_regular
from runtree.records.folder_claims import drop_artifacts
from runtree.records.layout import RunFolder, SweepFolder, read_description, timestamp
from runtree.records.record import read_record
from runtree.records.writer import write_json, write_text
from runtree.reports.render import write_sweep_report
from runtree.sweeps.advice import advise
from runtree.sweeps.advice.search import FinishedSweep
from runtree.sweeps.advice.winner import Rechecked, recheck
from runtree.sweeps.attempts import DISK_FULL_MESSAGES
from runtree.sweeps.function_space import observed_space
from runtree.sweeps.leaderboard import leaderboard_csv
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import AttemptResult, FinalizeRequest
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.plots.draw import draw_sweep_plots
from runtree.sweeps.state import RunState
from runtree.sweeps.stopping import stop_record
from runtree.sweeps.tasks import restore_run_files
from runtree.workers.executor import run_on_workers

log = logging.getLogger(__name__)

# The criterion of `stop.json` for each `Driver.stop_cause`
STOP_CRITERIA = {"interrupt": "interrupted", "stop": "asked", "failure": "on_failure", "disk": "disk_full"}
UNFINISHED = ("interrupt", "disk")  # causes after which a sweep waits to be resumed
MIN_TRIALS_PLOTTED = 10  # plots of fewer show nothing, and take seconds


def finish(
    driver: Driver, folder: SweepFolder, options: LoopOptions, on_step: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Do all that comes after the last run, and return the content of `stop.json`.

    Parameters
    ----------
    on_step
        Called with a line for people before each step that takes time.
    """
    if driver.stop_cause not in UNFINISHED and options.keep == "best":
        # only now is the test split looked at, once, by the runs that won on the validation split
        for run in (run for run in runs_to_keep(driver) if not run.kept):
            on_step(f"scoring run {run.number} on the test set, saving the model")
            driver.on_disk(keep_run, driver, run)
        # after the new best is saved: until then the former one is the only model of the sweep
        if driver.stop_cause not in UNFINISHED:
            _drop_former_best(driver, folder)
    # before the results, which refer to these files
    driver.on_disk(repair_run_files, driver, folder)
    single, ranked = len(driver.objectives.metrics) == 1, driver.objectives.are_comparable(driver.state)
    bests = _describe_bests(driver) if single else []
    stop = stop_record(driver.monitor, bests[0] if bests else None, ranked)
    if not ranked:
        stop["rankings"] = bests
    # Even if a criterion was reached meanwhile, an interrupted sweep has not ended
    if driver.stop_cause and (stop["criterion"] is None or driver.stop_cause in UNFINISHED):
        stop |= {"criterion": STOP_CRITERIA[driver.stop_cause], "explanation": _explain_stop(driver)}
    stop["deaths"] = driver.state.count_deaths()
    driver.on_disk(_write_results, driver, folder, stop)
    if driver.stop_cause in UNFINISHED:
        return stop
    # every piece of advice is about one best trial, which a Pareto front, or a sweep over several tables, does not have
    if single and ranked:
        driver.on_disk(_write_advice, driver, folder, options, stop, on_step)
    if driver.stop_cause in UNFINISHED:  # the disk is full by now
        return stop
    if not ranked:  # of a session whose runs could still be ranked
        folder.advice.unlink(missing_ok=True)
    if options.plots and ranked and len(driver.state.trials) >= MIN_TRIALS_PLOTTED:
        on_step("drawing plots")
        best = [trial for trial, _ in driver.front.best]
        draw_sweep_plots(driver.state, driver.objectives, _plotted_spaces(driver), folder.plots, best)
    # last, as the page shows plots, advice and leaderboard from their files
    if options.report:
        write_report(folder)
    return stop


def _describe_bests(driver: Driver) -> list[dict[str, Any]]:
    """Return the best trial of each ranking: its value, its run, and of a trial with repeats their spread."""
    bests = []
    for (trial, score), run in zip(driver.front.best, runs_to_keep(driver), strict=True):
        best: dict[str, Any] = {"value": score[0], "run": run.number}
        if trial.repeats > 1:
            completed = [other for other in driver.state.runs_of(trial) if other.state == "completed"]
            deviation = driver.objectives.deviation(completed)
            best |= {"sd": deviation and deviation[0], "runs": [other.number for other in completed]}
        bests.append(best)
    return bests


def write_report(folder: SweepFolder) -> None:
    """Write `report.html`; failing to is a warning, because all results are written already."""
    try:
        write_sweep_report(folder)
    except Exception as error:
        log.warning("%s is left out: %s: %s", folder.report, type(error).__name__, first_line(error))


def _write_results(driver: Driver, folder: SweepFolder, stop: dict[str, Any]) -> None:
    write_text(folder.leaderboard, leaderboard_csv(driver.state, driver.objectives))
    write_json(folder.stop, stop)
    # The event comes last: a sweep that dies before it has not stopped, and the next session writes all files again
    summary = {"criterion": stop["criterion"], "explanation": stop["explanation"], "time": timestamp()}
    driver.append({"event": "stopped", **summary})


def _write_advice(
    driver: Driver, folder: SweepFolder, options: LoopOptions, stop: dict[str, Any], on_step: Callable[[str], None]
) -> None:
    sweep = FinishedSweep(driver.state, driver.objectives, _spaces(driver), stop, folder, startup_trials(folder))
    rechecked: list[Rechecked] = []
    if options.recheck:
        on_step(f"cross-validating the best {options.recheck} trials")
        rechecked = recheck(driver, sweep, options.recheck)
    write_json(folder.advice, advise(sweep, rechecked))


def _spaces(driver: Driver) -> dict[str, Any]:
    return {name: study.space.space for name, study in driver.proposer.studies.items()}


def _plotted_spaces(driver: Driver) -> dict[str, Any]:
    """Return the dimensions to plot: those declared, or what the trials of a function had."""
    studies = driver.proposer.studies
    return {
        name: space if studies[name].space.function is None else observed_space(driver.state, name)
        for name, space in _spaces(driver).items()
    }


def startup_trials(folder: SweepFolder) -> int:
    """Return how many trials the sampler, or a plugin's tuner, draws at random first; 0 without that setting."""
    node = read_description(folder).get("tuner_node") or {}
    first = (node.get("sampler") or node).get("n_startup_trials")
    return first if isinstance(first, int) else 0


def runs_to_keep(driver: Driver) -> list[RunState]:
    """Return the first completed run of each of the best trials."""
    runs = [driver.state.runs_of(trial) for trial, _ in driver.front.best]
    return [next(run for run in repeats if run.state == "completed") for repeats in runs]


def keep_run(driver: Driver, run: RunState) -> None:
    """Let the worker that holds a run finalize it; if none does any more, run it again."""
    # All workers get the request, as the driver does not know which one holds the run: the others return None
    results = _on_workers(driver, [FinalizeRequest(run.number)] * driver.executor.slots)
    result = next((result for result in results if isinstance(result, AttemptResult)), None)
    # an error about the model itself, such as one that does not come back from its file: another fit would end alike
    fault = next((result for result in results if isinstance(result, RuntreeError)), None)
    attempts = driver.options.retries + 1
    while result is None and fault is None and attempts and driver.signals < 2:
        [refitted] = _on_workers(driver, [FinalizeRequest(run.number, refit=driver.repeat_request(run))])
        result, attempts = refitted if isinstance(refitted, AttemptResult) else None, attempts - 1
        fault = refitted if isinstance(refitted, RuntreeError) else None
    if result is not None and result.state == "completed":
        # in the ledger, too: should the files be damaged later, the test metrics can be restored from it
        event = {"event": "kept", "run": run.number, "metrics": result.metrics, "seconds": result.seconds}
        driver.append(event | {"fingerprints": result.fingerprints, "missed": list(result.failed_gates)})
        return
    error = str(fault or ((result.error if result is not None else None) or {}).get("message", "its process is gone"))
    log.warning("run %d could not be kept: %s", run.number, error)
    # its folder may hold half of an attempt to save it
    driver.unverified.append(run.number)
    if any(text in error for text in DISK_FULL_MESSAGES):
        driver.stop("disk")
    if driver.signals > 1:
        driver.stop("interrupt")


def _on_workers(driver: Driver, payloads: list[Any]) -> list[Any]:
    results = run_on_workers(driver.executor, payloads, cancelled=lambda: driver.signals > 1)
    for result in results:
        driver.tell_warnings(result)
    return results


def _drop_former_best(driver: Driver, folder: SweepFolder) -> None:
    """Remove the artifacts of runs that an earlier session kept and that are not the best any more."""
    best = {run.number for run in runs_to_keep(driver)}
    for run in driver.state.completed():
        if run.kept and run.number not in best:
            drop_artifacts(folder.run(run.number))


def repair_run_files(driver: Driver, folder: SweepFolder) -> None:
    """Write again the files of ended runs that differ from the ledger: a crash or a full disk damaged them."""
    # runs of former sessions, and those that could not be kept: only a loss of power can damage what this session
    # wrote, and then the next session looks at it
    for number in driver.unverified:
        run, run_folder = driver.state.runs[number], folder.run(number)
        if not _matches_ledger(run_folder, run):
            log.warning("%s did not match the ledger and was written again", run_folder.path)
            restore_run_files(driver.repeat_request(run), run)


def _matches_ledger(folder: RunFolder, run: RunState) -> bool:
    metrics = run.result.metrics
    try:
        record, config = read_record(folder), read_regular(folder.config)
        scored = json.loads(read_regular(folder.metrics)) if metrics else {}
    except (NotFoundError, OSError, ValueError, RecursionError):
        return False
    # another run of the same sweep may have the same metrics; and one that never began has no fingerprint
    fingerprint = run.result.fingerprints.get("config", record.fingerprints.get("config"))
    same = (record.number, record.fingerprints.get("config")) == (run.number, fingerprint)
    # metrics.json may hold more than the ledger, such as the scores of folds
    same &= (record.state, record.metrics) == (run.state, metrics) and {**scored, **metrics} == scored
    # Losing power may leave a file short, or of its full length with zeros
    return same and config.endswith(b"\n") and b"\0" not in config


def _explain_stop(driver: Driver) -> str:
    waiting = sum(1 for _ in driver.state.waiting())
    causes = {
        "interrupt": "interrupted",
        "stop": "stopped by request",
        "failure": "stopped after a failed run (tuner.on_failure=stop)",
        "disk": f"stopped, as {driver.disk_message}",
    }
    left = f"; {_count(waiting)} wait{'s' if waiting == 1 else ''} to be taken up again" if waiting else ""
    return f"{causes[str(driver.stop_cause)]} after {_count(len(driver.state.ended))}{left}"


def _count(runs: int) -> str:
    return f"{runs} run{'' if runs == 1 else 's'}"
