"""The choice of a decision threshold: an objective is evaluated at many thresholds, and the best is taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Direction, Metric

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DEFAULT_THRESHOLD = 0.5
Number = float | int


@dataclass(frozen=True)
class ErrorCosts:
    """The cost of a false positive and of a false negative, in any unit; the positive class is `data.positive`."""

    false_positive: Number | None = None
    false_negative: Number | None = None


@dataclass(frozen=True)
class ThresholdObjective:
    """The objective that a threshold is chosen by.

    Attributes
    ----------
    value
        The value for true and predicted class positions.
    of_counts
        The values for many confusion matrices at once (true by predicted), or None if they do not determine the value.
    """

    name: str
    value: "Callable[[Array, Array], float]"
    direction: Direction
    of_counts: "Callable[[Array], Array] | None" = field(default=None)

    def gain(self, value: float, level: float) -> float:
        """Return how much better a value is than a level."""
        return value - level if self.direction == "maximize" else level - value


@dataclass(frozen=True)
class ThresholdCurve:
    """The value of the objective at each threshold; of equally good ones the nearest to 0.5 is chosen."""

    thresholds: tuple[float, ...]
    values: tuple[float, ...]
    chosen: float
    chosen_value: float
    usual_value: float


def metric_objective(metric: Metric) -> ThresholdObjective:
    """Return the objective for a metric of predicted classes."""
    from runtree.statistics.fast_metrics import CONFUSION_METRICS

    own = getattr(metric.function, "__module__", "") == "runtree.statistics.metrics"
    return ThresholdObjective(
        metric.name,
        lambda y_true, y_pred: metric.function(y_true, y_pred, labels=range(2)),
        metric.direction,
        CONFUSION_METRICS.get(metric.name) if own else None,  # a plugin's metric may share the name
    )


def cost_objective(cost: ErrorCosts) -> ThresholdObjective:
    """Return the mean cost of a row as the objective.

    Elkan 2001, "The foundations of cost-sensitive learning", IJCAI.
    """
    positive, negative = float(cost.false_positive or 0), float(cost.false_negative or 0)

    def value(y_true: "Array", y_pred: "Array") -> float:
        wrong = positive * ((y_true == 0) & (y_pred == 1)) + negative * ((y_true == 1) & (y_pred == 0))
        return float(wrong.mean())

    def of_counts(counts: "Array") -> "Array":
        costs: Array = (positive * counts[:, 0, 1] + negative * counts[:, 1, 0]) / counts.sum((1, 2))
        return costs

    return ThresholdObjective("cost", value, "minimize", of_counts)


def apply_threshold(y_proba: "Array", threshold: float) -> "Array":
    """Return 1 for each row whose probability of the positive class reaches the threshold, else 0."""
    y_pred: Array = (y_proba >= threshold).astype("int64")
    return y_pred


def candidate_thresholds(y_proba: "Array", most: int) -> "Array":
    """Return 0.5 and the midpoints between probabilities that occur; of more than `most` the quantiles, by rank."""
    import numpy as np

    distinct = np.unique(y_proba)
    # quantiles of all rows, not of the distinct values: where rows are dense the candidates are, too
    if len(distinct) > most:
        distinct = np.unique(np.quantile(y_proba, np.linspace(0, 1, most)))
    # midpoints, not the probabilities themselves: on other rows they leave a margin to both sides
    between = (distinct[1:] + distinct[:-1]) / 2
    # thresholds of 0 and 1 are left out: `decision.threshold` has to lie between, and they would predict one class for
    # all rows
    return np.unique([*between[(between > 0) & (between < 1)], DEFAULT_THRESHOLD])


def confusion_matrices(y_true: "Array", y_proba: "Array", thresholds: "Array") -> "Array":
    """Return the confusion matrix of each threshold: shape (thresholds, 2, 2), true by predicted.

    One sort and a binary search for each threshold, instead of a pass over all rows.
    """
    import numpy as np

    # side="left" counts the probabilities below the threshold; a row at the threshold is positive, as in
    # `apply_threshold`
    below = [np.searchsorted(np.sort(y_proba[y_true == code]), thresholds, side="left") for code in (0, 1)]
    rows = [int((y_true == code).sum()) for code in (0, 1)]
    both = [np.stack([low, count - low], axis=1) for low, count in zip(below, rows, strict=True)]
    return np.stack(both, axis=1)


def score_thresholds(
    y_true: "Array", y_proba: "Array", objective: ThresholdObjective, most: int = 200
) -> ThresholdCurve:
    """Evaluate the objective at about `most` thresholds; `y_proba` holds the probability of the positive class."""
    import numpy as np

    thresholds = candidate_thresholds(y_proba, most)
    if objective.of_counts is not None:
        values = objective.of_counts(confusion_matrices(y_true, y_proba, thresholds))
    else:
        values = np.array([objective.value(y_true, apply_threshold(y_proba, value)) for value in thresholds])
    gains = values if objective.direction == "maximize" else -values
    # values that differ in the last digits only are equal: rounding must not decide against the default threshold
    best = np.flatnonzero(gains >= gains.max() - 1e-12)
    chosen = int(best[np.abs(thresholds[best] - DEFAULT_THRESHOLD).argmin()])
    # exact, as candidate_thresholds always contains 0.5
    usual = float(values[np.searchsorted(thresholds, DEFAULT_THRESHOLD)])
    return ThresholdCurve(
        tuple(thresholds.tolist()), tuple(values.tolist()), float(thresholds[chosen]), float(values[chosen]), usual
    )
