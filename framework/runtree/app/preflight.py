"""What is asked of a sweep, and a look at all that can be wrong before its first run."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.config.compose import ComposedBase, Composer
from runtree.config.resources import Resources, read_resources
from runtree.contract.errors import ConfigError, RequestError, RuntreeError
from runtree.contract.protocols import Hooks
from runtree.lifecycle.trackers import with_trackers
from runtree.records.layout import SweepFolder
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import PreflightRequest, PreflightResult
from runtree.sweeps.options import LoopOptions, read_loop_options, read_stop_rules, tuner_arguments
from runtree.sweeps.overrides import SweepOverrides, sort_overrides
from runtree.sweeps.results import Objectives, check_constraint_metrics, read_constraints
from runtree.sweeps.search_space import SearchSpace, joint_space, space_bounds, spaces_by_algorithm
from runtree.workers.executor import Executor, Job, JobDied, JobReported, JobReturned, describe_exit

if TYPE_CHECKING:
    from omegaconf import DictConfig

MAX_COMBINATIONS = 20  # combinations of options that are looked at, until one can work


class SilentObserver:
    """A watcher that says nothing."""

    def began(self, plan: "SweepPlan", driver: Driver) -> None:
        """Nothing."""

    def ended(self, driver: Driver, entry: Any) -> None:
        """Nothing."""

    def tick(self, driver: Driver) -> None:
        """Nothing."""

    def finishing(self, what: str) -> None:
        """Nothing."""


@dataclass
class SweepRequest:
    """How a sweep was asked for, besides what Hydra composes."""

    app: App
    overrides: tuple[str, ...] = ()
    config_name: str = "config"
    config_dir: str | None = None
    resume: SweepFolder | None = None
    plan_only: bool = False
    watcher: Any = field(default_factory=SilentObserver)


@dataclass
class SweepPlan:
    """A sweep that has been looked at and may begin."""

    order: SweepRequest
    config: "DictConfig"
    axes: SweepOverrides
    composer: Composer
    families: Sequence[SearchSpace]
    tuners: Sequence[Any]
    node: dict[str, Any]
    options: LoopOptions
    resources: Resources
    found: PreflightResult
    hooks: Hooks
    folder: SweepFolder | None = None
    slots: int = 1  # how many runs work at once

    @property
    def judge(self) -> Objectives:
        """Return what the runs are judged by."""
        return Objectives(self.found.objectives, read_constraints(self.options.constraints))

    @property
    def size(self) -> int | None:
        """Return how many configurations there are at most, None for infinitely many."""
        sizes = [family.size for family in self.families]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def absent(self) -> list[str]:
        """Return what was named and does not exist everywhere."""
        return list(dict.fromkeys(text for family in self.families for text in family.absent))


def read_sweep_overrides(
    order: SweepRequest, sweeper: Any, arguments: Sequence[str]
) -> tuple[Composer, SweepOverrides]:
    groups = order.app.catalogue.groups
    axes = sort_overrides(arguments, dict(sweeper.params or {}), groups, lambda group: groups[group])
    for key, options in axes.composed.items():
        if key in groups:
            for name in options:
                order.app.catalogue.option(key, name)  # one that does not exist is told before anything is composed
    loader = sweeper.hydra_context.config_loader
    return Composer(lambda overrides: loader.load_sweep_config(sweeper.config, list(overrides)), axes.fixed), axes


def preflight(
    order: SweepRequest, config: "DictConfig", axes: SweepOverrides, composer: Composer, prober: Executor
) -> SweepPlan:
    """Find out all that can be wrong before the first run.

    Raises
    ------
    RuntreeError
        An unknown path, bounds that the algorithm refuses, an empty or infinite grid, a pruner without reports, no end.
    """
    from omegaconf import OmegaConf

    from runtree.config.build import build

    hooks = with_trackers(told_to(config), order.app.plugins)
    node: dict[str, Any] = OmegaConf.to_container(config.tuner, resolve=True)  # type: ignore[assignment]
    options = read_loop_options(node)
    allowed = read_resources(OmegaConf.to_container(config.compute, resolve=True))  # type: ignore[arg-type]
    rules = read_stop_rules(options.stop)
    trust = order.app.allow_list(order.overrides)
    tuner = build(tuner_arguments(node), "tuner", trust)
    found = first_that_works(axes, composer, prober)
    families = spaces_by_algorithm(axes, composer, found.task) if tuner.own_space else [joint_space(axes, composer)]
    for family in families:
        refuse_twice(family, found)
    plan = SweepPlan(order, config, axes, composer, families, [], node, options, allowed, found, hooks)
    plan.tuners = [build(tuner_arguments(node), "tuner", trust) for _ in families]
    for own, family in zip(plan.tuners, families, strict=True):
        own.begin(family.space, [direction for _, direction in found.objectives], seed_of(plan))
    for family in families if tuner.own_space else each_algorithm(plan, families[0], prober, prunes=tuner.prunes):
        check_family(plan, family, prober, prunes=tuner.prunes)
    rules.check(plan.size, [direction for _, direction in found.objectives])
    check_constraint_metrics(plan.judge.constraints, found.metrics)
    _ = options.warm
    return plan


def told_to(config: "DictConfig") -> dict[str, Any]:
    """Return what a config says of trackers, plain."""
    from omegaconf import OmegaConf

    keys = [key for key in ("trackers", "tracking") if key in config]
    return OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True)  # type: ignore[return-value]


def first_that_works(axes: SweepOverrides, composer: Composer, prober: Executor) -> PreflightResult:
    """Look at the first combination of options that can work; others of a comparison are told as they fail."""
    combinations = product(*([(key, option) for option in options] for key, options in axes.composed.items()))
    first: RuntreeError | None = None
    for chosen in islice(combinations, MAX_COMBINATIONS):
        try:
            return run_preflight(prober, PreflightRequest(composer.base(dict(chosen)).frozen.config))
        except RuntreeError as error:
            first = first or error
    raise first or RequestError("there is no combination to try")


def seed_of(plan: SweepPlan) -> int:
    """Return the seed of a sweep: the one that its runs would have alone."""
    seed = plan.config.get("seed", 0)
    return int(seed) if isinstance(seed, int) else 0


def refuse_twice(family: SearchSpace, found: PreflightResult) -> None:
    """Refuse to search what the evaluator searches in each run: it would choose anew whatever a tuner proposes."""
    both = sorted({one.path for one in family.space} & set(found.searched))
    if both:
        raise ConfigError(
            f"evaluator: it searches {', '.join(both)} in each run, and so would this sweep",
            "in a sweep over the space of an algorithm, type: evaluator=cross_validation",
            "or sweep over something else: tuner=grid seed=1,2,3",
        )


def each_algorithm(plan: SweepPlan, family: SearchSpace, prober: Executor, prunes: bool) -> Iterator[SearchSpace]:
    """Yield a family over all combinations for each algorithm in it; one that cannot work is told as it fails."""
    if not prunes and not any(one.path.startswith("algorithm.") for one in family.space):
        return  # nothing of an algorithm is set, so nothing can be refused
    for name in plan.axes.swept("algorithm") or ("",):
        one = replace(family, choices={"algorithm": name} if name else {})
        if works(PreflightRequest(base_of(plan, one).frozen.config), prober):
            yield one


def works(probe: PreflightRequest, prober: Executor) -> bool:
    """Tell whether a run of this config comes as far as its fit."""
    with suppress(RuntreeError):
        return bool(run_preflight(prober, probe))
    return False


def base_of(plan: SweepPlan, family: SearchSpace) -> ComposedBase:
    """Return the config of a family's algorithm, with the first option of each group that is swept besides."""
    groups = {one.path: str(one.domain.values[0]) for one in family.space if one.composed}
    return plan.composer.base({**groups, **family.choices})


def check_family(plan: SweepPlan, family: SearchSpace, prober: Executor, prunes: bool) -> None:
    """Build an algorithm with both ends of each of its ranges, and ask whether it reports."""
    base = base_of(plan, family)
    trials = {
        text: base.with_values(values).config for text, values in space_bounds(family) if base.has(next(iter(values)))
    }
    found = run_preflight(prober, PreflightRequest(base.frozen.config, trials, prunes=prunes))
    if prunes and not found.reports:
        raise ConfigError(
            f"tuner={plan.node.get('name')}: algorithm={base.value('algorithm.name')} reports nothing to prune by",
            "type: evaluator=cross_validation (each fold is a step), or tuner=tpe",
            "or choose an algorithm that iterates: runtree describe algorithm=… tells which honour fit.patience",
        )


# --- A look before the first run, by whoever will work on the runs.

MAX_CRASHES = 3  # how often somebody else looks where a process died of it, or was killed


def run_preflight(prober: Executor, probe: PreflightRequest) -> PreflightResult:
    """Let a worker look; where its process dies, another one does.

    Raises
    ------
    RuntreeError
        What speaks against the sweep, or that nobody survives the look.
    """
    deaths: list[JobDied] = []
    while len(deaths) < MAX_CRASHES:
        prober.submit(Job(-1, probe))
        event = _ending(prober)
        if isinstance(event, JobDied):
            deaths.append(event)
            continue
        if isinstance(event.result, Exception):
            raise event.result
        assert isinstance(event.result, PreflightResult)
        return event.result
    raise RequestError(
        f"data: to look at it ended the process that did, {MAX_CRASHES} times: {describe_exit(deaths[-1])}",
        "see where, in one run: runtree train … without -m",
    )


def _ending(prober: Executor) -> JobReturned | JobDied:
    while True:
        for event in prober.wait(None):
            if not isinstance(event, JobReported):
                return event
