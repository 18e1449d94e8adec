"""One raw column alone: how well does it tell the target?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.checks.context import (
    CheckContext,
    CheckResult,
    failed,
    format_list,
    passed,
    quote_names,
    silent,
    skipped,
    warned,
)
from runtree.contract.answers import codes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

BINS = 32
FOLDS = 3
SHALLOW = 3  # levels of a tree, where a leaf is left for every class
READABLE = 0.9  # share of texts that must be numbers for the column to be read as such


def encode_column(column: "pd.Series[Any]") -> "tuple[Array, bool]":
    """Return a column as float64 of shape (rows,), NaN where it is missing, and whether these are codes of levels."""
    import numpy as np
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        return np.where(column.isna(), np.nan, column.astype("int64")), False
    if not types.is_numeric_dtype(column):
        read = pd.to_numeric(column.astype(object), errors="coerce")
        if read.notna().mean() < READABLE:
            codes = pd.factorize(column.astype(object).where(column.notna(), None).map(str), sort=True)[0]
            return codes.astype(float), True
        column = read
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return np.clip(np.where(np.isinf(values), np.sign(values) * 1e30, values), -1e30, 1e30), False


def correlation_ratio(values: "Array", are_levels: bool, truth: "Array") -> float:
    """Return how much of the target's variance lies between bins of a column: a quick measure to rank columns by.

    Parameters
    ----------
    truth
        Of shape (rows, outputs), each with mean 0 and variance 1: the ranks of a quantity, or a column for each class.

    Notes
    -----
    The correlation ratio (Pearson 1903), eta squared, the mean over outputs.
    """
    import numpy as np

    bins = _levels(values) if are_levels else _quantiles(values)
    counts = np.bincount(bins, minlength=BINS + 1)
    sums = [np.bincount(bins, weights=one, minlength=BINS + 1) for one in truth.T]
    return float(np.mean([(total**2 / np.maximum(counts, 1)).sum() for total in sums]) / len(values))


def _quantiles(values: "Array") -> "Array":
    """Return bins of equally many rows, equal values in one bin, and the last bin for what is missing."""
    import numpy as np
    from scipy.stats import rankdata

    bins = np.full(len(values), BINS)
    known = ~np.isnan(values)
    bins[known] = (rankdata(values[known]) - 1) * BINS // max(known.sum(), 1)
    return bins


def _levels(codes: "Array") -> "Array":
    """Return a bin for each of the most frequent levels, and the last bin for all others."""
    import numpy as np

    counts = np.bincount(codes.astype(int))
    place = np.full(len(counts), BINS)
    frequent = np.argsort(-counts, kind="stable")[:BINS]
    place[frequent] = np.arange(len(frequent))
    bins: Array = place[codes.astype(int)]
    return bins


def standardize_target(target: "Array", is_class: bool) -> "Array":
    """Return the target as `association` wants it."""
    import numpy as np
    from scipy.stats import rankdata

    found: Array = (target[:, None] == np.unique(target)).astype(float) if is_class else rankdata(target)[:, None]
    centred: Array = (found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-12)
    return centred


def predictive_score(values: "Array", are_levels: bool, target: "Array", is_class: bool, seed: int) -> float:
    """Return how well a column tells the target by itself, on rows held out in turn: 1 where perfectly.

    Balanced accuracy of a shallow tree; for a quantity R² of the better of a tree, a line, and a line between ranks.
    """
    import numpy as np
    from sklearn.metrics import balanced_accuracy_score, r2_score
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    folds = (StratifiedKFold if is_class else KFold)(FOLDS, shuffle=True, random_state=seed)
    score = balanced_accuracy_score if is_class else r2_score
    with silent():
        found = [
            float(score(target, cross_val_predict(model, values[:, None], target, cv=folds)))
            for model in _judges(are_levels, target, is_class, seed).values()
        ]
    if not is_class and not are_levels:
        found.append(_in_order(values, target))
    return float(np.max(found))


def _in_order(values: "Array", target: "Array") -> float:
    """Return the squared rank correlation (Spearman 1904): 1 where the column is the target by another scale."""
    import numpy as np
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    if known.mean() < READABLE or np.ptp(values[known]) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(values[known]), rankdata(target[known]))[0, 1] ** 2)


def _judges(are_levels: bool, target: "Array", is_class: bool, seed: int) -> Mapping[str, Any]:
    """Return what is tried: the levels of a category are first replaced by the target's mean."""
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if is_class:
        number = len(np.unique(target))
        depth = max(SHALLOW, int(np.ceil(np.log2(number))) + (number > 2**SHALLOW))
        tree: Any = DecisionTreeClassifier(max_depth=depth, class_weight="balanced", random_state=seed)
        kind = "binary" if number == 2 else "multiclass"
    else:  # eight leaves cannot follow a quantity: R² of a uniform one is at most 1 - 1/64
        tree, kind = DecisionTreeRegressor(max_depth=2 * SHALLOW, min_samples_leaf=2, random_state=seed), "continuous"
    if are_levels:
        encoder = TargetEncoder(target_type=kind, random_state=seed)
        return {"tree": make_pipeline(encoder, tree)}
    line = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), LinearRegression())
    return {"tree": tree} if is_class else {"tree": tree, "line": line}


EXAMINED = 20  # columns: those that tell most at a glance
PERFECT = 0.99
FAR = 0.05  # above the median of the other columns
MIN_TRAIN_ROWS = 30  # rows: with fewer some column fits by chance


def check_leakage(context: CheckContext) -> CheckResult:
    """Try each of the most telling columns alone, on the train part."""
    rows, target = _learnable(context)
    if len(rows) < MIN_TRAIN_ROWS:
        return skipped(f"{len(rows)} train rows are too few to tell")
    features = context.features(rows)
    columns = {str(name): encode_column(column) for name, column in features.items()}
    is_class = bool(context.classes)
    truth = standardize_target(target, is_class)
    ranked = sorted(columns, key=lambda name: -correlation_ratio(*columns[name], truth))[:EXAMINED]
    scores = {name: predictive_score(*columns[name], target, is_class, context.run.seed) for name in ranked}
    return judge_scores(scores, features.shape[1], "balanced accuracy" if is_class else "R²")


def _learnable(context: CheckContext) -> "tuple[Array, Array]":
    """Return the sampled train rows of classes that every fold can have, and their codes or quantities."""
    import numpy as np

    rows = context.train
    if not context.classes:
        return rows, context.target(rows).to_numpy(dtype=float)
    target = codes(context.target(rows).to_numpy(), context.classes)
    enough = np.bincount(target)[target] >= FOLDS
    return rows[enough], target[enough]


def judge_scores(scores: dict[str, float], columns: int, measure: str) -> CheckResult:
    """Tell a column that knows the answer from a task that is easy for many columns."""
    from statistics import median

    best = max(scores, key=lambda name: scores[name])
    leaks = [name for name, score in scores.items() if score >= PERFECT]
    others = [score for name, score in scores.items() if name not in leaks]
    if not leaks:
        return passed(f"best of {columns:,} columns: '{best}' reaches {measure} {scores[best]:.3f} alone")
    found = f"{quote_names(leaks)} alone reaches {measure} {scores[best]:.3f}"
    if len(leaks) > len(others) or PERFECT - median(others) < FAR:
        return warned(f"{found}: the task is easy, or the answer is among the columns", "look at what they hold")
    return failed(
        f"{found}, the others {median(others):.3f} at the median",
        f"if it is not known before the target is, type: data.drop={format_list(leaks)}",
    )
