"""How much better a run predicts the test split than another model, in its ranking metric and in others."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions
from runtree.evaluation.context import EvaluationContext

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

OTHER_RESAMPLES = 1000  # for metrics that runs are not ranked by; Holm's correction over ten of them needs about 400
SIGNIFICANT_DIGITS = 3  # of gains in sentences


def compare_on_test(context: EvaluationContext, predictions: Predictions) -> dict[str, Any]:
    """Return the gain of the run over other predictions in the ranking metric on the test split: above 0 is better.

    ROC AUC of two classes is compared by DeLong's test, accuracy by McNemar's, any other metric by a paired bootstrap,
    or by the plain difference if `evaluator.intervals.resamples` is 0.
    """
    from runtree.statistics.paired_test import compare_predictions

    options, own = context.options.intervals, context.predictions["test"]
    comparison = compare_predictions(
        own, predictions, context.metric, options.resamples, options.level, context.run.seed, context.groups("test")
    )
    maximize = context.direction == "maximize"
    # a negated interval has its ends exchanged
    low, high = (comparison.low, comparison.high) if maximize else (-comparison.high, -comparison.low)
    return {
        "metric": context.metric.name,
        "part": "test",
        "value": _finite(comparison.value if maximize else -comparison.value),
        "low": _finite(low),
        "high": _finite(high),
        "p": _finite(comparison.p),
        "method": comparison.method,
        **({"note": comparison.note} if comparison.note else {}),
    }


def compare_by_other_metrics(
    context: EvaluationContext, own: Predictions, other: Predictions, groups: "Array | None"
) -> list[dict[str, Any]]:
    """Return the metrics other than the ranking one by which predictions are better or worse beyond chance.

    Paired bootstrap; p is corrected by Holm over all metrics.
    """
    from runtree.statistics.bootstrap import bootstrap_differences
    from runtree.statistics.comparison import holm

    options = context.options.intervals
    metrics = [metric for metric in context.metrics if metric is not context.metric]
    if not options.resamples or not metrics:
        return []
    resamples = min(options.resamples, OTHER_RESAMPLES)
    found = bootstrap_differences(own, other, metrics, resamples, options.level, context.run.seed, groups)
    corrected = holm([found[metric.name].p for metric in metrics])
    return [
        {"metric": metric.name, "better": (found[metric.name].value > 0) == (metric.direction == "maximize"), "p": p}
        for metric, p in zip(metrics, corrected, strict=True)
        if p < 1 - options.level
    ]


def compare_with_guessing(
    context: EvaluationContext, own: Predictions, constant: Predictions, groups: "Array | None"
) -> list[dict[str, Any]]:
    """Compare with a constant prediction, and by the metrics that seem better with the own predictions, shuffled.

    A constant never predicts the other class, so any guess has a better recall and F1. Shuffled over the rows, the
    model's own predictions are such a guess: they keep how often it says what, and know nothing of the row.
    """
    import numpy as np

    entries = compare_by_other_metrics(context, own, constant, groups)
    if not any(entry["better"] for entry in entries):
        return entries
    order = np.random.default_rng(context.run.seed).permutation(len(own.y_true))
    score = None if own.score is None else own.score[order]
    shuffled = Predictions(own.y_true, own.y_pred[order], score, own.classes)
    known = {entry["metric"] for entry in compare_by_other_metrics(context, own, shuffled, groups) if entry["better"]}
    return [entry for entry in entries if not entry["better"] or entry["metric"] in known]


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def is_tie(gain: Mapping[str, Any]) -> bool:
    """Return whether the interval of a gain holds 0."""
    low, high = gain["low"], gain["high"]
    return low is not None and high is not None and low <= 0 <= high


def format_gain(gain: Mapping[str, Any]) -> str:
    """Return ``+0.012 [-0.003, 0.03]``."""
    if gain["value"] is None:
        return "unknown"
    low, high = gain["low"], gain["high"]
    interval = f" [{low:.{SIGNIFICANT_DIGITS}g}, {high:.{SIGNIFICANT_DIGITS}g}]" if low is not None else ""
    return f"{gain['value']:+.{SIGNIFICANT_DIGITS}g}{interval}"
