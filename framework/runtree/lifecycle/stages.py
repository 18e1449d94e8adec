"""The built-in stages, and the order of all stages from their `after` and `before`."""

import json
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.config.calls import find_targets
from runtree.config.catalogue import differs_by_task
from runtree.config.space.dimensions import parse_space
from runtree.contract.errors import (
    ConfigError,
    MissingError,
    RunFailedError,
    RuntreeError,
    describe_error,
    raise_if_ours,
    unknown,
)
from runtree.contract.faults import warn_of_fault
from runtree.contract.fingerprint import EVALUATION_KEYS
from runtree.contract.protocols import Hooks
from runtree.contract.run import Stage
from runtree.contract.search import Dimension
from runtree.contract.settings import SWITCH, read_settings
from runtree.contract.types import SPLITS
from runtree.contract.validation import unique_by_name
from runtree.lifecycle import load, split
from runtree.lifecycle.fit import fit_stage
from runtree.lifecycle.replay import predicts
from runtree.lifecycle.save import report, save
from runtree.lifecycle.score import check_objective_rows, naming_evaluator, score
from runtree.lifecycle.table_options import table_options
from runtree.records.layout import RunFolder
from runtree.records.tables import pinned_table
from runtree.records.user_code import find_sources, write_sources
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.tables.fingerprint import check_pin
from runtree.training.active_run import ActiveRun
from runtree.training.decision import check_decision, read_decision
from runtree.training.fit_plan import make_fit_plan, resolve_fit_options
from runtree.training.imbalance import check_imbalance
from runtree.training.row_batches import check_batches
from runtree.training.row_weights import check_weights
from runtree.training.target import check_target

log = logging.getLogger(__name__)

FIT = "fit"
SAVE = "save"  # a run of a sweep that is not kept ends before this stage
REPORT = "report"


def stages() -> list[Stage]:
    """Return the stages of every run; the stages of the evaluation are registered by their own room."""
    return [
        Stage("load", load_stage),
        Stage("check", check_stage, after="load"),
        Stage("split", split_stage, after="check"),
        Stage(FIT, fit_stage, after="split"),
        Stage("score", score, after=FIT),
        Stage(SAVE, save, after="score"),
        Stage(REPORT, report, after=SAVE),
    ]


def stages_before_fit(hooks: Hooks, config: Mapping[str, Any]) -> list[Stage]:
    """Return the stages that load, check and split the table, those of plugins among them, in their order."""
    ordered = choose_stages(list(hooks.contributions("register_stages")), config)
    return ordered[: [stage.name for stage in ordered].index(FIT)]


def choose_stages(stages: Sequence[tuple[str, Stage]], config: Mapping[str, Any]) -> list[Stage]:
    """Return the stages of a run in their order, with their settings, and without those that the config switches off.

    Raises
    ------
    ConfigError
        A setting that no stage declares, or one of runtree's own stages.
    """
    chosen, builtin = config.get("stages"), next((plugin for plugin, _ in stages), "")
    own = [stage.name for plugin, stage in stages if plugin == builtin]
    for name in chosen if isinstance(chosen, Mapping) else ():
        if name in own:
            raise ConfigError(
                f"stages.{name}: this stage is runtree's own, and no run is without it",
                "what it does is set by the keys of data, fit, decision and evaluator",
            )
    asked = chosen if isinstance(chosen, Mapping) else {}
    stages = list(unique_by_name("stage", stages, lambda name: name in asked).values())
    declared = {stage.name: stage.settings for plugin, stage in stages if plugin != builtin}
    settings = read_settings("stages", chosen, declared)
    configured = [(plugin, _configure(stage, settings.get(stage.name, {}))) for plugin, stage in stages]
    ordered = _placed(configured, asked)
    kept = [stage for stage in ordered if settings.get(stage.name, {}).get(SWITCH, True)]
    return [_ask_for(stage) if stage.name in asked else stage for stage in kept]


def _placed(stages: Sequence[tuple[str, Stage]], asked: Container[str]) -> list[Stage]:
    """Return stages in their order; one of a plugin that cannot be placed is left out unless it is asked for."""
    try:
        return order_stages(stages)
    except MissingError as error:
        misplaced = _find_misplaced(stages)
        names = {stage.name for _, stage in misplaced}
        if not misplaced or any(name in asked for name in names):
            raise
        for plugin, stage in misplaced:
            # those that wait for each other have one error, and each that names nothing has its own
            among = names & {stage.after, stage.before}
            why = error.message if among else f"it stands beside '{stage.after or stage.before}', which does not exist"
            warn_of_fault(log, f"plugin {plugin}: its stage '{stage.name}' is left out: {why}")
        return order_stages([pair for pair in stages if pair not in misplaced])


def _find_misplaced(stages: Sequence[tuple[str, Stage]]) -> list[tuple[str, Stage]]:
    """Return the stages of plugins that have no place beside those that have one."""
    builtin = stages[0][0]
    kept = [pair for pair in stages if pair[0] == builtin]
    left = [pair for pair in stages if pair[0] != builtin]
    for _ in range(len(left)):  # one may stand beside another that is placed after it
        for pair in [pair for pair in left if _can_be_placed([*kept, pair])]:
            if _can_be_placed([*kept, pair]):
                kept.append(pair)
                left.remove(pair)
    return left


def _can_be_placed(stages: Sequence[tuple[str, Stage]]) -> bool:
    try:
        order_stages(stages)
    except MissingError:
        return False
    return True


def _ask_for(stage: Stage) -> Stage:
    """Return a stage that the config names: it must not be left out if it fails."""
    return replace(stage, run=replace(stage.run, asked=True)) if isinstance(stage.run, PluginStage) else stage


def _configure(stage: Stage, values: Mapping[str, Any]) -> Stage:
    settings = {**stage.settings, **{key: value for key, value in values.items() if key != SWITCH}}
    return replace(stage, run=partial(stage.run, **settings), settings=settings) if settings else stage


def order_stages(stages: Sequence[tuple[str, Stage]]) -> list[Stage]:
    """Return stages in the order they run in.

    A plugin's stage runs right after, or right before, the stage it names, and says whose it is (`PluginStage`). One
    that names none runs last, but before the report, which shows the files that the others write. Stages that name the
    same one keep the order of their plugins.

    Parameters
    ----------
    stages
        (plugin name, stage) pairs, runtree's own first.

    Raises
    ------
    MissingError
        Two stages of one name, an unknown name in `after` or `before`, or stages that wait for each other. The message
        names the plugin.
    """
    unique = unique_by_name("stage", stages)
    owners = {name: plugin for name, (plugin, _) in unique.items()}
    # a topological sort by hand: `graphlib` gives any valid order, and this one has to be the same each time and keep
    # neighbours together
    by_name = {name: stage for name, (_, stage) in unique.items()}
    predecessors = {stage.name: _predecessors(stage, by_name, owners) for stage in by_name.values()}
    remaining, ordered = list(by_name.values()), list[Stage]()
    builtin = next(iter(owners.values()), "")
    while remaining:
        finished = {stage.name for stage in ordered}
        ready = [stage for stage in remaining if predecessors[stage.name] <= finished]
        # a stage that stands ready is always placed, so none being ready means a cycle
        if not ready:
            cycle = ", ".join(f"'{stage.name}' of '{owners[stage.name]}'" for stage in remaining)
            raise MissingError(f"stages wait for each other: {cycle}")
        # a plugin's stage that names a neighbour goes first, or it would not stand right beside it
        placed = [stage for stage in ready if owners[stage.name] != builtin and (stage.after or stage.before)]
        following = (placed or sorted(ready, key=lambda stage: stage.name == REPORT))[0]
        remaining.remove(following)
        ordered.append(following)
    return [
        stage if owners[stage.name] == builtin else replace(stage, run=PluginStage(owners[stage.name], stage.run))
        for stage in ordered
    ]


@dataclass(frozen=True)
class PluginStage:
    """The function of a plugin's stage, whose it is, and whether the config names it."""

    plugin: str
    function: Callable[..., None]
    asked: bool = False

    def __call__(self, run: Any, **settings: Any) -> None:
        """Run the stage."""
        self.function(run, **settings)


def run_stage(stage: Stage, run: ActiveRun) -> bool:
    """Run a stage and return whether it succeeded.

    A plugin's stage that fails is left out with a warning, unless the config names it. A RuntreeError was raised on
    purpose, such as by a gate, and fails the run. A pruned run ends, whatever has become of the exception on its way
    through foreign code.
    """
    try:
        if not isinstance(stage.run, PluginStage):
            stage.run(run)
        else:
            with run.lent():
                stage.run(run)
    except BaseException as error:
        if run.pruned is not None and run.pruned is not error:
            raise run.pruned from error
        raise_if_ours(error)
        if isinstance(error, RuntreeError) or not isinstance(stage.run, PluginStage):
            named = run.named(error)
            if named is error:
                raise
            raise named from error
        failure = f"stage '{stage.name}' of the plugin '{stage.run.plugin}' failed: {describe_error(error)}"
        if stage.run.asked:
            raise RunFailedError(failure, f"without it: stages.{stage.name}.{SWITCH}=false") from error
        warn_of_fault(log, f"{failure}; it is left out")
        log.debug("", exc_info=error)
        return False
    if run.pruned is not None:
        raise run.pruned
    return True


def _predecessors(stage: Stage, by_name: Mapping[str, Stage], owners: Mapping[str, str]) -> set[str]:
    for name in (stage.after, stage.before):
        if name is not None and name not in by_name:
            raise unknown(
                f"stage in the plugin '{owners[stage.name]}' (stage '{stage.name}'):", name, owners, error=MissingError
            )
    names: set[str | None] = {stage.after}
    if stage.before and not stage.after:
        # right before: not earlier than the stage that the other one comes after
        names |= {by_name[stage.before].after} - {stage.name}
    names |= {neighbour.name for neighbour in by_name.values() if neighbour.before == stage.name}
    return {name for name in names if name is not None}


def load_stage(run: ActiveRun) -> None:
    """Fill `run.data`."""
    config = run.config.to_dict()
    # the seed decides which rows are sampled; without a sample all seeds share one table
    seed = run.seed if config["data"].get("sample") else 0
    # the whole node is the key: two runs share a table only if every option of the source is equal
    key = json.dumps([config["data"], seed], sort_keys=True, default=str)
    run.data = run.cached("data", key, lambda: load.load(config, run.trust))
    if (pin := table_options(config["data"]).fingerprint) is not None:
        description = load.describe_content(run.data)
        check_pin(pin, run.data.fingerprint, description, lambda: pinned_table(Path(config["outputs"]), str(pin)))
    log.info("data %s: %d rows x %d columns", run.data.name, load.row_count(run.data), run.data.features.shape[1])
    log.info("task %s: %s", run.data.task, run.data.reason)
    for note in run.data.notes:
        log.info("%s", note)


def check_stage(run: ActiveRun) -> None:
    """Build algorithm, fit plan and evaluator, and refuse what does not fit the task before any work is done."""
    config = run.config.to_dict()
    # the result is not used: an unknown metric is refused now rather than after the fit
    metrics.select_metrics(config["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue)
    metric, direction = metrics.objective(config["objective"], run.data.task, run.catalogue)
    # values that differ by task can only be resolved here, as the task may follow from the target
    options, iterations, node = resolve_fit_options(config, run.data.task)
    run.estimator = build_algorithm(node, run.data.task, run.trust, validate=not run.options.validated)
    run.plan = make_fit_plan(options, iterations, run.estimator, run.options.prunable, run.trust)
    calibrates = read_decision(run).calibrate is not None  # calibration makes probabilities of decision scores
    if metric.needs == "probability" and not hasattr(run.estimator, "predict_proba") and not calibrates:
        raise ConfigError(
            f"objective.metric: {metric.name} needs probabilities, and {type(run.estimator).__name__} gives none",
            "choose a metric of predicted classes: objective.metric=balanced_accuracy",
        )
    run.objective = metric, direction
    run.space = partial(algorithm_space, run)
    run.evaluator = build_evaluator(run)
    check_predicts(run)
    check_decision(run)
    check_target(run)
    check_imbalance(run)
    check_weights(run)
    check_batches(run)
    # now, and not when the model is saved: the files may be edited while the run lasts
    named = str(config["algorithm"].get("path") or "").replace(":", ".")
    targets = (*find_targets(config), *([named] if named else []))
    run.sources = run.cached("code", targets, lambda: find_sources(targets))
    if run.records and run.scored_splits == SPLITS:  # a run of a sweep keeps them with its model
        write_sources(run.sources, RunFolder(run.folder).code)


def check_predicts(run: ActiveRun) -> None:
    """Refuse to score predictions of an algorithm that makes none."""
    if not predicts(run.estimator) and getattr(run.evaluator, "reads_predictions", True):
        raise ConfigError(
            f"evaluator={run.config.evaluator.get('name')}: it scores predictions, and this algorithm makes none",
            "score what it reports: evaluator=reported",
            "or let it predict: 'algorithm.predict_command=[python, predict.py]'",
        )


def split_stage(run: ActiveRun) -> None:
    """Fill `run.split`, and write `data.json` unless the run is one of a sweep."""
    node = run.config.to_dict()["data"]
    options = run.cached("options", json.dumps(node, sort_keys=True, default=str), lambda: table_options(node))
    holds_out = run.evaluator.holds_out
    # everything that the split depends on, and nothing of the algorithm: all algorithms of a comparison share one split
    key = (run.data.fingerprint, options.key, run.seed, holds_out)
    run.split = run.cached("split", key, lambda: split.split(run.data, options, run.seed, holds_out))
    run.metadata["split"] = split.choose_strategy(run.data, options)
    if holds_out:  # whether folds have a value of the objective shows when they are scored
        check_objective_rows(run)
    check = getattr(run.evaluator, "check", None)
    if callable(check) and not run.options.validated:  # of a sweep the preflight has asked
        with naming_evaluator(run):
            check(run)
    sizes = {name: run.split.count(name) for name in SPLITS}
    log.info("split %s, seed %d: %s", run.metadata["split"], run.seed, sizes)
    for note in run.split.notes:
        log.info("%s", note)
    if run.scored_splits == SPLITS:  # else the run belongs to a sweep, and describes its data only if it is kept
        write_data_summary(run)


def write_data_summary(run: ActiveRun) -> None:
    """Write `data.json`."""
    write_json(RunFolder(run.folder).data, load.describe_table(run))


def algorithm_space(run: ActiveRun) -> list[Dimension]:
    """Return the dimensions that the algorithm's `space` declares, without those that an override sets."""
    config, task = run.config.to_dict(), run.data.task
    algorithm = config["algorithm"]
    # what the user has set on the command line is fixed: a search must not replace it
    overridden = {text.partition("=")[0].lstrip("+") for text in run.overrides}
    space = {key: text for key, text in (algorithm.get("space") or {}).items() if f"algorithm.{key}" not in overridden}
    values = {key: value.get(task) if differs_by_task(value) else value for key, value in algorithm.items()}
    return parse_space(space, "algorithm.", task, {**config, "algorithm": values}, seed=run.seed)


def evaluator_arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the evaluator itself: an `evaluator` node without `metrics` and the evaluation's keys."""
    return {key: value for key, value in node.items() if key not in ("metrics", *EVALUATION_KEYS)}


def build_evaluator(run: ActiveRun) -> Any:
    """Build the evaluator of a run."""
    evaluator = build(evaluator_arguments(run.config.to_dict()["evaluator"]), "evaluator", run.trust)
    # an allowed `_target_` may be any class; a missing method is named here and not by an AttributeError after the fit
    if not callable(getattr(evaluator, "evaluate", None)):
        raise ConfigError(f"evaluator: {type(evaluator).__name__} has no method 'evaluate'")
    return evaluator
