"""Feature importance and partial dependence of the table's columns.

Both change one column of the table at a time, before preprocessing: the features that are made of it change together.
The results equal those of `sklearn.inspection`, which predicts after each single change. Here many changed tables are
predicted in one call, since a call costs more than its rows: 0.3 s instead of 7 s for a random forest on `wine`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions, encode_labels, encode_target, predict_proba
from runtree.contract.run import Run
from runtree.evaluation.context import EvaluationContext, metric_value, take_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

# Limits by `evaluator.explain`.
MAX_PREDICTED_ROWS = {"auto": 30_000, "full": 400_000}  # over all shuffles: the cost does not grow with the table
REPEATS = {"auto": 5, "full": 10}  # shuffles of each column
MAX_COLUMNS = {"auto": 500, "full": 10_000}  # of more, such as pixels, each alone means next to nothing
MIN_ROWS = 30
BATCH_ROWS = 20_000  # of one prediction
DEPENDENCE_COLUMNS = {"auto": 5, "full": 1_000}
DEPENDENCE_ROWS = {"auto": 200, "full": 1_000}

GRID_POINTS = 20
GRID_QUANTILES = (0.05, 0.95)  # beyond them lie few rows, and the model extrapolates
MAX_CATEGORIES = 20  # of a grid; the rarest are left out
MIN_CORRELATION = 0.8  # Spearman's, on average within a group of correlated columns
IMPORTANCE_SKIPPED = "explanation_left_out"  # keys of evaluation.json that hold reasons
DEPENDENCE_SKIPPED = "dependence_left_out"


@dataclass(frozen=True)
class ExplanationSample:
    """Rows of the table that the model was not fitted on; `split_rows` counts the rows of their split."""

    split: str
    features: "pd.DataFrame"
    truth: "Array"
    split_rows: int


def sample_explanation_rows(run: Run, limit: int) -> ExplanationSample:
    """Return a seeded sample of at most `limit` rows of the validation split; of test where the model was fitted on it.

    Columns may be dropped because of what is learned here, so the test split is spared where possible.
    """
    import numpy as np

    split = "validation" if len(run.split.validation) and not getattr(run, "is_refitted", False) else "test"
    rows = run.split.rows(split)
    chosen = np.sort(np.random.default_rng(run.seed).permutation(rows)[:limit]) if limit < len(rows) else rows
    features = run.data.features.iloc[chosen].reset_index(drop=True)
    return ExplanationSample(split, features, encode_target(run.data.target.iloc[chosen], run.data.classes), len(rows))


def predict_rows(
    model: Any, features: "pd.DataFrame", truth: "Array", classes: tuple[Any, ...], with_proba: bool
) -> Predictions:
    """Return predictions for raw rows; `predict_proba` is called only if `with_proba`, for it doubles the cost."""
    from joblib import parallel_config

    last, rows = (model[-1], model[:-1].transform(features)) if hasattr(model, "steps") else (model, features)
    with parallel_config("sequential"):  # forests add up in the order in which threads end, to the last digit
        y_pred = last.predict(rows)
        score = predict_proba(last, rows, classes) if classes and with_proba else None
    return Predictions(
        truth, encode_labels(y_pred, classes) if classes else y_pred.astype(float).ravel(), score, classes
    )


def predict_variants(
    run: Run, sample: ExplanationSample, variants: "Sequence[tuple[int, pd.Series[Any]]]", with_proba: bool
) -> Iterator[Predictions]:
    """Yield the predictions for the sample with one column replaced; a variant is its position and the new values."""
    import numpy as np

    rows = len(sample.features)
    # a call costs more than its rows, and memory bounds the batch
    step = max(1, BATCH_ROWS // rows)
    for first in range(0, len(variants), step):
        batch = variants[first : first + step]
        table = sample.features.take(np.tile(np.arange(rows), len(batch))).reset_index(drop=True)
        for position in dict.fromkeys(position for position, _ in batch):
            column = table.iloc[
                :, position
            ].array.copy()  # one assignment to the table for each column, not each variant
            for place, (changed, values) in enumerate(batch):
                if changed == position:
                    column[place * rows : (place + 1) * rows] = values.array
            table.isetitem(position, column)
        predictions = predict_rows(run.model, table, np.tile(sample.truth, len(batch)), run.data.classes, with_proba)
        yield from (take_rows(predictions, slice(start, start + rows)) for start in range(0, len(table), rows))


def expected_output(predictions: Predictions) -> "Array":
    """Return class probabilities of shape (rows, classes), or predictions of shape (rows, 1) for a regression.

    A classifier without probabilities counts as sure of the class that it predicts.
    """
    import numpy as np

    if not predictions.classes:
        return predictions.y_pred[:, None]
    return predictions.score if predictions.score is not None else np.eye(len(predictions.classes))[predictions.y_pred]


def output_name(label: Any, with_proba: bool) -> str:
    """Return what a column of `expected_output` is called; of a regression None is the label."""
    if label is None:
        return "prediction"
    return f"probability of {label}" if with_proba else f"decision for {label} (1 or 0)"


def feature_importance(context: EvaluationContext) -> dict[str, Any] | None:
    """Return by how much the ranking metric gets worse if a column is shuffled, the most important column first.

    Permutation importance (Breiman 2001, doi:10.1023/A:1010933404324): mean and standard deviation over the shuffles,
    in the unit of the metric, above 0 where the column matters.
    """
    import numpy as np

    run, mode = context.run, context.options.explain
    width = run.data.features.shape[1]
    if mode == "none":
        return None
    # one column alone has all the importance there is
    if not 1 < width <= MAX_COLUMNS[mode]:
        context.results[IMPORTANCE_SKIPPED] = (
            f"feature importance needs 2 to {MAX_COLUMNS[mode]:,} columns, and the table has {width:,}"
        )
        return None
    # wide tables get fewer repeats first, then fewer rows, so that the total number of predictions stays the same
    repeats = max(1, min(REPEATS[mode], MAX_PREDICTED_ROWS[mode] // (width * MIN_ROWS)))
    sample = sample_explanation_rows(run, max(MIN_ROWS, MAX_PREDICTED_ROWS[mode] // (width * repeats)))
    unchanged = predict_rows(
        run.model, sample.features, sample.truth, run.data.classes, context.metric.needs == "probability"
    )
    reference = metric_value(unchanged, context.metric)
    if not math.isfinite(reference):
        reason = unchanged.undefined_reason(context.metric)
        context.results[IMPORTANCE_SKIPPED] = f"{context.metric.name} is not defined on {sample.split}: {reason}"
        return None
    losses = _shuffle_losses(context, sample, repeats, reference)
    # a column that makes predictions infinite when it is shuffled has no importance in the unit of the metric
    failed = [
        str(name) for name, own in zip(sample.features.columns, losses, strict=True) if not np.isfinite(own).all()
    ]
    if failed:
        context.results[IMPORTANCE_SKIPPED] = (
            f"{context.metric.name} is not defined where these columns are shuffled: {', '.join(failed[:5])}"
        )
    features = [
        {"feature": str(name), "mean": float(own.mean()), "sd": float(own.std())}
        for name, own in zip(sample.features.columns, losses, strict=True)
        if str(name) not in failed
    ]
    if not features:
        return None
    return {
        "method": "permutation",
        "part": sample.split,
        "metric": context.metric.name,
        "rows": len(sample.features),
        "sampled": len(sample.features) < sample.split_rows,
        "repeats": repeats,
        "features": sorted(features, key=lambda feature: -feature["mean"]),
        **_correlation_note(correlated_groups(sample.features)),
    }


def _shuffle_losses(context: EvaluationContext, sample: ExplanationSample, repeats: int, reference: float) -> "Array":
    """Return losses of shape (columns, repeats) against the score of the unchanged rows."""
    import numpy as np

    run, metric = context.run, context.metric
    with_proba = metric.needs == "probability"
    orders = shuffle_orders(len(sample.features), repeats, run.seed)
    variants = [
        (position, column.take(order))
        for position, (_, column) in enumerate(sample.features.items())
        for order in orders
    ]
    values = [metric_value(predictions, metric) for predictions in predict_variants(run, sample, variants, with_proba)]
    return np.array([-context.gain(value, reference) for value in values]).reshape(-1, repeats)


def shuffle_orders(rows: int, repeats: int, seed: int) -> "list[Array]":
    """Return the orders into which scikit-learn's `permutation_importance` shuffles each column."""
    import numpy as np

    # scikit-learn draws one seed for all columns, so that each column is shuffled into the same orders
    rng = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    order, shuffle, orders = np.arange(rows), np.arange(rows), []
    for _ in range(repeats):
        rng.shuffle(shuffle)
        order = order[shuffle]  # a column that is shuffled already is shuffled again
        orders.append(order)
    return orders


def correlated_groups(features: "pd.DataFrame") -> list[list[str]]:
    """Return groups of two or more numeric columns whose ranks correlate, the largest group first.

    Average linkage over 1 - |Spearman's rho|, cut at 0.2, as scikit-learn's example "Permutation Importance with
    Multicollinear or Correlated Features" clusters them.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    numbers = features.select_dtypes("number")
    ranks = numbers.rank().to_numpy(dtype=float)
    # missing values get the middle rank, which adds nothing to a correlation
    ranks = np.where(np.isnan(ranks), np.nanmean(ranks, axis=0, where=~np.isnan(ranks)) if len(ranks) else 0.0, ranks)
    # the correlation with a constant column is undefined
    varies = ranks.std(axis=0) > 0 if len(ranks) else np.zeros(0, dtype=bool)
    names = [str(name) for name, kept in zip(numbers.columns, varies, strict=False) if kept]
    if len(names) < 2:
        return []
    distance = 1 - np.abs(np.corrcoef(ranks[:, varies], rowvar=False))
    # rounding makes distances slightly negative or asymmetric, which `checks` would refuse
    tree = linkage(squareform(np.clip(distance, 0, None), checks=False), method="average")
    labels = fcluster(tree, 1 - MIN_CORRELATION, criterion="distance")
    groups = [[name for name, own in zip(names, labels, strict=True) if own == label] for label in sorted(set(labels))]
    return sorted((group for group in groups if len(group) > 1), key=len, reverse=True)


def _correlation_note(groups: list[list[str]]) -> dict[str, Any]:
    if not groups:
        return {"correlated": []}
    shown = "; ".join(", ".join(names[:4]) + (", …" if len(names) > 4 else "") for names in groups[:3])
    advice = f"correlated columns share their importance, so that each looks less important than it is: {shown}"
    return {"correlated": groups, "advice": advice}


def feature_dependence(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return the partial dependence on each of the most important columns (Friedman 2001, doi:10.1214/aos/1013203451).

    `average` holds, for each class in `class`, the mean probability at each value of `grid`; of two classes the second
    only. For a regression it holds one list of mean predictions, and `class` is None.
    """
    import numpy as np

    mode, importance = context.options.explain, context.results.get("importance")
    if mode == "none" or not importance:
        return None
    # fewer rows than for the importance: the average of a curve settles sooner than the difference of two scores
    sample = sample_explanation_rows(context.run, DEPENDENCE_ROWS[mode])
    dependences, skipped = [], []
    for name in [feature["feature"] for feature in importance["features"]][: DEPENDENCE_COLUMNS[mode]]:
        position = [str(column) for column in sample.features.columns].index(name)
        grid = make_grid(sample.features.iloc[:, position])
        if isinstance(grid, str):
            skipped.append({"feature": name, "reason": grid})
            continue
        dependence = _dependence_on(context, sample, position, grid)
        if np.isfinite(dependence["average"]).all():
            dependences.append({"feature": name, **dependence})
        else:
            skipped.append({"feature": name, "reason": "predictions are not finite at some of its values"})
    if skipped:
        context.results[DEPENDENCE_SKIPPED] = skipped
    return dependences


@dataclass(frozen=True)
class FeatureGrid:
    """The values that a column is set to, in the column's own type; `kind` is "numeric" or "category"."""

    kind: str
    values: "pd.Series[Any]"


def make_grid(column: "pd.Series[Any]") -> FeatureGrid | str:
    """Return the values to set a column to, or the reason why there are none."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_scalar

    known = column.dropna()
    if is_datetime64_any_dtype(column):
        return "a date cannot be varied alone: several features are made of it"
    if not known.map(is_scalar).all():
        return "its cells are neither numbers nor text"
    if known.nunique() < 2:
        return "it is constant in the sample"
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return FeatureGrid("numeric", _numeric_grid(known))
    counts = known.value_counts()
    if len(counts) > MAX_CATEGORIES and counts.iloc[:MAX_CATEGORIES].sum() < len(known) / 2:
        return f"text of {len(counts)} different values"
    frequent = known.isin(counts.index[:MAX_CATEGORIES])
    return FeatureGrid("category", known[~known.duplicated() & frequent].sort_values().reset_index(drop=True))


def _numeric_grid(known: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the distinct values if they are few, else 20 points between two quantiles, rounded for whole numbers.

    scikit-learn makes the same grid, but refuses columns of whole numbers.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats.mstats import mquantiles

    values = np.unique(known.to_numpy())
    if len(values) >= GRID_POINTS:
        # SciPy's quantiles and not NumPy's, which interpolate otherwise: the grid equals scikit-learn's
        low, high = mquantiles(known.to_numpy(dtype=float), prob=GRID_QUANTILES)
        points = np.linspace(low, high, GRID_POINTS) if high > low else values[:: max(1, len(values) // GRID_POINTS)]
        values = np.unique(points.round()) if known.dtype.kind in "iu" else points
    return pd.Series(values).astype(known.dtype)


def _dependence_on(
    context: EvaluationContext, sample: ExplanationSample, position: int, grid: FeatureGrid
) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    run, rows, classes = context.run, len(sample.features), context.run.data.classes
    variants = [(position, pd.Series(grid.values.iloc[[place] * rows].array)) for place in range(len(grid.values))]
    predictions = predict_variants(run, sample, variants, bool(classes))
    average = np.array([expected_output(predicted).mean(axis=0) for predicted in predictions])
    # the curve of the first of two classes is the mirror image of the second
    shown = range(1, 2) if len(classes) == 2 else range(average.shape[1])
    return {
        "kind": grid.kind,
        "grid": grid.values.tolist(),
        "average": [average[:, place].tolist() for place in shown],
        "class": [classes[place] for place in shown] if classes else None,
        "part": sample.split,
        "rows": rows,
    }
