"""The built-in stages, each filling one slot of a run."""

import json
import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.config.catalogue import differs_by_task
from runtree.config.space.dimensions import parse_space
from runtree.contract.errors import ConfigError
from runtree.contract.run import Run
from runtree.contract.science import LOOKED_AT
from runtree.contract.search import Dimension
from runtree.contract.types import PARTS, Stage
from runtree.lifecycle import fit, load, metrics, split
from runtree.lifecycle.decision.allowed import asked_of, check_decision
from runtree.lifecycle.fitting.plan import make_plan, settle
from runtree.lifecycle.folding.bench import variant
from runtree.lifecycle.folding.each import Folding
from runtree.lifecycle.order import REPORT
from runtree.lifecycle.report import report
from runtree.lifecycle.save import save
from runtree.lifecycle.score import score
from runtree.lifecycle.table_options import table_options
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json

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
    config = run.config.plain()
    asked = json.dumps([config["data"], run.seed if config["data"].get("sample") else 0], sort_keys=True, default=str)
    run.data = run.recall("data", asked, lambda: load.load(config, run.trust))
    log.info("data %s: %d rows x %d columns", run.data.name, *run.data.features.shape)
    log.info("task %s: %s", run.data.task, run.data.reason)


def check_stage(run: Run) -> None:
    """Refuse metrics, an objective, an algorithm or an evaluator that do not fit the task, before any work is done."""
    config = run.config.plain()
    metrics.choose(config["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue)
    ranked, direction = metrics.objective(config["objective"], run.data.task, run.catalogue)
    options, iterations, node = settle(config, run.data.task)
    run.estimator = build_algorithm(node, run.data.task, run.trust, validate=not run.probed)
    run.plan = make_plan(options, iterations, run.estimator, run.prunes, run.trust)
    calibrates = asked_of(run).calibrate is not None  # which gives chances to whom has none
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
    node = run.config.plain()["data"]
    options = run.recall("options", json.dumps(node, sort_keys=True, default=str), lambda: table_options(node))
    held_out = run.evaluator.holds_out
    asked = (run.data.fingerprint, options.key, run.seed, held_out)
    run.split = run.recall("split", asked, lambda: split.split(run.data, options, run.seed, held_out))
    run.facts["split"] = split.choose(run.data, options)
    sizes = {part: len(run.split.rows(part)) for part in PARTS}
    log.info("split %s, seed %d: %s", run.facts["split"], run.seed, sizes)
    if run.parts == PARTS:
        describe(run)


def describe(run: Run) -> None:
    """Write `data.json`."""
    write_json(RunFolder(run.folder).data, load.describe(run))


def fit_stage(run: Run) -> None:
    """Fill `run.each_fold` and `run.model`; an evaluator that searches is asked first which algorithm that is to be."""
    run.each_fold = folding = Folding(run)
    choose = getattr(run.evaluator, "choose", None)
    if choose is not None:
        chosen = choose(run)
        run.choose(chosen, *variant(run, chosen.values))
        folding.follow()
        log.info("chosen of %d candidates: %s (%.6g)", chosen.tried, dict(chosen.values), chosen.score)
    clock = time.monotonic()
    run.model = fit.fit(run)
    folding.expected = time.monotonic() - clock


def own_space(run: Run) -> list[Dimension]:
    """Return what the algorithm's own `space` declares; what was typed is settled, and not searched."""
    config, task = run.config.plain(), run.data.task
    algorithm = config["algorithm"]
    typed = {text.partition("=")[0].lstrip("+") for text in run.overrides}
    own = {key: text for key, text in (algorithm.get("space") or {}).items() if f"algorithm.{key}" not in typed}
    held = {key: value.get(task) if differs_by_task(value) else value for key, value in algorithm.items()}
    return parse_space(own, "algorithm.", task, {**config, "algorithm": held}, seed=run.seed)


def evaluator_arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the evaluator itself: an `evaluator` node without `metrics` and the evaluation's keys."""
    return {key: value for key, value in node.items() if key not in ("metrics", *LOOKED_AT)}


def evaluator(run: Run) -> Any:
    """Build the evaluator of a run; its metrics are chosen by name, not by it."""
    node = run.config.plain()["evaluator"]
    found = build(evaluator_arguments(node), "evaluator", run.trust)
    if not callable(getattr(found, "evaluate", None)):
        raise ConfigError(f"evaluator: {type(found).__name__} has no 'evaluate'")
    return found
