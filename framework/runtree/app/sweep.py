"""A sweep from Hydra's call to its last file: preflight, run, finish."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.clean import find_best_runs
from runtree.app.engines import LauncherExecutor, make_executor, make_preflight_executor, refuse_shared_folder
from runtree.app.preflight import preflight
from runtree.app.sweep_plan import SweepPlan, SweepRequest, read_sweep_overrides
from runtree.app.train import TrainResult
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, NotFoundError, RequestError
from runtree.contract.redaction import redact, redact_override
from runtree.contract.types import RunRecord
from runtree.records.find import find_run, is_chosen
from runtree.records.layout import RunFolder, SweepFolder, not_writable_error
from runtree.records.ledger import Ledger, read_ledger
from runtree.records.record import read_record
from runtree.sweeps.finish import finish, runs_to_keep
from runtree.sweeps.function_space import FunctionTuner, describe_function
from runtree.sweeps.identity import check_same, read_request, sweep_identity, write_description
from runtree.sweeps.loop import Driver
from runtree.sweeps.options import read_stop_rules
from runtree.sweeps.proposer import Proposer, Study
from runtree.sweeps.state import SweepState
from runtree.sweeps.stopping import StopMonitor
from runtree.sweeps.tasks import Tasks
from runtree.sweeps.warm_start import WarmStart, load_warm_start
from runtree.training.contributors import Contributors
from runtree.workers.executor import Executor, Job, refuse_limits
from runtree.workers.in_process import InProcessExecutor
from runtree.workers.process_executor import ProcessExecutor

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass
class SweepResult:
    """The plan of a sweep, and if it was run, its driver and the content of `stop.json`."""

    plan: SweepPlan | None = None
    driver: Driver | None = None
    stop: dict[str, Any] = field(default_factory=dict)


def run_sweep(
    request: SweepRequest, sweeper: Any, arguments: Sequence[str], open_folder: Callable[["DictConfig"], Path]
) -> SweepResult:
    """Run the sweep that Hydra handed over.

    Parameters
    ----------
    sweeper
        Hydra's sweeper object: composed config, launcher, config loader.
    arguments
        The overrides, those with several values included.
    open_folder
        Makes the sweep's folder; called after the preflight.
    """
    if sweeper.config.get("tuner") is None:  # a saved config, or one of the user's own
        raise ConfigError("tuner: this config has none, and a sweep needs one", "add one: +tuner=grid")
    with ExitStack() as stack:
        # Its workers import libraries for seconds; they begin to while this process composes the configs
        executor = stack.enter_context(closing(make_executor(request.app, request.typed, sweeper)))
        composer, overrides = read_sweep_overrides(request, sweeper, arguments)
        checker = stack.enter_context(closing(make_preflight_executor(request.app, request.typed, executor)))
        # before the folder is made: a sweep that is refused leaves nothing behind
        plan = preflight(request, sweeper.config, overrides, composer, checker)
        plan.slots, plan.reaches_runs = executor.slots, isinstance(executor, ProcessExecutor)
        check_executor(executor, plan)
        if plan.size != 1 or plan.options.repeats > 1:
            refuse_shared_folder(plan.config)
        if request.plan_only:
            identity = sweep_identity(plan.spaces, plan.composer, plan.node, plan.preflight, plan.overrides.seeds)
            plan.warm_start = tuple(read_warm_start(plan, identity).lines)
            return SweepResult(plan)
        return execute_plan(plan, executor, open_folder)


def check_executor(executor: Executor, plan: SweepPlan) -> None:
    """Refuse limits and pruning if the executor cannot reach its runs; there is no folder yet."""
    if not isinstance(executor, ProcessExecutor):
        place = "in this process" if isinstance(executor, InProcessExecutor) else "of a Hydra launcher"
        refuse_limits(Job(0, None, plan.resources.max_seconds, plan.resources.bytes), place)
    if isinstance(executor, LauncherExecutor) and any(tuner.prunes for tuner in plan.tuners):
        raise ConfigError(
            f"tuner={plan.node.get('name')} prunes, and the runs of a Hydra launcher cannot be reached",
            "type: tuner=tpe, or leave the launcher, callbacks and job logging out",
        )


def execute_plan(plan: SweepPlan, executor: Executor, open_folder: Callable[["DictConfig"], Path]) -> SweepResult:
    """Run a sweep, a new one or one that is resumed."""
    request = plan.request
    identity = sweep_identity(plan.spaces, plan.composer, plan.node, plan.preflight, plan.overrides.seeds)
    # before the folder is made: an earlier sweep that does not exist, or does not fit, leaves nothing behind
    warm = read_warm_start(plan, identity) if request.resume is None else None
    champion = find_champion(plan) if request.resume is None else read_request(request.resume).get("champion")
    folder = plan.folder = SweepFolder(open_folder(plan.config))
    if request.resume is None and folder.ledger.exists():
        raise RequestError(
            f"{folder.path} already contains a sweep", f"resume it: {command('resume', str(folder.path))}"
        )
    with ExitStack() as stack:
        stack.enter_context(folder.held())  # a lock that ends with this process
        folder.request.unlink(missing_ok=True)  # of an earlier `runtree stop`
        if request.resume is None:
            delay = plan.options.lag or executor.slots
            write_sweep_files(plan, folder, identity, delay, champion)
        else:
            earlier = read_request(folder)
            check_same(earlier["identity"], identity, folder.path)
            # Resumed with other slots, a deterministic sweep must still go on as it would have
            delay = int(earlier.get("lag") or executor.slots)
        ledger = stack.enter_context(closing(Ledger(folder.ledger)))
        # the first event of the ledger: a resumed sweep learns from it without the earlier sweeps, which may be gone by
        # then
        if warm is not None and warm.lines:
            ledger.append(warm.event)
        driver = make_driver(plan, executor, ledger, folder, delay)
        driver.tasks.champion = champion
        stack.enter_context(handle_signals(driver))
        request.observer.began(plan, driver)
        plan.hooks.moment("sweep_started", folder=folder.path)
        driver.run()
        stop = finish(driver, folder, plan.options, request.observer.finishing)
        plan.hooks.moment("sweep_finished", folder=folder.path, best=_best_records(driver, folder), stop=stop)
    return SweepResult(plan, driver, stop)


def read_warm_start(plan: SweepPlan, identity: Mapping[str, Any]) -> WarmStart:
    """Read the earlier sweeps that a new one starts with."""
    outputs = Path(str(plan.config.outputs))
    return load_warm_start(plan.options.warm, outputs, plan.spaces, identity, plan.objectives)


def find_champion(plan: SweepPlan) -> str | None:
    """Return the id of the run that `latest` or `best` means as champion now; None if it is not asked for."""
    from omegaconf import OmegaConf

    name = str(OmegaConf.select(plan.config, "evaluator.benchmark.run"))
    return find_run(Path(str(plan.config.outputs)), name, "table of predictions").id if is_chosen(name) else None


def write_sweep_files(
    plan: SweepPlan, folder: SweepFolder, identity: dict[str, Any], delay: int, champion: str | None
) -> None:
    """Write what describes the sweep, before its first run."""
    from runtree.records.environment import environment
    from runtree.records.writer import write_json

    request = plan.request
    description = {
        "overrides": [redact_override(text) for text in request.overrides],
        "config_name": request.config_name,
        "config_dir": request.config_dir,
        "config_path": request.config_path,
        "tuner": plan.node.get("name"),
        "tuner_node": redact(plan.node),
        "objectives": [list(pair) for pair in plan.preflight.objectives],
        "size": plan.size,
        "lag": delay,
        "plugins": _find_plugins(plan),
        "champion": champion,
    }
    if request.space is not None:
        description["space"] = describe_function(request.space)
    try:
        # not `exist_ok`: a folder with runs and without a ledger is not this sweep's
        folder.runs.mkdir()
        write_json(folder.environment, environment())
        write_description(folder.description, description, identity)
        # last: the ledger is what marks the folder as a sweep that can be resumed, so its description is complete by
        # then
        Ledger(folder.ledger).close()
    except OSError as error:
        raise not_writable_error(folder.path, error) from None


def _find_plugins(plan: SweepPlan) -> dict[str, Any]:
    """Return the plugins that take part in the sweep: those of its runs, and the one that the tuner comes from."""
    plugins = {name: dict(entry) for name, entry in plan.preflight.plugins.items()}
    of_tuner = Contributors(plan.request.app.plugins.identities).entries({"tuner": plan.node}, ())
    for name, entry in of_tuner.items():
        adds = plugins.setdefault(name, entry)["adds"]
        plugins[name]["adds"] = sorted({*adds, *entry["adds"]})
    return plugins


def make_driver(plan: SweepPlan, executor: Executor, ledger: Ledger, folder: SweepFolder, delay: int) -> Driver:
    """Return the driver of a sweep, in the state that the ledger describes."""
    # for a new sweep, too: both kinds begin by reading the ledger, so there is one way to be tested
    state = SweepState().apply_all(read_ledger(ledger.file))
    objectives, options = plan.objectives, plan.options
    for tuner in plan.tuners:
        if isinstance(tuner, FunctionTuner):
            for trial in state.trials.values():
                if trial.key[0] == tuner.space.algorithm:
                    tuner.check_same(trial)
    studies = [Study(space, tuner) for space, tuner in zip(plan.spaces, plan.tuners, strict=True)]
    rules = read_stop_rules(options.stop)
    prunes = any(tuner.prunes for tuner in plan.tuners)
    tasks = Tasks(
        plan.composer, plan.spaces, folder, options, plan.resources, plan.overrides, objectives.metrics, prunes
    )
    driver = Driver(
        executor=executor,
        ledger=ledger,
        state=state,
        proposer=Proposer(studies, state, tasks.freeze, rules.max_runs, options.shares),
        objectives=objectives,
        monitor=StopMonitor(rules, "maximize" if objectives.maximizes else "minimize"),
        options=options,
        tasks=tasks,
        observer=plan.request.observer,
        result_delay=delay,
        retry=plan.request.retry,
    )
    if isinstance(executor, InProcessExecutor):  # a run in this process waits inside its report for the reply
        executor.on_report = driver.on_report
    driver.open()
    return driver


def _best_records(driver: Driver, folder: SweepFolder) -> list[RunRecord]:
    records = []
    for run in runs_to_keep(driver):
        with suppress(NotFoundError):  # it could not be kept; the log says so
            records.append(read_record(folder.run(run.number)))
    return records


@contextmanager
def handle_signals(driver: Driver) -> Iterator[None]:
    """Let the first Ctrl-C stop the sweep, and the second, SIGTERM and SIGHUP terminate its runs, too."""
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers in the main thread only
        yield
        return

    def handle(signum: int, frame: Any) -> None:
        # a handler only counts: it may interrupt the loop anywhere, also within a write to the ledger. The loop looks
        # at the count
        driver.signals += 2 if signum != signal.SIGINT else 1
        if driver.signals > 1 and isinstance(driver.executor, InProcessExecutor):
            # This process is inside the run and does not come back to the loop: interrupt it from here
            driver.stop("interrupt", at_once=True)

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def failed_gates(done: TrainResult) -> tuple[str, ...]:
    """Return a sentence for each quality gate that failed; of several runs, those of the best count."""
    if done.swept is not None and done.swept.driver is not None:
        plan = done.swept.plan
        assert plan is not None and plan.folder is not None
        return _gate_sentences(_best_records(done.swept.driver, plan.folder), named=True)
    records = done.records if done.multirun else [read_record(RunFolder(run.folder)) for run in done.runs]
    best = find_best_runs(records) if done.multirun else {record.folder for record in records}
    return _gate_sentences((record for record in records if record.folder in best), named=done.multirun)


def _gate_sentences(records: Iterable[RunRecord], named: bool) -> tuple[str, ...]:
    return tuple(f"{f'{record.id}: ' if named else ''}{text}" for record in records for text in record.missed)
