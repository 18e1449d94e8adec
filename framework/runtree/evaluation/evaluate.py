"""The evaluation's stages: validate its options before the fit, and evaluate the saved model."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import ConfigError, RuntreeError, first_line, raise_if_ours, unknown
from runtree.contract.run import Stage
from runtree.evaluation.baselines import BASELINE_NAMES, compare_with_baselines, selected_baselines
from runtree.evaluation.context import EvaluationContext, make_evaluation_context
from runtree.evaluation.diagnosis.registry import DIAGNOSES
from runtree.evaluation.fairness import check_columns, check_metrics, measure_fairness
from runtree.evaluation.gate import (
    CHAMPION,
    check_champion,
    check_condition,
    check_gate,
    check_gate_rows,
    failed_gates,
    gate_conditions,
)
from runtree.evaluation.importance import feature_dependence, feature_importance
from runtree.evaluation.options import EvaluationOptions, read_evaluation_options
from runtree.evaluation.representation import measure_representation
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationStep:
    """One part of the evaluation; `name` is its key in `evaluation.json`, where a result of None is left out."""

    name: str
    function: Callable[[EvaluationContext], Any]


def stages() -> list[Stage]:
    """Return the stages that the evaluation adds to those of a run."""
    return [
        # A gate that cannot be computed must stop a run before its fit: hours later would be too late.
        Stage("validate_evaluation", validate_options, after="check", before="split"),
        # The champion must have been scored on the same test rows, and a bounded metric must be defined on its rows,
        # which are known once the table is split.
        Stage("validate_gate", validate_gate, after="split", before="fit"),
        Stage("evaluate", evaluate, after="save", before="report"),
    ]


def validate_options(run: ActiveRun) -> None:
    """Refuse baselines, gate conditions, and fairness columns and metrics that this run cannot have.

    Raises
    ------
    RuntreeError
        With the config path; `MissingError` if fairness is requested and the extra is not installed.
    """
    options = read_evaluation_options(run.config.to_dict()["evaluator"])
    if options.strict:
        _check_statements(run)
    _check_baselines(options)
    _check_conditions(run, options)
    if options.fairness.columns:
        check_columns(run.data, options.fairness.columns)
        check_metrics(run, options.fairness)


def _check_statements(run: ActiveRun) -> None:
    """Refuse a run that does not state what its table is and what it is for."""
    node = run.config.to_dict()
    blocks = {"data.card": node["data"].get("card") or {}, "problem": node.get("problem") or {}}
    absent = [f"{path}.{key}" for path, block in blocks.items() for key, text in block.items() if not text]
    absent += [path for path, block in blocks.items() if not block]
    if absent:
        raise ConfigError(
            f"evaluator.strict: {len(absent)} texts are not stated: {', '.join(absent)}",
            f"state them, on the command line or in your config: {absent[0]}='…'",
        )


def _check_baselines(options: EvaluationOptions) -> None:
    names = options.baselines
    # these two are words of the option, not names of baselines
    if names in ("auto", "none"):
        return
    for name in [names] if isinstance(names, str) else names:
        if name not in BASELINE_NAMES:
            raise unknown(
                "baseline at evaluator.baselines:", name, [*BASELINE_NAMES, "auto", "none"], error=ConfigError
            )


def _check_conditions(run: ActiveRun, options: EvaluationOptions) -> None:
    node, task = run.config.to_dict(), run.data.task
    selected = metrics.select_metrics(node["evaluator"].get("metrics", "auto"), task, run.catalogue)
    ranked, _ = metrics.objective(node["objective"], task, run.catalogue)
    # the ranking metric is scored even if `evaluator.metrics` does not name it, so a bound on it is possible
    scored = {metric.name: metric for metric in (*selected, ranked)}
    known = [name for name, metric in run.catalogue.items() if task in metric.tasks]
    opponents = [baseline.name for baseline in selected_baselines(options.baselines)]
    opponents += [CHAMPION] if options.benchmark.run is not None else []
    for condition in gate_conditions(options.benchmark.metrics, options.benchmark.run):
        check_condition(condition, scored, known, opponents, intervals=options.intervals.resamples > 0)


def validate_gate(run: ActiveRun) -> None:
    """Refuse bounds that no model can meet on these rows, and a champion that was scored on others."""
    node = run.config.to_dict()
    options = read_evaluation_options(node["evaluator"])
    champion = options.benchmark.run
    check_gate_rows(run, gate_conditions(options.benchmark.metrics, champion), options.intervals.level)
    if champion is not None:
        check_champion(run, champion, metrics.objective(node["objective"], run.data.task, run.catalogue)[0])


def evaluate(run: ActiveRun) -> None:
    """Evaluate a run that is scored and saved, and write `evaluation.json`."""
    if not getattr(run.evaluator, "reads_predictions", True):
        log.info("no evaluation: there are no predictions, only what the algorithm has reported")
        return
    context = make_evaluation_context(run)
    seconds: dict[str, float] = {}
    for step in STEPS:
        clock = time.monotonic()
        result = _run_step(step, context)
        seconds[step.name] = round(time.monotonic() - clock, 6)
        if result is not None:
            context.results[step.name] = result
    # once, at the end: `evaluation.json` is complete or does not exist
    write_json(RunFolder(run.folder).evaluation, {**context.results, "seconds": seconds})
    run.failed_gates = failed_gates(context)


def _run_step(step: EvaluationStep, context: EvaluationContext) -> Any:
    try:
        return step.function(context)
    except RuntreeError:
        raise
    except BaseException as error:  # the model is trained and saved by now: a failed step must not fail the run
        raise_if_ours(error)
        log.warning("%s is left out: %s: %s", step.name, type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
        return None


def metric_intervals(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the bootstrap interval of each test metric; where the table is split by groups, groups are resampled."""
    from runtree.statistics.bootstrap import METHOD, bootstrap
    from runtree.statistics.resampling import TRUSTED_GROUPS

    options = context.options.intervals
    if not options.resamples or context.test_rows is None:
        return None
    predictions, groups = context.test_rows
    count = 0 if groups is None else len(set(groups.tolist()))
    whose = "the test split has" if len(context.run.split.train) else "the rows have"
    note = f"{whose} {count} groups, and intervals from fewer than {TRUSTED_GROUPS} are too narrow"
    intervals = bootstrap(predictions, context.metrics, options.resamples, options.level, context.run.seed, groups)
    known = any(interval.known for interval in intervals.values())
    return {
        "level": options.level,
        "resamples": options.resamples,
        "method": METHOD,
        "drawn": "rows" if groups is None else "groups",
        **({"groups": count} if count else {}),
        **({"note": note} if 0 < count < TRUSTED_GROUPS and known else {}),
        "test": {name: interval.to_dict() for name, interval in intervals.items()},
    }


# The order matters: the gate reads intervals and baselines, dependence reads importance, and the diagnosis reads all.
STEPS: tuple[EvaluationStep, ...] = (
    EvaluationStep("test_looks", lambda context: dict(context.run.test_access)),
    EvaluationStep("intervals", metric_intervals),
    EvaluationStep("baselines", compare_with_baselines),
    EvaluationStep("benchmark", check_gate),
    EvaluationStep("representation", measure_representation),
    EvaluationStep("fairness", measure_fairness),
    EvaluationStep("importance", feature_importance),
    EvaluationStep("dependence", feature_dependence),
    *(EvaluationStep(name, function) for name, function in DIAGNOSES.items()),
)
