"""The order of stages, from `after` and `before`. A loop or an unknown name is an error with the plugin's name."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.config.catalogue import differs_by_task
from runtree.config.space.dimensions import parse_space
from runtree.contract.errors import ConfigError, MissingError, unknown
from runtree.contract.fingerprint import EVALUATION_KEYS
from runtree.contract.protocols import Hooks
from runtree.contract.run import Run, Stage
from runtree.contract.search import Dimension
from runtree.contract.types import SPLITS
from runtree.lifecycle import fit, load, split
from runtree.lifecycle.load import table_options
from runtree.lifecycle.save import report, save
from runtree.lifecycle.score import score
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.training.decision import check_decision, read_decision
from runtree.training.fit_plan import make_fit_plan, resolve_fit_options
from runtree.training.fold_context import build_variant
from runtree.training.fold_runner import PipelineFoldRunner

REPORT = "report"


def stages_before_fit(hooks: Hooks) -> list[Stage]:
    """Return the stages that load, check and split the table, those of plugins among them, in their order."""
    stages = order_stages(list(hooks.contributions("register_stages")))
    return stages[: [stage.name for stage in stages].index("fit")]


def order_stages(stages: Sequence[tuple[str, Stage]]) -> list[Stage]:
    """Return stages in the order they run in; `stages` holds (plugin name, stage) pairs, runtree's own first.

    A plugin's stage stands right after, or right before, the one it names; one that names nothing comes last, but
    before the report, which tells what all of them left. Stages
    with the same wish keep the order of registration.
    """
    owners: dict[str, str] = {}
    for plugin, stage in stages:
        if stage.name in owners:
            raise MissingError(f"stage '{stage.name}' is registered twice: by '{owners[stage.name]}' and by '{plugin}'")
        owners[stage.name] = plugin
    known = {stage.name: stage for _, stage in stages}
    waits = {stage.name: _waits_for(stage, known, owners) for stage in known.values()}
    return _walk(list(known.values()), waits, owners)


def _waits_for(stage: Stage, known: Mapping[str, Stage], owners: Mapping[str, str]) -> set[str]:
    for other in (stage.after, stage.before):
        if other is not None and other not in known:
            raise unknown(
                f"stage in the plugin '{owners[stage.name]}' (stage '{stage.name}'):", other, owners, error=MissingError
            )
    first: set[str | None] = {stage.after}
    if stage.before and not stage.after:  # right before: not earlier than what the other stands after
        first |= {known[stage.before].after} - {stage.name}
    first |= {other.name for other in known.values() if other.before == stage.name}
    return {name for name in first if name is not None}


def _walk(left: list[Stage], waits: Mapping[str, set[str]], owners: Mapping[str, str]) -> list[Stage]:
    done: list[Stage] = []
    own = next(iter(owners.values()), "")
    while left:
        names = {stage.name for stage in done}
        free = [stage for stage in left if waits[stage.name] <= names]
        if not free:
            knot = ", ".join(f"'{stage.name}' of '{owners[stage.name]}'" for stage in left)
            raise MissingError(f"stages wait for each other: {knot}")
        wishing = [stage for stage in free if owners[stage.name] != own and (stage.after or stage.before)]
        chosen = (wishing or sorted(free, key=lambda stage: stage.name == REPORT))[0]
        left.remove(chosen)
        done.append(chosen)
    return done


# --- The built-in stages, each filling one slot of a run.

log = logging.getLogger(__name__)

SAVE = "save"  # where a run that is not kept stops


def stages() -> list[Stage]:
    """Return the stages of every run."""
    return [
        Stage("load", load_stage),
        Stage("check", check_stage, after="load"),
        Stage("split", split_stage, after="check"),
        Stage("fit", fit_stage, after="split"),
        Stage("score", score, after="fit"),
        Stage(SAVE, save, after="score"),
        Stage(REPORT, report, after=SAVE),
    ]


def load_stage(run: Run) -> None:
    """Fill `run.data`."""
    config = run.config.to_dict()
    asked = json.dumps([config["data"], run.seed if config["data"].get("sample") else 0], sort_keys=True, default=str)
    run.data = run.cached("data", asked, lambda: load.load(config, run.trust))
    log.info("data %s: %d rows x %d columns", run.data.name, *run.data.features.shape)
    log.info("task %s: %s", run.data.task, run.data.reason)


def check_stage(run: Run) -> None:
    """Refuse metrics, an objective, an algorithm or an evaluator that do not fit the task, before any work is done."""
    config = run.config.to_dict()
    metrics.select_metrics(config["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue)
    ranked, direction = metrics.objective(config["objective"], run.data.task, run.catalogue)
    options, iterations, node = resolve_fit_options(config, run.data.task)
    run.estimator = build_algorithm(node, run.data.task, run.trust, validate=not run.validated)
    run.plan = make_fit_plan(options, iterations, run.estimator, run.prunable, run.trust)
    calibrates = read_decision(run).calibrate is not None  # which gives chances to whom has none
    if ranked.needs == "probability" and not hasattr(run.estimator, "predict_proba") and not calibrates:
        raise ConfigError(
            f"objective.metric: {ranked.name} needs probabilities, and {type(run.estimator).__name__} gives none",
            "choose a metric of predicted classes: objective.metric=balanced_accuracy",
        )
    run.objective = ranked, direction
    run.space = partial(own_space, run)
    run.evaluator = evaluator(run)
    check_decision(run)


def split_stage(run: Run) -> None:
    """Fill `run.split` and write `data.json`."""
    node = run.config.to_dict()["data"]
    options = run.cached("options", json.dumps(node, sort_keys=True, default=str), lambda: table_options(node))
    held_out = run.evaluator.holds_out
    asked = (run.data.fingerprint, options.key, run.seed, held_out)
    run.split = run.cached("split", asked, lambda: split.split(run.data, options, run.seed, held_out))
    run.metadata["split"] = split.choose(run.data, options)
    sizes = {part: len(run.split.rows(part)) for part in SPLITS}
    log.info("split %s, seed %d: %s", run.metadata["split"], run.seed, sizes)
    if run.scored_splits == SPLITS:
        describe(run)


def describe(run: Run) -> None:
    """Write `data.json`."""
    write_json(RunFolder(run.folder).data, load.describe_table(run))


def fit_stage(run: Run) -> None:
    """Fill `run.fit_folds` and `run.model`; an evaluator that searches is asked first which algorithm that is to be."""
    run.fit_folds = folding = PipelineFoldRunner(run)
    choose = getattr(run.evaluator, "choose", None)
    if choose is not None:
        chosen = choose(run)
        run.use_search_result(chosen, *build_variant(run, chosen.values))
        folding.reset_algorithm()
        log.info("chosen of %d candidates: %s (%.6g)", chosen.tried, dict(chosen.values), chosen.score)
    clock = time.monotonic()
    run.model = fit.fit(run)
    folding.expected_seconds = time.monotonic() - clock


def own_space(run: Run) -> list[Dimension]:
    """Return what the algorithm's own `space` declares; what was typed is settled, and not searched."""
    config, task = run.config.to_dict(), run.data.task
    algorithm = config["algorithm"]
    typed = {text.partition("=")[0].lstrip("+") for text in run.overrides}
    own = {key: text for key, text in (algorithm.get("space") or {}).items() if f"algorithm.{key}" not in typed}
    held = {key: value.get(task) if differs_by_task(value) else value for key, value in algorithm.items()}
    return parse_space(own, "algorithm.", task, {**config, "algorithm": held}, seed=run.seed)


def evaluator_arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the evaluator itself: an `evaluator` node without `metrics` and the evaluation's keys."""
    return {key: value for key, value in node.items() if key not in ("metrics", *EVALUATION_KEYS)}


def evaluator(run: Run) -> Any:
    """Build the evaluator of a run; its metrics are chosen by name, not by it."""
    node = run.config.to_dict()["evaluator"]
    found = build(evaluator_arguments(node), "evaluator", run.trust)
    if not callable(getattr(found, "evaluate", None)):
        raise ConfigError(f"evaluator: {type(found).__name__} has no 'evaluate'")
    return found
