"""The scores of a saved model on rows that its run has not seen, beside those of the run's own test split."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import RuntreeError, describe_error, raise_if_ours
from runtree.contract.predictions import Predictions
from runtree.contract.types import Split, Table
from runtree.evaluation.baseline_gain import compare_on_test
from runtree.evaluation.context import EvaluationContext, make_evaluation_context
from runtree.evaluation.diagnosis.probabilities import calibration_curve
from runtree.evaluation.evaluate import metric_intervals
from runtree.evaluation.fairness import check_columns, check_metrics, measure_fairness
from runtree.evaluation.gate import check_condition, check_gate, gate_conditions
from runtree.evaluation.options import GateOptions
from runtree.evaluation.representation import measure_representation, representation_findings
from runtree.training.active_run import ActiveRun
from runtree.training.decision import DECISION_KEY, read_decision, threshold_objective
from runtree.training.row_weights import population
from runtree.training.thresholds import DEFAULT_THRESHOLD, apply_threshold, metric_objective, score_thresholds

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SPLIT = "test"  # the rows are the test split of a run that has no other
BASELINE = "dummy"
CLASS_SHARES, MEAN = "class shares of the train split", "mean of the train split"


def make_context(run: ActiveRun, table: Table, predictions: Predictions) -> EvaluationContext:
    """Return the context of a run whose test split are these rows, and which has no other split."""
    import numpy as np
    import pandas as pd

    nobody, rows = np.arange(0), np.arange(len(predictions.y_true))
    # a file may spell its labels and numbers otherwise than the table of the run
    values = np.asarray(table.classes, dtype=object)[predictions.y_true] if table.classes else predictions.y_true
    target = pd.Series(values, table.features.index, name=table.target.name)
    run.data, run.split = replace(table, target=target), Split(nobody, nobody, rows, id="")
    run.predictions = predictions.frame(rows, SPLIT)
    if table.groups is not None:
        run.metadata["split"] = "group"
    context = make_evaluation_context(run)
    scores = predictions.values(context.metrics)
    run.metrics = {SPLIT: {name: value for name, value in scores.items() if math.isfinite(value)}}
    run.undefined[SPLIT] = {
        metric.name: predictions.undefined_reason(metric)
        for metric in context.metrics
        if metric.name not in run.metrics[SPLIT]
    }
    return context


def evaluate_rows(
    context: EvaluationContext, trained_target: "Array | None", test_scores: Mapping[str, Any], test_limits: Any
) -> dict[str, Any]:
    """Return intervals, differences from the run's own test scores, baseline, calibration, threshold, fairness, gate.

    Parameters
    ----------
    trained_target
        The encoded target of the train rows; None if it is not known.
    test_scores, test_limits
        The run's own test metrics, and their intervals.
    """
    results, notes = context.results, []
    results["metrics"] = context.run.metrics[SPLIT]
    results["undefined"] = context.run.undefined[SPLIT]
    results["intervals"] = _without_nan(metric_intervals(context))
    results["run_metrics"] = dict(test_scores)
    limits = (results["intervals"] or {}).get(SPLIT, {})
    results["differences"] = {
        name: difference(results["metrics"], limits, test_scores, test_limits or {}, name)
        for name in results["metrics"]
        if isinstance(test_scores.get(name), float)
    }
    if SPLIT in context.predictions:
        results["baselines"] = [] if trained_target is None else [no_skill_baseline(context, trained_target)]
        results["calibration"] = calibration_curve(context)
        results["threshold"] = threshold_report(context)
    notes += _add_representation(context)
    notes += add_fairness(context)
    # last, as it reads the others
    results["benchmark"] = check_gate(with_applicable_gate(context))
    _, left_out = applicable_conditions(context.options.benchmark)
    if left_out:
        notes.append(f"not checked, as they are about the training: {', '.join(left_out)}")
    results["notes"] = notes
    return results


def _without_nan(node: Any) -> Any:
    """Return nested results as a file has them: null for what is not known."""
    if isinstance(node, dict):
        return {key: _without_nan(value) for key, value in node.items()}
    return None if isinstance(node, float) and not math.isfinite(node) else node


def difference(
    scores: Mapping[str, float],
    limits: Mapping[str, Mapping[str, Any]],
    run_scores: Mapping[str, float],
    run_limits: Mapping[str, Mapping[str, Any]],
    name: str,
) -> dict[str, float | None]:
    """Return by how much a score differs from the run's own, with an interval: the rows are other rows.

    The interval is made of those of both scores (MOVER; Zou & Donner 2008, doi:10.1002/sim.3095).
    """
    value, reference = scores[name], run_scores[name]
    change: dict[str, float | None] = {"value": value - reference, "low": None, "high": None}
    own, other = limits.get(name) or {}, run_limits.get(name) or {}
    if any(interval.get(end) is None for interval in (own, other) for end in ("low", "high")):
        return change
    low, high, run_low, run_high = own["low"], own["high"], other["low"], other["high"]
    return change | {
        "low": value - reference - math.hypot(value - low, run_high - reference),
        "high": value - reference + math.hypot(high - value, reference - run_low),
    }


def no_skill_baseline(context: EvaluationContext, trained_target: "Array") -> dict[str, Any]:
    """Return the scores of what predicts the train split's class shares, or its mean, and the model's gain."""
    import numpy as np

    own = context.predictions[SPLIT]
    rows, classes = len(own.y_true), own.classes
    if classes:
        shares = np.bincount(trained_target, minlength=len(classes)) / len(trained_target)
        constant = Predictions(own.y_true, np.full(rows, shares.argmax()), np.tile(shares, (rows, 1)), classes)
    else:
        constant = Predictions(own.y_true, np.full(rows, trained_target.mean()), None, ())
    return {
        "name": BASELINE,
        "algorithm": CLASS_SHARES if classes else MEAN,
        "metrics": {SPLIT: constant.values(context.metrics)},
        "gain": compare_on_test(context, constant),
    }


def threshold_report(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the value of the model's threshold on these rows, and the best there; None unless there are two classes.

    The best is chosen on the rows that it is scored on, so its value is optimistic.
    """
    own = context.predictions[SPLIT]
    if own.score is None or len(own.classes) != 2 or len({*own.y_true.tolist()}) < 2:
        return None
    options = read_decision(context.run)
    if isinstance(options.threshold, str):
        objective = threshold_objective(context.run, options)
    else:
        by_prediction = context.metric.needs == "prediction"
        objective = metric_objective(context.metric if by_prediction else context.run.catalogue["balanced_accuracy"])
    used = (context.run.metadata.get(DECISION_KEY) or {}).get("threshold") or DEFAULT_THRESHOLD
    curve = score_thresholds(own.y_true, own.score[:, 1], objective)
    value = objective.value(own.y_true, apply_threshold(own.score[:, 1], used))
    return {"used": used, "by": objective.name, "value": value, "best": curve.chosen, "best_value": curve.chosen_value}


def applicable_conditions(gate: GateOptions) -> tuple[list[str], list[str]]:
    """Return the bounds of a gate that new rows can meet, and the others: on the training, or on other models."""
    conditions = gate_conditions(gate.metrics, gate.run)
    known = [condition.text for condition in conditions if _is_of_rows(condition.parts)]
    return known, [condition.text for condition in conditions if condition.text not in known]


def _is_of_rows(parts: Sequence[str]) -> bool:
    return parts[0] == SPLIT or tuple(parts) == ("gain", BASELINE)


def check_bounds(context: EvaluationContext, known: Collection[str]) -> None:
    """Refuse bounds on metrics that are not scored; `known` are all metrics of the task."""
    texts, _ = applicable_conditions(context.options.benchmark)
    scored = {metric.name: metric for metric in context.metrics}
    for condition in gate_conditions(texts, None):
        check_condition(condition, scored, known, [BASELINE], context.options.intervals.resamples > 0)


def with_applicable_gate(context: EvaluationContext) -> EvaluationContext:
    """Return the same context with those bounds of the gate alone that new rows can meet."""
    conditions, _ = applicable_conditions(context.options.benchmark)
    return replace(context, options=replace(context.options, benchmark=GateOptions(conditions)))


def _add_representation(context: EvaluationContext) -> list[str]:
    """Measure the shares of groups as the run does; return which groups are under-represented."""
    try:
        check_columns(context.run.data, [*context.options.fairness.columns, *population(context.run)])
        context.results["representation"] = measure_representation(context)
    except RuntreeError as error:
        return [f"the shares of groups are not measured: {error.message}"]
    return [finding.says for finding in representation_findings(context)]


def add_fairness(context: EvaluationContext) -> list[str]:
    """Measure fairness as the run does; return why a gap that is bounded is not known."""
    options = context.options.fairness
    if not options.columns or options.metrics == []:
        return []
    try:
        check_columns(context.run.data, options.columns)
        check_metrics(context.run, options)
        context.results["fairness"] = measure_fairness(context)
    except RuntreeError as error:
        return [f"fairness is not measured: {error.message}"]
    except BaseException as error:
        raise_if_ours(error)
        return [f"fairness is not measured: {describe_error(error)}"]
    return []
