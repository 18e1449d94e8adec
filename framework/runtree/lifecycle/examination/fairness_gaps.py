"""How sure the gaps between groups are: the rows of each group are drawn anew, many times."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.contract.types import Metric
from runtree.lifecycle.examination.fairness_metrics import RATES, some_of

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def replicates(
    answers: Answers, rows: Mapping[str, "Array"], name: str, catalogue: Mapping[str, Metric], resamples: int, seed: int
) -> "Array":
    """Return a metric on resamples of each group, of shape (groups, resamples)."""
    import numpy as np

    from runtree.statistics.replicates import replicate

    rng = np.random.default_rng(seed)
    found = []
    for number, own in enumerate(rows.values()):
        some = some_of(answers, own)
        if name in RATES:
            found.append(_rates(some, name, resamples, rng))
            continue
        drawn = replicate([some], [catalogue[name]], resamples, seed + number).get(name)
        found.append(np.full(resamples, np.nan) if drawn is None else drawn.drawn[0])
    fewest = min(len(one) for one in found)
    return np.stack([one[:fewest] for one in found])


def _rates(answers: Answers, name: str, resamples: int, rng: Any) -> "Array":
    """Return a rate on resamples: to draw rows with replacement is to draw the four counts of a table of errors."""
    import numpy as np

    cells = np.bincount(2 * answers.y_true + answers.y_pred, minlength=4)  # true negatives, false positives, …
    drawn = rng.multinomial(cells.sum(), cells / cells.sum(), size=resamples)
    tn, fp, fn, tp = drawn.T
    over, under = {
        "selection_rate": (tp + fp, tn + fp + fn + tp),
        "true_positive_rate": (tp, tp + fn),
        "false_positive_rate": (fp, fp + tn),
    }[name]
    found: Array = np.divide(over, under, out=np.full(resamples, np.nan), where=under > 0)
    return found


def limits(drawn: "Array", kind: str, level: float) -> tuple[float | None, float | None]:
    """Return the percentile limits of a gap, which is the largest less the smallest value, or their ratio."""
    import numpy as np

    whole = drawn[:, ~np.isnan(drawn).any(axis=0)]
    if whole.shape[1] < 2 or len(whole) < 2:
        return None, None
    least, most = whole.min(axis=0), whole.max(axis=0)
    ratio = np.divide(least, most, out=np.ones_like(most, dtype=float), where=most != 0)
    gaps = most - least if kind == "difference" else ratio
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
