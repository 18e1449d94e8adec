"""A sweep, from what Hydra hands over to the last file: look before, go through, finish."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.engines import make_executor, make_prober
from runtree.config.compose import Composer
from runtree.config.resources import Resources, resources
from runtree.contract.errors import ConfigError, RequestError, RuntreeError
from runtree.records.ledger import Ledger, read_ledger
from runtree.records.sweep import SweepFolder
from runtree.sweeps.allocator import Standing
from runtree.sweeps.axes import Axes, read_axes
from runtree.sweeps.book import Book
from runtree.sweeps.driver import Driver
from runtree.sweeps.executor import Executor, Job, Returned
from runtree.sweeps.families import Family, by_algorithm, ends, flat
from runtree.sweeps.finish import finish
from runtree.sweeps.identity import check_same, describe, identity, read_description
from runtree.sweeps.in_process import InProcess
from runtree.sweeps.judgement import Judge, constraints
from runtree.sweeps.options import LoopOptions, loop_options, of_the_tuner
from runtree.sweeps.payload import Found, Probe
from runtree.sweeps.progress import Progress
from runtree.sweeps.proposer import Arm, Proposer
from runtree.sweeps.reported import objective_of
from runtree.sweeps.stop import stop_rules
from runtree.sweeps.tasks import Tasks
from runtree.sweeps.warm import Warmth, warmth

if TYPE_CHECKING:
    from omegaconf import DictConfig

TRIED = 20  # combinations of options that are looked at, until one can work


class Silent:
    """A watcher that says nothing."""

    def began(self, plan: "Plan", driver: Driver) -> None:
        """Nothing."""

    def ended(self, driver: Driver, entry: Any) -> None:
        """Nothing."""

    def tick(self, driver: Driver) -> None:
        """Nothing."""

    def finishing(self, what: str) -> None:
        """Nothing."""


@dataclass
class Order:
    """How a sweep was asked for, besides what Hydra composes."""

    app: App
    overrides: tuple[str, ...] = ()
    config_name: str = "config"
    config_dir: str | None = None
    resume: SweepFolder | None = None
    plan_only: bool = False
    watcher: Any = field(default_factory=Silent)


@dataclass
class Plan:
    """A sweep that has been looked at and may begin."""

    order: Order
    config: "DictConfig"
    axes: Axes
    composer: Composer
    families: Sequence[Family]
    tuners: Sequence[Any]
    node: dict[str, Any]
    options: LoopOptions
    resources: Resources
    found: Found
    folder: SweepFolder | None = None

    @property
    def judge(self) -> Judge:
        """Return what the runs are judged by."""
        return Judge(self.found.objectives, constraints(self.options.constraints))

    @property
    def size(self) -> int | None:
        """Return how many configurations there are at most, None for infinitely many."""
        sizes = [family.size for family in self.families]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def absent(self) -> list[str]:
        """Return what was named and does not exist everywhere."""
        return list(dict.fromkeys(text for family in self.families for text in family.absent))


@dataclass
class Swept:
    """What came of a sweep."""

    plan: Plan | None = None
    driver: Driver | None = None
    stop: dict[str, Any] = field(default_factory=dict)


def sweep(order: Order, sweeper: Any, arguments: Sequence[str], open_folder: Callable[["DictConfig"], Path]) -> Swept:
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
        composer, axes = _axes(order, sweeper, arguments)
        executor = stack.enter_context(closing(make_executor(order.app, order.overrides, sweeper)))
        prober = stack.enter_context(closing(make_prober(order.app, order.overrides, executor)))
        plan = look(order, config, axes, composer, prober)
        if order.plan_only:
            return Swept(plan)
        return carry(plan, executor, open_folder)


def _axes(order: Order, sweeper: Any, arguments: Sequence[str]) -> tuple[Composer, Axes]:
    groups = order.app.catalogue.groups
    axes = read_axes(arguments, dict(sweeper.params or {}), groups, lambda group: groups[group])
    for key, options in axes.composed.items():
        if key in groups:
            for name in options:
                order.app.catalogue.option(key, name)  # one that does not exist is told before anything is composed
    loader = sweeper.hydra_context.config_loader
    return Composer(lambda overrides: loader.load_sweep_config(sweeper.config, list(overrides)), axes.fixed), axes


def look(order: Order, config: "DictConfig", axes: Axes, composer: Composer, prober: Executor) -> Plan:
    """Find out all that can be wrong before the first run.

    Raises
    ------
    RuntreeError
        An unknown path, bounds that the algorithm refuses, an empty or infinite grid, a pruner without reports, no end.
    """
    from omegaconf import OmegaConf

    from runtree.config.build import build

    node: dict[str, Any] = OmegaConf.to_container(config.tuner, resolve=True)  # type: ignore[assignment]
    options = loop_options(node)
    allowed = resources(OmegaConf.to_container(config.compute, resolve=True))  # type: ignore[arg-type]
    rules = stop_rules(options.stop)
    trust = order.app.trust(order.overrides)
    tuner = build(of_the_tuner(node), "tuner", trust)
    found = first_that_works(axes, composer, prober)
    families = by_algorithm(axes, composer, found.task) if tuner.own_space else [flat(axes, composer)]
    plan = Plan(order, config, axes, composer, families, [], node, options, allowed, found)
    if tuner.own_space:
        for family in families:
            check_family(plan, family, prober, prunes=tuner.prunes)
    plan.tuners = [build(of_the_tuner(node), "tuner", trust) for _ in families]
    for own, family in zip(plan.tuners, families, strict=True):
        own.begin(family.space, [direction for _, direction in found.objectives], seed_of(plan))
    rules.check(plan.size, [direction for _, direction in found.objectives])
    _ = plan.judge, options.warm
    return plan


def first_that_works(axes: Axes, composer: Composer, prober: Executor) -> Found:
    """Look at the first combination of options that can work; others of a comparison are told as they fail."""
    combinations = product(*([(key, option) for option in options] for key, options in axes.composed.items()))
    first: RuntreeError | None = None
    for chosen in islice(combinations, TRIED):
        try:
            return ask(prober, Probe(composer.base(dict(chosen)).frozen.config))
        except RuntreeError as error:
            first = first or error
    raise first or RequestError("there is no combination to try")


def seed_of(plan: Plan) -> int:
    """Return the seed of a sweep: the one that its runs would have alone."""
    seed = plan.config.get("seed", 0)
    return int(seed) if isinstance(seed, int) else 0


def check_family(plan: Plan, family: Family, prober: Executor, prunes: bool) -> None:
    """Build an algorithm with both ends of each of its ranges, and ask whether it reports."""
    groups = {one.path: one.domain.values[0] for one in family.space if one.composed}
    base = plan.composer.base({**groups, **family.choices})
    trials = {text: base.with_values(values).config for text, values in ends(family) if base.has(next(iter(values)))}
    found = ask(prober, Probe(base.frozen.config, trials))
    if prunes and not found.reports:
        raise ConfigError(
            f"tuner={plan.node.get('name')}: algorithm={base.value('algorithm.name')} reports nothing to prune by",
            "type: evaluator=cross_validation (each fold is a step), or tuner=tpe",
            "or choose an algorithm whose 'fit' takes 'report'",
        )


def ask(prober: Executor, probe: Probe) -> Found:
    """Let a worker look."""
    prober.submit(Job(-1, probe))
    while True:
        for event in prober.wait(None):
            result = event.result if isinstance(event, Returned) else None
            if isinstance(result, Exception):
                raise result
            if not isinstance(result, Found):
                raise RequestError(f"the data could not be looked at: {event}")
            return result


def carry(plan: Plan, executor: Executor, open_folder: Callable[["DictConfig"], Path]) -> Swept:
    """Go through a sweep, a new one or one that goes on."""
    order = plan.order
    folder = plan.folder = SweepFolder(open_folder(plan.config))
    if order.resume is None and folder.ledger.exists():
        raise RequestError(f"{folder.path}: there is a sweep here", f"go on with it: runtree resume {folder.path}")
    warm = Warmth()
    known = identity(plan.families, plan.composer, plan.node, plan.found)
    with ExitStack() as stack:
        stack.enter_context(folder.held())
        folder.request.unlink(missing_ok=True)
        if order.resume is None:
            warm = warmth(plan.options.warm, Path(str(plan.config.outputs)), plan.families, known, plan.judge)
            lag = plan.options.lag or executor.slots
            begin(plan, folder, known, lag)
        else:
            before = read_description(folder.description)
            check_same(before["identity"], known, folder.path)
            lag = int(before.get("lag") or executor.slots)  # with other slots it is the same sweep all the same
        ledger = Ledger(folder.ledger)
        stack.callback(ledger.close)
        if order.resume is None and warm.says:
            ledger.append(warm.event)
        driver = make_driver(plan, executor, ledger, folder, lag)
        stack.enter_context(hearing_signals(driver))
        order.watcher.began(plan, driver)
        driver.run()
        stop = finish(driver, folder, plan.options, order.watcher.finishing)
    return Swept(plan, driver, stop)


def begin(plan: Plan, folder: SweepFolder, known: dict[str, Any], lag: int) -> None:
    """Write what the sweep is before its first run."""
    from runtree.config.secrets import redact_override
    from runtree.records.environment import environment
    from runtree.records.folder import not_writable
    from runtree.records.write import write_json

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
        describe(folder.description, request, known)
        Ledger(folder.ledger).close()
    except OSError as error:
        raise not_writable(folder.path, error) from None


def make_driver(plan: Plan, executor: Executor, ledger: Ledger, folder: SweepFolder, lag: int) -> Driver:
    """Put a driver together; what the ledger tells is taken over."""
    book = Book().apply_all(read_ledger(ledger.file))
    judge, options = plan.judge, plan.options
    name, direction = judge.objectives[0]
    arms = [
        Arm(family, tuner, Standing(family.name, len(family.space)))
        for family, tuner in zip(plan.families, plan.tuners, strict=True)
    ]
    rules = stop_rules(options.stop)
    tasks = Tasks(plan.composer, plan.families, folder, options, plan.resources, plan.axes, judge.objectives)
    driver = Driver(
        executor,
        ledger,
        book,
        Proposer(arms, book, tasks.freeze, rules.max_runs, options.shares),
        judge,
        Progress(rules, direction),  # type: ignore[arg-type]
        options,
        tasks.job,
        plan.order.watcher,
        lag,
        tasks.failed,
        tasks.aside,
        tasks.work,
        tasks.asked_to_stop,
        partial(objective_of, name=name, direction=direction),
    )
    if isinstance(executor, InProcess):  # a run in this process waits for its answer while it reports
        executor.reported = driver.hear
    driver.open()
    return driver


@contextmanager
def hearing_signals(driver: Driver) -> Iterator[None]:
    """Let Ctrl-C end a sweep in order: once, what runs may finish; twice, it is ended, as by SIGTERM and SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(signum: int, frame: Any) -> None:
        driver.signals += 2 if signum != signal.SIGINT else 1

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
