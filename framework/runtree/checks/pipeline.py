"""Checks of the fitted pipeline: shapes and values of its output, and reproducibility."""

from typing import TYPE_CHECKING, Any

from runtree.checks.context import CheckContext, CheckResult, failed, passed, silent
from runtree.contract.types import SPLITS

if TYPE_CHECKING:
    import numpy as np

MAX_SPLIT_ROWS = 50  # of each split that are predicted
MAX_PROBABILITY_ERROR = 1e-4  # of the sum over classes: float32 is exact to 1e-7, times many classes


def check_shapes(context: CheckContext) -> CheckResult:
    """Fail if the splits are empty, or if preprocessing or predictions have the wrong shape or values."""
    failure = (
        _check_alignment(context)
        or context.fit_error
        or _check_features(context)
        or _check_predictions(context)
        or _check_probabilities(context)
    )
    if failure:
        return failure
    sizes = "/".join(f"{len(context.run.split.rows(split)):,}" for split in SPLITS)
    with silent():
        width = context.model[:-1].transform(context.features(context.train[:1])).shape[1]
    columns = context.run.data.features.shape[1]
    return passed(f"{sizes} rows, {columns:,} columns become {width:,} features")


def _check_alignment(context: CheckContext) -> CheckResult | None:
    data = context.run.data
    if len(data.features) != len(data.target) or not data.features.index.equals(data.target.index):
        return failed("features and target are not aligned", "check the data source: it must return one target per row")
    empty = [split for split in context.splits if not len(context.run.split.rows(split))]
    if empty:
        return failed(f"the {empty[0]} split is empty", f"type: data.{empty[0]}_size=0.2")
    return None


def _check_features(context: CheckContext) -> CheckResult | None:
    widths: dict[str, int] = {}
    for split, rows in _first_rows(context).items():
        with silent():
            prepared = context.model[:-1].transform(context.features(rows))
        if len(prepared.shape) != 2 or prepared.shape[0] != len(rows):
            return failed(
                f"preprocess returns shape {prepared.shape} for {len(rows)} {split} rows",
                "return an array of shape (rows, features)",
            )
        widths[split] = prepared.shape[1]
    if len(set(widths.values())) > 1:
        counts = ", ".join(f"{width} in {split}" for split, width in widths.items())
        return failed(f"the splits have different numbers of features: {counts}", "learn the columns in fit only")
    return None


def _check_predictions(context: CheckContext) -> CheckResult | None:
    import numpy as np

    for split, rows in _first_rows(context).items():
        with silent():
            predicted = np.asarray(context.model.predict(context.features(rows)))
        if predicted.shape not in ((len(rows),), (len(rows), 1)):
            return failed(
                f"predict returns shape {predicted.shape} for {len(rows)} {split} rows",
                "return an array of shape (rows,)",
            )
        if context.classes:
            unknown = set(predicted.ravel().tolist()) - set(context.classes)
            if unknown:
                return failed(f"predict returns {unknown.pop()!r}, which is not a class", "return labels of y")
        elif not np.isfinite(predicted.astype(float)).all():
            return failed(
                f"predict returns NaN or infinity in the {split} split", "scale the target, or lower the learning rate"
            )
    return None


def _check_probabilities(context: CheckContext) -> CheckResult | None:
    import numpy as np

    if not context.classes or not hasattr(context.model, "predict_proba"):
        return None
    for split, rows in _first_rows(context).items():
        with silent():
            probabilities = np.asarray(context.model.predict_proba(context.features(rows)))
        if probabilities.shape != (len(rows), len(context.classes)):
            return failed(
                f"predict_proba returns shape {probabilities.shape} for {len(rows)} {split} rows and "
                f"{len(context.classes)} classes",
                "return an array of shape (rows, classes), with the classes sorted",
            )
        sums = probabilities.sum(axis=1)
        if not (np.abs(sums - 1) < MAX_PROBABILITY_ERROR).all() or probabilities.min() < 0:
            return failed(f"probabilities do not sum to 1 in the {split} split", "return a softmax from predict_proba")
    return None


def _first_rows(context: CheckContext) -> "dict[str, np.ndarray[Any, Any]]":
    by_split = {split: context.run.split.rows(split)[:MAX_SPLIT_ROWS] for split in SPLITS}
    return {split: rows for split, rows in by_split.items() if len(rows)}


def check_repeats(context: CheckContext) -> CheckResult:
    """Fail if two fits with one seed on the same rows give different predictions for the validation rows."""
    import numpy as np

    rows = context.reduce(context.train)
    target, seed = context.target(rows), context.run.seed
    first, second = (context.predict(context.fit_short(rows, target, seed), context.validation) for _ in range(2))
    pairs = [(first.y_pred, second.y_pred)]
    if first.score is not None and second.score is not None:
        pairs.append((first.score, second.score))
    # exactly equal, not close: a seed promises the same bits
    if all(np.array_equal(once, again, equal_nan=True) for once, again in pairs):
        return passed(
            f"two fits on {len(rows):,} rows give the same predictions for {len(context.validation):,} others"
        )
    share = np.mean(first.y_pred != second.y_pred)
    largest = max(float(np.max(np.abs(np.asarray(once, float) - again))) for once, again in pairs)
    return failed(
        f"two fits with seed {seed} differ by up to {largest:.2g} ({share:.0%} of the predictions)",
        "take all randomness from a parameter that is ${seed}",
    )
