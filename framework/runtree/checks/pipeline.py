"""Do parts, features, target and answers fit together?"""

from typing import TYPE_CHECKING, Any

from runtree.checks.context import CheckContext, CheckResult, failed, passed, silent
from runtree.contract.types import PARTS

if TYPE_CHECKING:
    import numpy as np

FEW = 50  # rows of each part that the pipeline is asked about
CLOSE = 1e-4  # how far chances may be from adding up to 1: float32 is exact to 1e-7, times many classes


def check_shapes(context: CheckContext) -> CheckResult:
    """Look at the parts, at what the preprocessing makes of them, and at what the pipeline answers."""
    return (
        _check_table(context)
        or context.trouble
        or _check_columns(context)
        or _check_predictions(context)
        or passed(_what(context))
    )


def _check_table(context: CheckContext) -> CheckResult | None:
    data = context.run.data
    if len(data.features) != len(data.target) or not data.features.index.equals(data.target.index):
        return failed("features and target are not aligned", "look at the data source: one row, one target")
    empty = [part for part in context.parts if not len(context.run.split.rows(part))]
    if empty:
        return failed(f"the {empty[0]} part is empty", f"type: data.{empty[0]}_size=0.2")
    return None


def _check_columns(context: CheckContext) -> CheckResult | None:
    widths: dict[str, int] = {}
    for part, rows in _few(context).items():
        with silent():
            prepared = context.model[:-1].transform(context.features(rows))
        if len(prepared.shape) != 2 or prepared.shape[0] != len(rows):
            return failed(
                f"preprocess makes {prepared.shape} of {len(rows)} {part} rows", "let it return (rows, features)"
            )
        widths[part] = prepared.shape[1]
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{width} in {part}" for part, width in widths.items())
        return failed(f"the parts have different columns: {told}", "let preprocess learn its columns in fit alone")
    return None


def _check_predictions(context: CheckContext) -> CheckResult | None:
    import numpy as np

    for part, rows in _few(context).items():
        with silent():
            predicted = np.asarray(context.model.predict(context.features(rows)))
        if predicted.shape not in ((len(rows),), (len(rows), 1)):
            return failed(
                f"predict answers {predicted.shape} for {len(rows)} {part} rows", "let predict return (rows,)"
            )
        if context.classes:
            strange = set(predicted.ravel().tolist()) - set(context.classes)
            if strange:
                return failed(f"predict answers {strange.pop()!r}, which is no class", "let predict return labels of y")
        elif not np.isfinite(predicted.astype(float)).all():
            return failed(
                f"predict answers NaN or infinity in the {part} part", "scale the target, or lower the learning rate"
            )
    return _check_probabilities(context) if context.classes and hasattr(context.model, "predict_proba") else None


def _check_probabilities(context: CheckContext) -> CheckResult | None:
    import numpy as np

    for part, rows in _few(context).items():
        with silent():
            chances = np.asarray(context.model.predict_proba(context.features(rows)))
        if chances.shape != (len(rows), len(context.classes)):
            return failed(
                f"predict_proba answers {chances.shape} for {len(rows)} {part} rows and {len(context.classes)} classes",
                "let it return (rows, classes), the classes sorted",
            )
        if not (np.abs(chances.sum(axis=1) - 1) < CLOSE).all() or chances.min() < 0:
            return failed(f"chances do not add up to 1 in the {part} part", "let predict_proba return a softmax")
    return None


def _few(context: CheckContext) -> "dict[str, np.ndarray[Any, Any]]":
    return {part: context.run.split.rows(part)[:FEW] for part in PARTS if len(context.run.split.rows(part))}


def _what(context: CheckContext) -> str:
    sizes = "/".join(f"{len(context.run.split.rows(part)):,}" for part in PARTS)
    with silent():
        width = context.model[:-1].transform(context.features(context.train[:1])).shape[1]
    return f"{sizes} rows, {context.run.data.features.shape[1]:,} columns become {width:,} features"


# --- Does the same seed give the same predictions?


def check_repeats(context: CheckContext) -> CheckResult:
    """Fit twice on the same rows, and compare what is said of the validation rows."""
    import numpy as np

    rows = context.few(context.train)
    target, seed = context.target(rows), context.run.seed
    first, second = (context.answers(context.fit_soon(rows, target, seed), context.validation) for _ in range(2))
    pairs = [(first.y_pred, second.y_pred)]
    if first.score is not None and second.score is not None:
        pairs.append((first.score, second.score))
    if all(np.array_equal(one, other, equal_nan=True) for one, other in pairs):
        return passed(f"two fits on {len(rows):,} rows say the same of {len(context.validation):,} others")
    differ = np.mean(first.y_pred != second.y_pred)
    far = max(float(np.max(np.abs(np.asarray(one, float) - other))) for one, other in pairs)
    return failed(
        f"two fits with seed {seed} differ by up to {far:.2g} ({differ:.0%} of the predictions)",
        "let all its randomness come from a parameter that is ${seed}",
    )
