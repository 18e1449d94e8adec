"""Where to cut a chance: every threshold's worth on some rows, and the best of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Direction, Metric
from runtree.lifecycle.decision.options import Cost

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

USUAL = 0.5


@dataclass(frozen=True)
class Worth:
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
class Curve:
    """The worth of each threshold, and the best: of equals the one nearest to a half."""

    thresholds: tuple[float, ...]
    values: tuple[float, ...]
    chosen: float
    chosen_value: float
    usual_value: float


def by_metric(metric: Metric) -> Worth:
    """Judge by a metric of predicted classes."""
    from runtree.statistics.confusion import SCORES

    own = getattr(metric.function, "__module__", "") == "runtree.lifecycle.metrics"
    return Worth(
        metric.name,
        lambda truth, answer: metric.function(truth, answer, labels=range(2)),
        metric.direction,
        SCORES.get(metric.name) if own else None,  # a plugin's of the same name is not known here
    )


def by_cost(cost: Cost) -> Worth:
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

    return Worth("cost", value, "minimize", of_counts)


def answered(chance: "Array", threshold: float) -> "Array":
    """Return the codes that a threshold makes of the chance of the second class: 1 from the threshold on."""
    codes: Array = (chance >= threshold).astype("int64")
    return codes


def candidates(chance: "Array", most: int) -> "Array":
    """Return the thresholds worth a look: a half, and midpoints between chances that occur, evenly by rank."""
    import numpy as np

    seen = np.unique(chance)
    if len(seen) > most:
        seen = np.unique(np.quantile(chance, np.linspace(0, 1, most)))
    between = (seen[1:] + seen[:-1]) / 2
    return np.unique([*between[(between > 0) & (between < 1)], USUAL])


def confusions(truth: "Array", chance: "Array", thresholds: "Array") -> "Array":
    """Return the confusion matrix of each threshold: of shape (thresholds, 2, 2), true by answered."""
    import numpy as np

    below = [np.searchsorted(np.sort(chance[truth == code]), thresholds, side="left") for code in (0, 1)]
    rows = [int((truth == code).sum()) for code in (0, 1)]
    both = [np.stack([low, count - low], axis=1) for low, count in zip(below, rows, strict=True)]
    return np.stack(both, axis=1)


def draw(truth: "Array", chance: "Array", worth: Worth, most: int = 200) -> Curve:
    """Judge at most about `most` thresholds on rows of which the codes and the chance of the second class are given."""
    import numpy as np

    found = candidates(chance, most)
    if worth.of_counts is not None:
        values = worth.of_counts(confusions(truth, chance, found))
    else:
        values = np.array([worth.value(truth, answered(chance, one)) for one in found])
    gains = values if worth.direction == "maximize" else -values
    best = np.flatnonzero(gains >= gains.max() - 1e-12)
    chosen = int(best[np.abs(found[best] - USUAL).argmin()])
    usual = float(values[np.searchsorted(found, USUAL)])
    return Curve(tuple(found.tolist()), tuple(values.tolist()), float(found[chosen]), float(values[chosen]), usual)
