"""Does one column give the answer away?"""

from typing import TYPE_CHECKING, Any

from runtree.contract.answers import codes
from runtree.lifecycle.checks.context import Context
from runtree.lifecycle.checks.finding import Finding, failed, listed, named, passed, skipped, warned
from runtree.lifecycle.checks.single import FOLDS, alone, association, encode, outputs

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EXAMINED = 20  # columns: those that tell most at a glance
PERFECT = 0.99
FAR = 0.05  # above the median of the other columns
FEWEST = 30  # rows: with fewer some column fits by chance


def leakage(context: Context) -> Finding:
    """Try each of the most telling columns alone, on the train part."""
    rows, target = _learnable(context)
    if len(rows) < FEWEST:
        return skipped(f"{len(rows)} train rows are too few to tell")
    features = context.features(rows)
    columns = {str(name): encode(column) for name, column in features.items()}
    is_class = bool(context.classes)
    truth = outputs(target, is_class)
    ranked = sorted(columns, key=lambda name: -association(*columns[name], truth))[:EXAMINED]
    scores = {name: alone(*columns[name], target, is_class, context.run.seed) for name in ranked}
    return judge(scores, features.shape[1], "balanced accuracy" if is_class else "R²")


def _learnable(context: Context) -> "tuple[Array, Array]":
    """Return the sampled train rows of classes that every fold can have, and their codes or quantities."""
    import numpy as np

    rows = context.train
    if not context.classes:
        return rows, context.target(rows).to_numpy(dtype=float)
    target = codes(context.target(rows).to_numpy(), context.classes)
    enough = np.bincount(target)[target] >= FOLDS
    return rows[enough], target[enough]


def judge(scores: dict[str, float], columns: int, measure: str) -> Finding:
    """Tell a column that knows the answer from a task that is easy for many columns."""
    from statistics import median

    best = max(scores, key=lambda name: scores[name])
    leaks = [name for name, score in scores.items() if score >= PERFECT]
    others = [score for name, score in scores.items() if name not in leaks]
    if not leaks:
        return passed(f"best of {columns:,} columns: '{best}' reaches {measure} {scores[best]:.3f} alone")
    found = f"{named(leaks)} alone reaches {measure} {scores[best]:.3f}"
    if len(leaks) > len(others) or PERFECT - median(others) < FAR:
        return warned(f"{found}: the task is easy, or the answer is among the columns", "look at what they hold")
    return failed(
        f"{found}, the others {median(others):.3f} at the median",
        f"if it is not known before the target is, type: data.drop={listed(leaks)}",
    )
