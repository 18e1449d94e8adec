"""The model asked about many variants of some rows at once: a call costs more than the rows it is about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual, chances, codes
from runtree.contract.run import Run
from runtree.contract.types import Metric
from runtree.evaluation.context import EvaluationContext

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]
    Change = tuple[int, pd.Series[Any]]  # a column's position, and its values in a variant

TOGETHER = 20_000  # rows of one call


@dataclass(frozen=True)
class ExplanationSample:
    """Some rows that nothing was learnt from, as the table has them, before preprocessing.

    Attributes
    ----------
    part
        The validation part, so that what is learnt of the columns is not learnt from the test part; where there is
        none, the test part.
    whole
        How many rows the part has.
    """

    run: Run
    part: str
    features: "pd.DataFrame"
    truth: "Array"
    whole: int

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return [str(name) for name in self.features.columns]

    def ask(self, features: "pd.DataFrame", truth: "Array", with_chances: bool) -> Answers:
        """Ask the model; its chances only where they are needed."""
        return predict_rows(self.run.model, features, truth, self.run.data.classes, with_chances)

    def variants(self, changes: "Sequence[Change]", with_chances: bool) -> Iterator[Answers]:
        """Yield what the model answers to the rows with one column changed, for each change."""
        import numpy as np

        rows = len(self.features)
        step = max(1, TOGETHER // max(rows, 1))
        for start in range(0, len(changes), step):
            some = changes[start : start + step]
            block = self.features.take(np.tile(np.arange(rows), len(some))).reset_index(drop=True)
            for position in dict.fromkeys(position for position, _ in some):
                block.isetitem(position, _changed(block.iloc[:, position], position, some).array)
            found = self.ask(block, np.tile(self.truth, len(some)), with_chances)
            yield from (slice_predictions(found, number * rows, (number + 1) * rows) for number in range(len(some)))


def _changed(own: "pd.Series[Any]", position: int, changes: "Sequence[Change]") -> "pd.Series[Any]":
    """Return a column of many variants, its own values replaced in those that change it: they stand in a row."""
    import pandas as pd

    rows = len(own) // len(changes)
    places = [number for number, (place, _) in enumerate(changes) if place == position]
    values = [changes[number][1] for number in places]
    parts = [own.iloc[: places[0] * rows], *values, own.iloc[(places[-1] + 1) * rows :]]
    return pd.concat([part for part in parts if len(part)], ignore_index=True).astype(own.dtype)


def sample_explanation_rows(run: Run, rows: int) -> ExplanationSample:
    """Return a seeded sample of at most so many rows."""
    import numpy as np

    part = "validation" if len(run.split.validation) else "test"
    own = run.split.rows(part)
    chosen = np.sort(np.random.default_rng(run.seed).permutation(own)[:rows]) if rows < len(own) else own
    features = run.data.features.iloc[chosen].reset_index(drop=True)
    return ExplanationSample(run, part, features, actual(run.data.target.iloc[chosen], run.data.classes), len(own))


def predict_rows(
    model: Any, features: "pd.DataFrame", truth: "Array", classes: tuple[Any, ...], with_chances: bool
) -> Answers:
    """Ask a pipeline about rows of the table: prepare them once for both of its answers."""
    from joblib import parallel_config

    last, rows = (model[-1], model[:-1].transform(features)) if hasattr(model, "steps") else (model, features)
    with parallel_config("sequential"):
        predicted = last.predict(rows)
        score = chances(last, rows, classes) if classes and with_chances else None
    return Answers(truth, codes(predicted, classes) if classes else predicted.astype(float).ravel(), score, classes)


def slice_predictions(found: Answers, start: int, end: int) -> Answers:
    """Return the answers about some rows in a row."""
    score = found.score[start:end] if found.score is not None else None
    return Answers(found.y_true[start:end], found.y_pred[start:end], score, found.classes)


def expected_output(found: Answers) -> "Array":
    """Return the chance of each class, of shape (rows, classes), without chances 1 for the class that is predicted.

    For a regression the predicted number, of shape (rows, 1).
    """
    import numpy as np

    if not found.classes:
        return found.y_pred[:, None]
    return found.score if found.score is not None else np.eye(len(found.classes))[found.y_pred]


ALIKE = 0.8  # of Spearman's rank correlation, without its sign, on average within a group


def correlated_groups(features: "pd.DataFrame") -> list[list[str]]:
    """Return groups of two or more columns whose ranks correlate, the largest first.

    Average linkage over 1 - |Spearman's rho|, cut at 0.2, as scikit-learn's example "Permutation Importance with
    Multicollinear or Correlated Features" clusters them.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    numbers = features.select_dtypes("number")
    ranks = numbers.rank().to_numpy(dtype=float)
    ranks = np.where(np.isnan(ranks), np.nanmean(ranks, axis=0, where=~np.isnan(ranks)) if len(ranks) else 0.0, ranks)
    varies = ranks.std(axis=0) > 0 if len(ranks) else np.zeros(0, dtype=bool)
    names = [str(name) for name, own in zip(numbers.columns, varies, strict=False) if own]
    if len(names) < 2:
        return []
    distance = 1 - np.abs(np.corrcoef(ranks[:, varies], rowvar=False))
    tree = linkage(squareform(np.clip(distance, 0, None), checks=False), method="average")
    labels = fcluster(tree, 1 - ALIKE, criterion="distance")
    groups = [[name for name, own in zip(names, labels, strict=True) if own == label] for label in sorted(set(labels))]
    return sorted((group for group in groups if len(group) > 1), key=len, reverse=True)


ASKED = {"auto": 30_000, "full": 400_000}  # rows that the model is asked about in all
SHUFFLES = {"auto": 5, "full": 10}
WIDEST = {"auto": 500, "full": 10_000}  # columns; of more, such as pixels, each alone says next to nothing
FEWEST = 30  # rows, where there are so many
IMPORTANCE_SKIPPED = "explanation_left_out"


def feature_importance(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the permutation importance of each column of the table, the greatest first; a loss is above 0.

    Breiman 2001, doi:10.1023/A:1010933404324. Mean and standard deviation over the shuffles equal those of
    scikit-learn's `permutation_importance` for the same rows and seed; here many shuffles are asked in one call.
    Columns are those of the table: what preprocessing makes of one is shuffled together.
    """
    run, asked = context.run, context.options.explain
    width = run.data.features.shape[1]
    if asked == "none":
        return None
    if not 1 < width <= WIDEST[asked]:
        context.results[IMPORTANCE_SKIPPED] = (
            f"importance is found for 2 to {WIDEST[asked]:,} columns, and there are {width:,}"
        )
        return None
    repeats = max(1, min(SHUFFLES[asked], ASKED[asked] // (width * FEWEST)))
    sample = sample_explanation_rows(run, max(FEWEST, ASKED[asked] // (width * repeats)))
    losses = _losses(context, sample, repeats)
    found = [
        {"feature": name, "mean": float(own.mean()), "sd": float(own.std())}
        for name, own in zip(sample.names, losses, strict=True)
    ]
    return {
        "method": "permutation",
        "part": sample.part,
        "metric": context.metric.name,
        "rows": len(sample.features),
        "sampled": len(sample.features) < sample.whole,
        "repeats": repeats,
        "features": sorted(found, key=lambda one: -one["mean"]),
        **_warned(correlated_groups(sample.features)),
    }


def _losses(context: EvaluationContext, sample: ExplanationSample, repeats: int) -> "Array":
    """Return by how much the metric is worse, of shape (columns, repeats)."""
    import numpy as np

    metric, with_chances = context.metric, context.metric.needs == "probability"
    shuffles = shuffle_orders(len(sample.features), repeats, context.run.seed)
    columns = [column for _, column in sample.features.items()]
    changes = [(position, column.take(order)) for position, column in enumerate(columns) for order in shuffles]
    level = _value(sample.ask(sample.features, sample.truth, with_chances), metric)
    values = [_value(found, metric) for found in sample.variants(changes, with_chances)]
    losses = [-context.gain(value, level) for value in values]
    return np.array(losses).reshape(len(sample.names), repeats)


def _value(found: Any, metric: Metric) -> float:
    value = found.value(metric)
    return float("nan") if value is None else float(value)


def shuffle_orders(rows: int, repeats: int, seed: int) -> "list[Array]":
    """Return the orders that scikit-learn's `permutation_importance` shuffles each column into, one after the other."""
    import numpy as np

    first = np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1)
    rng, order, shuffle, found = np.random.RandomState(first), np.arange(rows), np.arange(rows), []
    for _ in range(repeats):
        rng.shuffle(shuffle)
        order = order[shuffle]
        found.append(order)
    return found


def _warned(alike: Sequence[Sequence[str]]) -> dict[str, Any]:
    if not alike:
        return {"correlated": []}
    shown = "; ".join(", ".join(names[:4]) + (", …" if len(names) > 4 else "") for names in alike[:3])
    advice = f"columns that say the same share their importance, so that each looks less than it is: {shown}"
    return {"correlated": [list(names) for names in alike], "advice": advice}


FEATURES = {"auto": 5, "full": 1_000}
DEPENDENCE_ROWS = {"auto": 200, "full": 1_000}
POINTS = 20  # of a grid
LEVELS = 20  # of a category; the rarest are left out
MIDDLE = (0.05, 0.95)  # the quantiles between which a grid lies
DEPENDENCE_SKIPPED = "dependence_left_out"


@dataclass(frozen=True)
class FeatureGrid:
    """The values that a column is set to, in its own type."""

    kind: str
    values: "pd.Series[Any]"


def feature_dependence(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return the average answer over a grid of each of the most important columns.

    Friedman 2001, doi:10.1214/aos/1013203451; equal to scikit-learn's `partial_dependence(method="brute")` where that
    takes the column. `average` has a list of chances for each class in `class`, of two classes for the second alone;
    for a regression one list of predictions, and `class` is None.
    """
    asked, ranked = context.options.explain, context.results.get("importance")
    if asked == "none" or not ranked:
        return None
    sample = sample_explanation_rows(context.run, DEPENDENCE_ROWS[asked])
    found, left = [], []
    for name in [one["feature"] for one in ranked["features"]][: FEATURES[asked]]:
        position = sample.names.index(name)
        grid = make_grid(sample.features.iloc[:, position])
        if isinstance(grid, str):
            left.append({"feature": name, "reason": grid})
        else:
            found.append(_told(sample, name, position, grid))
    if left:
        context.results[DEPENDENCE_SKIPPED] = left
    return found


def make_grid(column: "pd.Series[Any]") -> FeatureGrid | str:
    """Return the values to set a column to, or why there are none."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_scalar

    known = column.dropna()
    if is_datetime64_any_dtype(column):
        return "dates are not set one by one: what is made of them moves together"
    if not known.map(is_scalar).all():
        return "its cells are no numbers or words"
    if known.nunique() < 2:
        return "it does not vary in the sample"
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return FeatureGrid("numeric", _numbers(known))
    counts = known.value_counts()
    if len(counts) > LEVELS and counts.iloc[:LEVELS].sum() < len(known) / 2:
        return f"text of {len(counts)} different values"
    levels = counts.index[:LEVELS]
    return FeatureGrid("category", known[~known.duplicated() & known.isin(levels)].sort_values().reset_index(drop=True))


def _numbers(known: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the values themselves where there are few, else 20 points between two quantiles, whole for whole numbers.

    The quantiles are those of `scipy.stats.mstats.mquantiles`, which scikit-learn takes.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats.mstats import mquantiles

    values = np.unique(known.to_numpy())
    if len(values) >= POINTS:
        low, high = mquantiles(known.to_numpy(dtype=float), prob=MIDDLE)
        between = np.linspace(low, high, POINTS) if high > low else values[:: max(1, len(values) // POINTS)]
        values = np.unique(between.round()) if known.dtype.kind in "iu" else between
    return pd.Series(values).astype(known.dtype)


def _told(sample: ExplanationSample, name: str, position: int, grid: FeatureGrid) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    rows, classes = len(sample.features), sample.run.data.classes
    changes = [(position, pd.Series(grid.values.iloc[[number] * rows].array)) for number in range(len(grid.values))]
    average = np.array([expected_output(found).mean(axis=0) for found in sample.variants(changes, bool(classes))])
    shown = range(1, 2) if len(classes) == 2 else range(average.shape[1])
    return {
        "feature": name,
        "kind": grid.kind,
        "grid": grid.values.tolist(),
        "average": [average[:, place].tolist() for place in shown],
        "class": [classes[place] for place in shown] if classes else None,
        "part": sample.part,
        "rows": rows,
    }
