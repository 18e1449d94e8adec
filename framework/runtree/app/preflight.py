"""The preflight of a sweep: find every error that can be found before its first run."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import TYPE_CHECKING, Any, cast

from runtree.app.application import App
from runtree.app.sweep_plan import SweepPlan, SweepRequest
from runtree.config.compose import ComposedBase, Composer
from runtree.config.resources import read_resources
from runtree.contract.errors import ConfigError, RequestError, RuntreeError, unknown
from runtree.contract.protocols import SuggestingTuner, Tuner
from runtree.contract.types import Direction
from runtree.lifecycle.trackers import with_trackers
from runtree.sweeps.function_space import FunctionTuner
from runtree.sweeps.messages import PreflightRequest, PreflightResult
from runtree.sweeps.options import LoopOptions, read_loop_options, read_stop_rules, tuner_arguments
from runtree.sweeps.overrides import SweepOverrides
from runtree.sweeps.plugin_tuner import guarded
from runtree.sweeps.results import check_constraint_metrics
from runtree.sweeps.search_space import SearchSpace, function_spaces, joint_space, space_bounds, spaces_by_algorithm
from runtree.training.contributors import Contributors
from runtree.workers.executor import Executor, Job, JobDied, JobReported, describe_exit

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runtree.config.allowlist import AllowList

log = logging.getLogger(__name__)

MAX_COMBINATIONS = 20  # of group options that the preflight tries, until one works
MAX_CRASHES = 3  # worker processes that may die in one preflight: one may be killed by accident


def preflight(
    request: SweepRequest, config: "DictConfig", overrides: SweepOverrides, composer: Composer, executor: Executor
) -> SweepPlan:
    """Check a sweep.

    Parameters
    ----------
    executor
        Loads the data and builds the algorithms.

    Raises
    ------
    RuntreeError
        An unknown path, ends of a range that the algorithm refuses, an empty space or an infinite grid, a pruner
        without reports, a sweep without an end, unusable data.
    """
    from omegaconf import OmegaConf

    # first what costs nothing: trackers, options and limits are checked before a worker loads the data
    hooks = with_trackers(_tracker_config(config), request.app.plugins)
    node: dict[str, Any] = OmegaConf.to_container(config.tuner, resolve=True)  # type: ignore[assignment]
    if overrides.seeds:
        node["repeats"] = _count_seeds(node, overrides)
    options = read_loop_options(node)
    limits = read_resources(OmegaConf.to_container(config.compute, resolve=True))  # type: ignore[arg-type]
    rules = read_stop_rules(options.stop)
    trust = request.app.allow_list(request.typed)
    tuner = make_tuner(node, trust, request.app)
    # the task comes from the data, and an algorithm's space may depend on the task
    result = _first_that_works(overrides, composer, executor)
    for note in result.notes:
        log.warning("%s", note)
    swept = overrides.composed.get("evaluator") or [config.evaluator.get("name")]
    _check_recheck(options.recheck, result, str(swept[0]))
    if request.space is not None:
        spaces: Sequence[SearchSpace] = function_spaces(request.space, overrides, composer, request.app.catalogue)
        _refuse_without_suggestions(node, tuner, options)
    elif tuner.own_space:
        spaces = spaces_by_algorithm(overrides, composer, result.task)
    else:
        spaces = [joint_space(overrides, composer)]
    for space in spaces:
        _refuse_nested_search(space, result)
    _check_shares(options.shares, [space.name for space in spaces if space.name])
    if options.warm.sweeps and getattr(tuner, "exhaustive", False):
        raise ConfigError(
            f"tuner.warm_start: tuner={node.get('name')} tries every configuration, whatever earlier sweeps found",
            "leave it out, or choose a tuner that learns from them: tuner=tpe",
        )
    # a tuner for each space, as its state belongs to one space
    tuners = [_tuner_of(space, make_tuner(node, trust, request.app)) for space in spaces]
    plan = SweepPlan(request, config, overrides, composer, spaces, tuners, node, options, limits, result, hooks)
    seed = config.get("seed", 0)
    for built, space in zip(tuners, spaces, strict=True):
        # begun here, so that a space which the tuner cannot search is refused now; the loop passes the results on later
        built.begin(
            space.space,
            [cast(Direction, direction) for _, direction in result.objectives],
            int(seed) if isinstance(seed, int) else 0,  # a swept seed is a text here
        )
    buildable: Iterable[SearchSpace] = spaces
    if not tuner.own_space and request.space is None:
        buildable = _space_of_each_algorithm(plan, spaces[0], executor, tuner.prunes)
    for space in buildable:
        _check_space(plan, space, executor, prunes=tuner.prunes)
    # last, because only now the size of the space is known: a finite one needs no bound
    rules.check(plan.size, [direction for _, direction in result.objectives], overrides.incomparable)
    check_constraint_metrics(plan.objectives.constraints, result.metrics)
    return plan


def make_tuner(node: Mapping[str, Any], trust: "AllowList", app: App) -> Tuner:
    """Build the tuner of a config; the errors of a plugin's name the plugin."""
    from runtree.config.build import build

    tuner: Tuner = build(tuner_arguments(node), "tuner", trust)
    plugin = Contributors(app.plugins.identities).owner_of(type(tuner).__module__)
    return guarded(tuner, f"{node.get('name')} of the plugin '{plugin}'" if plugin else str(node.get("name")))


def _tuner_of(space: SearchSpace, tuner: Tuner) -> Tuner:
    if space.function is None:
        return tuner
    assert isinstance(tuner, SuggestingTuner)  # `_refuse_without_suggestions` has seen to it
    return FunctionTuner(tuner, space.function)


def _refuse_without_suggestions(node: Mapping[str, Any], tuner: Tuner, options: LoopOptions) -> None:
    """Refuse what needs a declared space where the space is a function."""
    if not isinstance(tuner, SuggestingTuner):
        raise ConfigError(
            f"tuner={node.get('name')} needs a declared space, and this one is a function",
            "possible: tuner=tpe, tuner=random, tuner=gp, tuner=cmaes, tuner=asha",
        )
    if options.warm.sweeps:
        raise ConfigError(
            "tuner.warm_start: a space that is a function has no ranges in which earlier trials would lie",
            "leave it out, or declare the space: 'algorithm.C=interval(0.1, 10)'",
        )


def _tracker_config(config: "DictConfig") -> dict[str, Any]:
    from omegaconf import OmegaConf

    # only these keys are resolved: others may hold interpolations that need a job of Hydra's
    keys = [key for key in ("trackers", "tracking") if key in config]
    return OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True)  # type: ignore[return-value]


def _first_that_works(overrides: SweepOverrides, composer: Composer, executor: Executor) -> PreflightResult:
    """Check the first combination of group options that works; the others may fail as runs of the comparison."""
    combinations = product(*([(key, option) for option in options] for key, options in overrides.composed.items()))
    first: RuntreeError | None = None
    for options in islice(combinations, MAX_COMBINATIONS):
        try:
            return run_preflight(executor, PreflightRequest(composer.base(dict(options)).frozen.config))
        except RuntreeError as error:
            first = first or error
    raise first or RequestError("there is no combination to try")


def _count_seeds(node: Mapping[str, Any], overrides: SweepOverrides) -> int:
    """Return how often each configuration is run where the command line names the seeds."""
    if (node.get("repeats") or 1) != 1:
        raise ConfigError(
            f"tuner.repeats={node['repeats']} takes as many seeds from `seed` on, and {len(overrides.seeds)} are named",
            "leave one of the two out: the named seeds are the repeats",
        )
    return len(overrides.seeds)


def _check_recheck(count: int, result: PreflightResult, evaluator: str) -> None:
    """Refuse `tuner.recheck` where it would do nothing."""
    if count and result.has_folds:
        raise ConfigError(
            f"tuner.recheck={count} cross-validates the best runs, and evaluator={evaluator} scores each run by folds",
            "leave it out: the advice at the end tells by how much the best mean over folds is too good",
            "or search on one validation split, and recheck by folds: evaluator=holdout",
        )
    if count and len(result.objectives) > 1:
        raise ConfigError(
            f"tuner.recheck needs a single objective to rank by, and there are {len(result.objectives)}",
            "leave it out: tuner.recheck=0",
        )


def _check_shares(shares: Mapping[str, float], algorithms: Sequence[str]) -> None:
    """Refuse `tuner.shares` that would be ignored, and algorithms that would never get a run."""
    if shares and not algorithms:
        raise ConfigError(
            "tuner.shares divides the runs among several algorithms, and there is nothing to divide",
            "name several under a tuner that searches each one's space: algorithm=ridge,mlp tuner=tpe",
        )
    for name in shares:
        if name not in algorithms:
            raise unknown("algorithm at tuner.shares:", name, algorithms, error=ConfigError)
    missing = [name for name in algorithms if shares and name not in shares]
    if missing:
        raise ConfigError(
            f"tuner.shares: {missing[0]} has no share, and would get no run", f"set one: {missing[0]}: 0.1"
        )


def _refuse_nested_search(space: SearchSpace, result: PreflightResult) -> None:
    """Refuse a key that the evaluator searches in each run: it would override the proposals of the tuner."""
    both = sorted({dimension.path for dimension in space.space} & set(result.searched))
    if both:
        raise ConfigError(
            f"evaluator: it searches {', '.join(both)} in each run, and so would this sweep",
            "in a sweep over the space of an algorithm, type: evaluator=cross_validation",
            "or sweep over something else: tuner=grid seed=1,2,3",
        )


def _space_of_each_algorithm(
    plan: SweepPlan, space: SearchSpace, executor: Executor, prunes: bool
) -> Iterator[SearchSpace]:
    """Yield the joint space once for each algorithm in it that works."""
    if not prunes and not any(dimension.path.startswith("algorithm.") for dimension in space.space):
        return  # no key of an algorithm is set, so none can be refused
    for name in plan.overrides.swept("algorithm") or ("",):
        candidate = replace(space, choices={"algorithm": name} if name else {})
        try:
            run_preflight(executor, PreflightRequest(_base(plan, candidate).frozen.config))
        except RuntreeError:
            continue  # its runs fail; the others of the comparison do not
        yield candidate


def _base(plan: SweepPlan, space: SearchSpace) -> ComposedBase:
    """Return the config of a space, with the first option of each group that it sweeps over."""
    groups = {dimension.path: str(dimension.domain.values[0]) for dimension in space.space if dimension.composed}
    return plan.composer.base({**groups, **space.choices})


def _check_space(plan: SweepPlan, space: SearchSpace, executor: Executor, prunes: bool) -> None:
    """Build the algorithm with both ends of each range, and check that it reports if the tuner prunes."""
    if space.function is not None:
        _check_function(plan, space, executor, prunes)
        return
    base = _base(plan, space)
    bounds = space_bounds(space)
    # both ends of each range: an algorithm that accepts these rarely refuses a value between
    trials = {text: base.with_values(values).config for text, values in bounds if base.has(next(iter(values)))}
    _check_trials(plan, base, trials, executor, prunes)


def _check_function(plan: SweepPlan, space: SearchSpace, executor: Executor, prunes: bool) -> None:
    """Build the algorithm of some trials of a function, and check for each that it reports if the tuner prunes."""
    assert space.function is not None
    groups = space.groups
    trials: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for text, values in space.function.probe():
        choices = {**space.choices, **{path: str(value) for path, value in values.items() if path in groups}}
        base = plan.composer.base(choices)
        frozen = base.with_values({path: value for path, value in values.items() if path not in groups})
        trials.setdefault(tuple(sorted(choices.items())), {})[text] = frozen.config
    for chosen, configs in trials.items():
        _check_trials(plan, plan.composer.base(dict(chosen)), configs, executor, prunes)


def _check_trials(
    plan: SweepPlan, base: ComposedBase, trials: Mapping[str, Mapping[str, Any]], executor: Executor, prunes: bool
) -> None:
    result = run_preflight(executor, PreflightRequest(base.frozen.config, trials, prunes=prunes))
    if prunes and not result.reports:
        raise ConfigError(
            f"tuner={plan.node.get('name')}: algorithm={base.value('algorithm.name')} reports nothing to prune by",
            "type: evaluator=cross_validation (each fold is a step), or tuner=tpe",
            "or choose an algorithm that iterates: runtree describe algorithm=… shows which honour fit.patience",
        )


def run_preflight(executor: Executor, request: PreflightRequest) -> PreflightResult:
    """Run a preflight in a worker; if its process dies, in another one.

    Raises
    ------
    RuntreeError
        The error that a run would have had, or that every worker died.
    """
    deaths: list[JobDied] = []
    while len(deaths) < MAX_CRASHES:
        executor.submit(Job(-1, request))
        event = None
        while event is None:
            event = next((ended for ended in executor.wait(None) if not isinstance(ended, JobReported)), None)
        if isinstance(event, JobDied):
            deaths.append(event)
            continue
        # raised here, so that the user sees the same error as from a single run
        if isinstance(event.result, Exception):
            raise event.result
        assert isinstance(event.result, PreflightResult)
        return event.result
    raise RequestError(
        f"data: loading the data crashed the worker process {MAX_CRASHES} times: {describe_exit(deaths[-1])}",
        "see where, in a single run: runtree train … without -m",
    )
