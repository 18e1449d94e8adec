"""The end of a sweep: the best is kept whole, and why it ended is written down."""

import json
import logging
from collections.abc import Callable
from typing import Any

from runtree.contract.errors import NotFoundError, first_line
from runtree.records.layout import RunFolder, SweepFolder, drop_artifacts, read_description, timestamp
from runtree.records.record import read_record
from runtree.records.writer import write_json, write_text
from runtree.reports.render import write_sweep_report
from runtree.sweeps.advice import advise
from runtree.sweeps.advice.search import FinishedSweep
from runtree.sweeps.advice.winner import Rechecked, recheck
from runtree.sweeps.attempts import DISK_FULL_MESSAGES
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import AttemptResult, FinalizeRequest
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.plots.draw import draw_sweep_plots
from runtree.sweeps.results import leaderboard_csv
from runtree.sweeps.state import RunState
from runtree.sweeps.stopping import stop_record
from runtree.sweeps.tasks import restore_run_files
from runtree.workers.executor import run_on_workers

log = logging.getLogger(__name__)

# Why a sweep ended that no criterion ended.
CRITERION_OF_STOP = {
    "interrupt": "interrupted",
    "stop": "asked",
    "failure": "on_failure",
    "disk": "disk_full",
}
RESUMED = ("interrupt", "disk")  # what is not over
ENOUGH = 10  # configurations: of fewer a picture shows nothing, and to draw takes seconds


def finish(
    driver: Driver, folder: SweepFolder, options: LoopOptions, tell: Callable[[str], None] = lambda what: None
) -> dict[str, Any]:
    """Keep the best, write `stop.json` and `leaderboard.csv`, and return what the first says."""
    if driver.leaving not in RESUMED and options.keep == "best":
        for entry in (found for found in runs_to_keep(driver) if not found.kept):
            tell(f"run {entry.number}: the test part is scored, the model saved")
            driver.on_disk(keep_run, driver, entry)
        if driver.leaving not in RESUMED:
            drop_others(driver, folder)
    driver.on_disk(repair_run_files, driver, folder)
    stop = stop_record(driver.progress)
    if driver.leaving and (stop["criterion"] is None or driver.leaving in RESUMED):  # what is not over did not end
        stop |= {"criterion": CRITERION_OF_STOP[driver.leaving], "explanation": _explained(driver)}
    driver.on_disk(_write_down, driver, folder, stop)
    if driver.leaving not in RESUMED and len(driver.judge.objectives) == 1:
        driver.on_disk(_advise, driver, folder, options, stop, tell)
    if options.plots and driver.leaving not in RESUMED and len(driver.book.trials) >= ENOUGH:
        tell("pictures are drawn")
        spaces = {name: arm.family.space for name, arm in driver.proposer.arms.items()}
        draw_sweep_plots(driver.book, driver.judge, spaces, folder.plots, [trial for trial, _ in driver.front.best])
    if options.report and driver.leaving not in RESUMED:
        write_report(folder)
    return stop


def write_report(folder: SweepFolder) -> None:
    """Write the sweep's `report.html`; one that cannot be made is a warning, for all that counts is written."""
    try:
        write_sweep_report(folder)
    except Exception as error:
        log.warning("%s is left out: %s: %s", folder.report, type(error).__name__, first_line(error))


def _write_down(driver: Driver, folder: SweepFolder, stop: dict[str, Any]) -> None:
    write_text(folder.leaderboard, leaderboard_csv(driver.book, driver.judge))
    write_json(folder.stop, stop)
    # last: who dies before that has not ended, and the next session writes all of it again
    told = {"criterion": stop["criterion"], "explanation": stop["explanation"], "time": timestamp()}
    driver.tell({"event": "stopped", **told})


def _advise(
    driver: Driver, folder: SweepFolder, options: LoopOptions, stop: dict[str, Any], tell: Callable[[str], None]
) -> None:
    """Write what the runs say about the search, the best few of them judged once more if that is asked for."""
    spaces = {name: arm.family.space for name, arm in driver.proposer.arms.items()}
    facts = FinishedSweep(driver.book, driver.judge, spaces, stop, folder, startup_of(folder))
    rechecked: list[Rechecked] = []
    if options.recheck and options.keep != "none":
        tell(f"the best {options.recheck} are judged once more, by folds")
        rechecked = recheck(driver, facts, options.recheck, driver.by_folds)
    write_json(folder.advice, advise(facts, rechecked))


def startup_of(folder: SweepFolder) -> int:
    """Return how many runs the tuner draws before it learns from any; 0 for one that never does, or learns at once."""
    sampler = (read_description(folder).get("tuner_node") or {}).get("sampler") or {}
    return int(sampler.get("n_startup_trials") or 0)


def runs_to_keep(driver: Driver) -> list[RunState]:
    """Return the runs that are kept: of each of the best configurations the first that completed."""
    found = [driver.book.entries(trial) for trial, _ in driver.front.best]
    return [next(entry for entry in entries if entry.state == "completed") for entries in found]


def keep_run(driver: Driver, entry: RunState) -> None:
    """Let the worker that holds a run keep it; where none does any more, the run is done again."""
    results = _run_jobs(driver, [FinalizeRequest(entry.number)] * driver.executor.slots)
    outcome = next((result for result in results if isinstance(result, AttemptResult)), None)
    tries = driver.options.retries + 1
    while outcome is None and tries and driver.signals < 2:
        [found] = _run_jobs(driver, [FinalizeRequest(entry.number, refit=driver.redo(entry))])
        outcome, tries = found if isinstance(found, AttemptResult) else None, tries - 1
    if outcome is not None and outcome.state == "completed":
        event = {"event": "kept", "run": entry.number, "metrics": outcome.metrics, "seconds": outcome.seconds}
        driver.tell(event | {"fingerprints": outcome.fingerprints, "missed": list(outcome.missed)})
        return
    error = str(((outcome.error if outcome is not None else None) or {}).get("message", "its process is gone"))
    log.warning("run %d could not be kept: %s", entry.number, error)
    driver.doubtful.append(entry.number)
    if any(text in error for text in DISK_FULL_MESSAGES):
        driver.leave("disk")
    if driver.signals > 1:
        driver.leave("interrupt")


def _run_jobs(driver: Driver, payloads: list[Any]) -> list[Any]:
    return run_on_workers(driver.executor, payloads, cancelled=lambda: driver.signals > 1)


def drop_others(driver: Driver, folder: SweepFolder) -> None:
    """Remove the heavy leaves of runs that are not the best any more."""
    best = {entry.number for entry in runs_to_keep(driver)}
    for entry in driver.book.completed():
        if entry.kept and entry.number not in best:
            drop_artifacts(folder.run(entry.number))


def repair_run_files(driver: Driver, folder: SweepFolder) -> None:
    """Write anew what the ledger knows better: files of runs of former sessions that a crash or a disk has damaged."""
    for number in driver.doubtful:
        entry, run = driver.book.runs[number], folder.run(number)
        if not _is_whole(run, entry):
            log.warning("%s is not what the ledger tells, and was written anew", run.path)
            restore_run_files(driver.redo(entry), entry)


def _is_whole(run: RunFolder, entry: RunState) -> bool:
    metrics = entry.outcome.get("metrics") or {}
    try:
        record, config = read_record(run), run.config.read_bytes()
        scored = json.loads(run.metrics.read_bytes()) if metrics else {}
    except (NotFoundError, OSError, ValueError, RecursionError):
        return False
    same = (record.state, record.metrics) == (entry.state, metrics) and {**scored, **metrics} == scored
    return same and config.endswith(b"\n") and b"\0" not in config


def _explained(driver: Driver) -> str:
    waiting = sum(1 for _ in driver.book.waiting())
    texts = {
        "interrupt": "interrupted",
        "stop": "stopped as asked",
        "failure": "stopped after a failed run (tuner.on_failure=stop)",
        "disk": f"stopped, as {driver.no_room}",
    }
    left = f"; {_runs(waiting)} wait{'s' if waiting == 1 else ''} to be taken up again" if waiting else ""
    return f"{texts[str(driver.leaving)]} after {_runs(len(driver.book.ended))}{left}"


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"
