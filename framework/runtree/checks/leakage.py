"""Check of target leakage: does one raw column, by itself, predict the target?"""

from collections.abc import Mapping
from statistics import median
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
from runtree.contract.predictions import encode_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

MAX_CANDIDATES = 20  # columns that models are fitted on: those with the highest correlation ratio
MAX_SUSPECTS = 3  # columns that `check_suspects` fits models on, if their correlation ratio is at least
MIN_RATIO = 0.2
MIN_ROWS = 30  # with fewer, some column fits by chance
LEAK_SCORE = 0.99
EASY_MARGIN = 0.05  # if the median of the other columns comes so close, the task is easy
BINS = 32
FOLDS = 3
TREE_DEPTH = 3  # or more, where every class needs a leaf
NUMERIC_SHARE = 0.9  # of the texts of a column, from which it is read as numbers


def check_leakage(context: CheckContext) -> CheckResult:
    """Fit models on single columns of the train split, and fail if one nearly always predicts the target."""
    rows, target = _usable_rows(context)
    if len(rows) < MIN_ROWS:
        return skipped(f"{len(rows)} train rows are too few for this check")
    features = context.features(rows)
    columns = {str(name): encode_column(column) for name, column in features.items()}
    is_class = bool(context.classes)
    standardized = standardize_target(target, is_class)
    # a cheap score first: fitting cross-validated trees on thousands of columns would take minutes
    ranked = sorted(columns, key=lambda name: -correlation_ratio(*columns[name], standardized))[:MAX_CANDIDATES]
    scores = {name: predictive_score(*columns[name], target, is_class, context.run.seed) for name in ranked}
    return judge_scores(scores, features.shape[1], "balanced accuracy" if is_class else "R²")


def check_suspects(context: CheckContext) -> CheckResult:
    """Look for a leak among the few columns that tell most of the target, and check all columns only if there is one.

    A column that predicts the target alone has one of the highest correlation ratios.
    """
    rows, target = _usable_rows(context)
    if len(rows) < MIN_ROWS:
        return skipped(f"{len(rows)} train rows are too few for this check")
    is_class = bool(context.classes)
    standardized = standardize_target(target, is_class)
    columns = {str(name): encode_column(column) for name, column in context.features(rows).items()}
    ratios = {name: correlation_ratio(*column, standardized) for name, column in columns.items()}
    suspects = sorted((name for name in ratios if ratios[name] >= MIN_RATIO), key=lambda name: -ratios[name])
    for name in suspects[:MAX_SUSPECTS]:
        if predictive_score(*columns[name], target, is_class, context.run.seed) >= LEAK_SCORE:
            return check_leakage(context)
    return passed(f"none of the {len(suspects)} columns that tell most of the target predicts it alone")


def _usable_rows(context: CheckContext) -> "tuple[Array, Array]":
    """Return the sampled train rows, and their class codes or values; only of classes that every fold can have."""
    import numpy as np

    rows = context.train
    if not context.classes:
        return rows, context.target(rows).to_numpy(dtype=float)
    target = encode_labels(context.target(rows).to_numpy(), context.classes)
    # StratifiedKFold needs a row of each class in each fold
    frequent = np.bincount(target)[target] >= FOLDS
    return rows[frequent], target[frequent]


def judge_scores(scores: dict[str, float], columns: int, measure: str) -> CheckResult:
    """Distinguish one leaking column from a task that many columns make easy."""
    best = max(scores, key=lambda name: scores[name])
    leaks = [name for name, score in scores.items() if score >= LEAK_SCORE]
    others = [score for name, score in scores.items() if name not in leaks]
    if not leaks:
        return passed(f"best of {columns:,} columns: '{best}' reaches {measure} {scores[best]:.3f} alone")
    message = f"{quote_names(leaks)} alone reaches {measure} {scores[best]:.3f}"
    # on iris-like data most columns nearly suffice, and none of them leaks
    if len(leaks) > len(others) or LEAK_SCORE - median(others) < EASY_MARGIN:
        return warned(f"{message}: the task is easy, or columns hold the target", "look at what these columns hold")
    return failed(
        f"{message}; the median of the others is {median(others):.3f}",
        f"if it is not known before the target is, type: data.drop={format_list(leaks)}",
    )


def encode_column(column: "pd.Series[Any]") -> "tuple[Array, bool]":
    """Return a column as float64 of shape (rows,), NaN where missing, and whether these are codes of categories."""
    import numpy as np
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        # missing dates become the smallest integer when cast, so they are replaced
        return np.where(column.isna(), np.nan, column.astype("int64")), False
    if not types.is_numeric_dtype(column):
        numbers = pd.to_numeric(column.astype(object), errors="coerce")
        if numbers.notna().mean() < NUMERIC_SHARE:
            categories = pd.factorize(column.astype(object).where(column.notna(), None).map(str), sort=True)[0]
            return categories.astype(float), True
        column = numbers
    values = column.to_numpy(dtype=float, na_value=np.nan)
    # scikit-learn refuses infinities and what overflows float32; 1e30 keeps their order
    return np.clip(np.where(np.isinf(values), np.sign(values) * 1e30, values), -1e30, 1e30), False


def correlation_ratio(values: "Array", is_category: bool, target: "Array") -> float:
    """Return the share of the target's variance that lies between bins of a column: a cheap score to rank columns by.

    Parameters
    ----------
    target
        Of shape (rows, outputs), each output with mean 0 and variance 1, from `standardize_target`.

    Notes
    -----
    The correlation ratio, eta squared (Pearson 1903), the mean over outputs.
    """
    import numpy as np

    bins = _category_bins(values) if is_category else _quantile_bins(values)
    counts = np.bincount(bins, minlength=BINS + 1)
    sums = [np.bincount(bins, weights=output, minlength=BINS + 1) for output in target.T]
    return float(np.mean([(total**2 / np.maximum(counts, 1)).sum() for total in sums]) / len(values))


def _quantile_bins(values: "Array") -> "Array":
    """Return bins of equal counts, with equal values in one bin; missing values get the last bin."""
    import numpy as np
    from scipy.stats import rankdata

    bins = np.full(len(values), BINS)
    known = ~np.isnan(values)
    bins[known] = (rankdata(values[known]) - 1) * BINS // max(known.sum(), 1)
    return bins


def _category_bins(categories: "Array") -> "Array":
    """Return a bin for each of the most frequent categories; the others share the last bin."""
    import numpy as np

    counts = np.bincount(categories.astype(int))
    place = np.full(len(counts), BINS)
    frequent = np.argsort(-counts, kind="stable")[:BINS]
    place[frequent] = np.arange(len(frequent))
    bins: Array = place[categories.astype(int)]
    return bins


def standardize_target(target: "Array", is_class: bool) -> "Array":
    """Return the target as `correlation_ratio` takes it: indicators of the classes, or the ranks of the values."""
    import numpy as np
    from scipy.stats import rankdata

    outputs: Array = (target[:, None] == np.unique(target)).astype(float) if is_class else rankdata(target)[:, None]
    standardized: Array = (outputs - outputs.mean(axis=0)) / np.maximum(outputs.std(axis=0), 1e-12)
    return standardized


def predictive_score(values: "Array", is_category: bool, target: "Array", is_class: bool, seed: int) -> float:
    """Return the cross-validated score of simple models on one column; 1 is perfect.

    Balanced accuracy of a shallow tree; for a regression the best R² of a tree, a line, and a line between ranks.
    """
    import numpy as np
    from sklearn.metrics import balanced_accuracy_score, r2_score
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    folds = (StratifiedKFold if is_class else KFold)(FOLDS, shuffle=True, random_state=seed)
    score = balanced_accuracy_score if is_class else r2_score
    with silent():
        scores = [
            float(score(target, cross_val_predict(model, values[:, None], target, cv=folds)))
            for model in _single_column_models(is_category, target, is_class, seed).values()
        ]
    if not is_class and not is_category:
        scores.append(_rank_correlation(values, target))
    return float(np.max(scores))


def _rank_correlation(values: "Array", target: "Array") -> float:
    """Return Spearman's correlation, squared: 1 where the column is the target on another scale."""
    import numpy as np
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    if known.mean() < NUMERIC_SHARE or np.ptp(values[known]) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(values[known]), rankdata(target[known]))[0, 1] ** 2)


def _single_column_models(is_category: bool, target: "Array", is_class: bool, seed: int) -> Mapping[str, Any]:
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if is_class:
        classes = len(np.unique(target))
        depth = max(TREE_DEPTH, int(np.ceil(np.log2(classes))) + (classes > 2**TREE_DEPTH))
        tree: Any = DecisionTreeClassifier(max_depth=depth, class_weight="balanced", random_state=seed)
        target_type = "binary" if classes == 2 else "multiclass"
    else:  # with eight leaves, R² of a uniform target is at most 1 - 1/64, which would hide a leak
        tree = DecisionTreeRegressor(max_depth=2 * TREE_DEPTH, min_samples_leaf=2, random_state=seed)
        target_type = "continuous"
    if is_category:
        # TargetEncoder fits within the folds: encoded beforehand, the target would leak into every category
        return {"tree": make_pipeline(TargetEncoder(target_type=target_type, random_state=seed), tree)}
    line = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), LinearRegression())
    return {"tree": tree} if is_class else {"tree": tree, "line": line}
