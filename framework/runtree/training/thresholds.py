"""Where to cut a chance: every threshold's worth on some rows, and the best of them."""

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
    """What a wrong answer costs, in any unit: a row that is taken for the second class, and one that is missed."""

    false_positive: Number | None = None
    false_negative: Number | None = None


@dataclass(frozen=True)
class ThresholdObjective:
    """What a threshold is judged by.

    Attributes
    ----------
    value
        Of codes that are true and codes that are answered.
    of_counts
        The same of many confusion matrices at once, true by answered, where it depends on these alone; else None.
    """

    name: str
    value: "Callable[[Array, Array], float]"
    direction: Direction
    of_counts: "Callable[[Array], Array] | None" = field(default=None)

    def gain(self, value: float, level: float) -> float:
        """Return by how much a value is better than a level."""
        return value - level if self.direction == "maximize" else level - value


@dataclass(frozen=True)
class ThresholdCurve:
    """The worth of each threshold, and the best: of equals the one nearest to a half."""

    thresholds: tuple[float, ...]
    values: tuple[float, ...]
    chosen: float
    chosen_value: float
    usual_value: float


def metric_objective(metric: Metric) -> ThresholdObjective:
    """Judge by a metric of predicted classes."""
    from runtree.statistics.fast_metrics import CONFUSION_METRICS

    own = getattr(metric.function, "__module__", "") == "runtree.statistics.metrics"
    return ThresholdObjective(
        metric.name,
        lambda truth, answer: metric.function(truth, answer, labels=range(2)),
        metric.direction,
        CONFUSION_METRICS.get(metric.name) if own else None,  # a plugin's of the same name is not known here
    )


def cost_objective(cost: ErrorCosts) -> ThresholdObjective:
    """Judge by the mean cost of a row, in the unit of the costs (Elkan 2001, "The foundations of cost-sensitive

    learning", IJCAI).
    """
    positive, negative = float(cost.false_positive or 0), float(cost.false_negative or 0)

    def value(truth: "Array", answer: "Array") -> float:
        wrong = positive * ((truth == 0) & (answer == 1)) + negative * ((truth == 1) & (answer == 0))
        return float(wrong.mean())

    def of_counts(counts: "Array") -> "Array":
        found: Array = (positive * counts[:, 0, 1] + negative * counts[:, 1, 0]) / counts.sum((1, 2))
        return found

    return ThresholdObjective("cost", value, "minimize", of_counts)


def apply_threshold(chance: "Array", threshold: float) -> "Array":
    """Return the codes that a threshold makes of the chance of the second class: 1 from the threshold on."""
    codes: Array = (chance >= threshold).astype("int64")
    return codes


def candidate_thresholds(chance: "Array", most: int) -> "Array":
    """Return the thresholds worth a look: a half, and midpoints between chances that occur, evenly by rank."""
    import numpy as np

    seen = np.unique(chance)
    if len(seen) > most:
        seen = np.unique(np.quantile(chance, np.linspace(0, 1, most)))
    between = (seen[1:] + seen[:-1]) / 2
    return np.unique([*between[(between > 0) & (between < 1)], DEFAULT_THRESHOLD])


def confusion_matrices(truth: "Array", chance: "Array", thresholds: "Array") -> "Array":
    """Return the confusion matrix of each threshold: of shape (thresholds, 2, 2), true by answered."""
    import numpy as np

    below = [np.searchsorted(np.sort(chance[truth == code]), thresholds, side="left") for code in (0, 1)]
    rows = [int((truth == code).sum()) for code in (0, 1)]
    both = [np.stack([low, count - low], axis=1) for low, count in zip(below, rows, strict=True)]
    return np.stack(both, axis=1)


def score_thresholds(truth: "Array", chance: "Array", worth: ThresholdObjective, most: int = 200) -> ThresholdCurve:
    """Judge at most about `most` thresholds on rows of which the codes and the chance of the second class are given."""
    import numpy as np

    found = candidate_thresholds(chance, most)
    if worth.of_counts is not None:
        values = worth.of_counts(confusion_matrices(truth, chance, found))
    else:
        values = np.array([worth.value(truth, apply_threshold(chance, one)) for one in found])
    gains = values if worth.direction == "maximize" else -values
    best = np.flatnonzero(gains >= gains.max() - 1e-12)
    chosen = int(best[np.abs(found[best] - DEFAULT_THRESHOLD).argmin()])
    usual = float(values[np.searchsorted(found, DEFAULT_THRESHOLD)])
    return ThresholdCurve(
        tuple(found.tolist()), tuple(values.tolist()), float(found[chosen]), float(values[chosen]), usual
    )
