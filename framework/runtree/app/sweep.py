"""A sweep, from what Hydra hands over to the last file: look before, go through, finish."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.clean import find_best_runs
from runtree.app.engines import LauncherExecutor, make_executor, make_preflight_executor
from runtree.app.preflight import SweepPlan, SweepRequest, preflight, read_sweep_overrides
from runtree.app.train import TrainResult
from runtree.contract.errors import ConfigError, NotFoundError, RequestError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.ledger import Ledger, read_ledger
from runtree.records.record import read_record
from runtree.sweeps.finish import finish, runs_to_keep
from runtree.sweeps.identity import check_same, read_request, sweep_identity, write_description
from runtree.sweeps.loop import Driver
from runtree.sweeps.options import read_stop_rules
from runtree.sweeps.proposer import Proposer, Standing, Study
from runtree.sweeps.results import objective_from_report
from runtree.sweeps.state import SweepState
from runtree.sweeps.stopping import StopMonitor
from runtree.sweeps.tasks import Tasks
from runtree.sweeps.warm_start import WarmStart, load_warm_start
from runtree.workers.executor import Executor, Job, refuse_limits
from runtree.workers.in_process import InProcessExecutor
from runtree.workers.process_executor import ProcessExecutor

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass
class SweepResult:
    """What came of a sweep."""

    plan: SweepPlan | None = None
    driver: Driver | None = None
    stop: dict[str, Any] = field(default_factory=dict)


def run_sweep(
    order: SweepRequest, sweeper: Any, arguments: Sequence[str], open_folder: Callable[["DictConfig"], Path]
) -> SweepResult:
    """Carry out the sweep that Hydra handed over.

    Parameters
    ----------
    sweeper
        Hydra's sweeper object: composed config, launcher, config loader.
    arguments
        The overrides, those with several values included.
    open_folder
        Makes the sweep's folder, once nothing speaks against it.
    """
    config = sweeper.config
    with ExitStack() as stack:
        executor = stack.enter_context(
            closing(make_executor(order.app, order.overrides, sweeper))
        )  # its imports take seconds: they begin first
        composer, axes = read_sweep_overrides(order, sweeper, arguments)
        prober = stack.enter_context(closing(make_preflight_executor(order.app, order.overrides, executor)))
        plan = preflight(order, config, axes, composer, prober)
        plan.slots = executor.slots
        refuse_what_it_cannot(executor, plan)
        if order.plan_only:
            return SweepResult(plan)
        return carry(plan, executor, open_folder)


def refuse_what_it_cannot(executor: Executor, plan: SweepPlan) -> None:
    """Refuse limits and pruning where the runs cannot be reached, before there is a folder."""
    if not isinstance(executor, ProcessExecutor):
        place = "in this process" if isinstance(executor, InProcessExecutor) else "of a launcher of Hydra's"
        refuse_limits(Job(0, None, plan.resources.max_seconds, plan.resources.bytes), place)
    if isinstance(executor, LauncherExecutor) and any(tuner.prunes for tuner in plan.tuners):
        raise ConfigError(
            f"tuner={plan.node.get('name')} prunes, and the runs of a launcher of Hydra's cannot be reached",
            "type: tuner=tpe, or leave the launcher, callbacks and job logging out",
        )


def carry(plan: SweepPlan, executor: Executor, open_folder: Callable[["DictConfig"], Path]) -> SweepResult:
    """Go through a sweep, a new one or one that goes on."""
    order = plan.order
    folder = plan.folder = SweepFolder(open_folder(plan.config))
    if order.resume is None and folder.ledger.exists():
        raise RequestError(f"{folder.path}: there is a sweep here", f"go on with it: runtree resume {folder.path}")
    warm = WarmStart()
    known = sweep_identity(plan.families, plan.composer, plan.node, plan.found)
    with ExitStack() as stack:
        stack.enter_context(folder.held())
        folder.request.unlink(missing_ok=True)
        if order.resume is None:
            warm = load_warm_start(plan.options.warm, Path(str(plan.config.outputs)), plan.families, known, plan.judge)
            lag = plan.options.lag or executor.slots
            begin(plan, folder, known, lag)
        else:
            before = read_request(folder)
            check_same(before["identity"], known, folder.path)
            lag = int(before.get("lag") or executor.slots)  # with other slots it is the same sweep all the same
        ledger = Ledger(folder.ledger)
        stack.callback(ledger.close)
        if order.resume is None and warm.says:
            ledger.append(warm.event)
        driver = make_driver(plan, executor, ledger, folder, lag)
        stack.enter_context(hearing_signals(driver))
        order.watcher.began(plan, driver)
        plan.hooks.moment("sweep_started", folder=folder.path)
        driver.run()
        stop = finish(driver, folder, plan.options, order.watcher.finishing)
        plan.hooks.moment("sweep_finished", folder=folder.path, best=best_records(driver, folder), stop=stop)
    return SweepResult(plan, driver, stop)


def begin(plan: SweepPlan, folder: SweepFolder, known: dict[str, Any], lag: int) -> None:
    """Write what the sweep is before its first run."""
    from runtree.config.secrets import redact_override
    from runtree.records.environment import environment
    from runtree.records.layout import not_writable_error
    from runtree.records.writer import write_json

    order = plan.order
    request = {
        "overrides": [redact_override(text) for text in order.overrides],
        "config_name": order.config_name,
        "config_dir": order.config_dir,
        "tuner": plan.node.get("name"),
        "tuner_node": plan.node,
        "objectives": [list(pair) for pair in plan.found.objectives],
        "size": plan.size,
        "lag": lag,
    }
    try:
        folder.runs.mkdir()
        write_json(folder.environment, environment())
        write_description(folder.description, request, known)
        Ledger(folder.ledger).close()
    except OSError as error:
        raise not_writable_error(folder.path, error) from None


def make_driver(plan: SweepPlan, executor: Executor, ledger: Ledger, folder: SweepFolder, lag: int) -> Driver:
    """Put a driver together; what the ledger tells is taken over."""
    book = SweepState().apply_all(read_ledger(ledger.file))
    judge, options = plan.judge, plan.options
    name, direction = judge.objectives[0]
    arms = [
        Study(family, tuner, Standing(family.name, len(family.space)))
        for family, tuner in zip(plan.families, plan.tuners, strict=True)
    ]
    rules = read_stop_rules(options.stop)
    prunes = any(tuner.prunes for tuner in plan.tuners)
    tasks = Tasks(plan.composer, plan.families, folder, options, plan.resources, plan.axes, judge.objectives, prunes)
    driver = Driver(
        executor,
        ledger,
        book,
        Proposer(arms, book, tasks.freeze, rules.max_runs, options.shares),
        judge,
        StopMonitor(rules, direction),  # type: ignore[arg-type]
        options,
        tasks.job,
        plan.order.watcher,
        lag,
        tasks.failed,
        tasks.aside,
        tasks.work,
        tasks.by_folds,
        tasks.asked_to_stop,
        partial(objective_from_report, name=name, direction=direction),
    )
    if isinstance(executor, InProcessExecutor):  # a run in this process waits for its answer while it reports
        executor.on_report = driver.hear
    driver.open()
    return driver


def best_records(driver: Driver, folder: SweepFolder) -> list[RunRecord]:
    """Return the records of the best runs, as they are at the end; one that cannot be read is left out."""
    records = []
    for entry in runs_to_keep(driver):
        with suppress(NotFoundError):
            records.append(read_record(folder.run(entry.number)))
    return records


@contextmanager
def hearing_signals(driver: Driver) -> Iterator[None]:
    """Let Ctrl-C end a sweep in order: once, what runs may finish; twice, it is ended, as by SIGTERM and SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(signum: int, frame: Any) -> None:
        driver.signals += 2 if signum != signal.SIGINT else 1
        if driver.signals > 1 and isinstance(
            driver.executor, InProcessExecutor
        ):  # this process is at the run, and in no loop
            driver.leave("interrupt", at_once=True)

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def closing(executor: Any) -> Iterator[Any]:
    """Leave no process behind."""
    try:
        yield executor
    finally:
        executor.close()


# --- Which gates were missed: by the run, or by the best of many.


def failed_gates(done: TrainResult) -> tuple[str, ...]:
    """Return a sentence for each gate that was missed; of many runs the best decide, as they are those to be used."""
    if done.swept is not None and done.swept.driver is not None:
        return _of_sweep(done)
    found = [read_record(RunFolder(run.folder)) for run in done.runs]
    best = find_best_runs(found) if done.multirun else {record.folder for record in found}
    return _sentences((record for record in found if record.folder in best), named=done.multirun)


def _of_sweep(done: TrainResult) -> tuple[str, ...]:
    swept = done.swept
    assert swept is not None and swept.driver is not None and swept.plan is not None and swept.plan.folder is not None
    folders = [swept.plan.folder.run(entry.number) for entry in runs_to_keep(swept.driver)]
    found = []
    for folder in folders:
        try:
            found.append(read_record(folder))
        except NotFoundError:  # the best could not be kept, which the report has told
            continue
    return _sentences(found, named=True)


def _sentences(found: Iterable[RunRecord], named: bool) -> tuple[str, ...]:
    return tuple(f"{f'{record.id}: ' if named else ''}{text}" for record in found for text in record.missed)
