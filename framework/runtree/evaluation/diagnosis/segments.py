"""The weakest segments: groups of rows with a high loss, found on the validation split and tested on the test split.

A segment is described by conditions on columns that a reader understands: "30.5 < age <= 41 and city = Bern".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions
from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, take_rows
from runtree.evaluation.diagnosis.columns import ColumnValues, read_columns, select_rows

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# The search on the validation split.
NUMERIC_BINS = 5
# at most three conditions, which a reader can still follow
TREE_DEPTH = 3
MAX_TREE_INPUTS = 60
MAX_TREE_LEVELS = 8  # of a category
MAX_OVERLAP = 0.7  # Jaccard index from which two candidates count as one
MAX_CANDIDATES = 8  # each further one lowers the power of the test
MIN_EXCESS_ERRORS = 1.5  # standard errors above the other rows, to be a candidate at all
MIN_SEGMENT_ROWS, MIN_SEGMENT_SHARE = 20, 0.02
# The test on the test split.
ALPHA = 0.05
WARNING_RATIO = 1.5  # of the segment's loss to the overall one
MAX_NAMED = 3


@dataclass(frozen=True)
class RangeCondition:
    """A number above `low` and at most `high`; a missing value does not match."""

    column: str
    low: float = -inf
    high: float = inf

    def mask(self, columns: Mapping[str, ColumnValues]) -> "Array":
        """Return which rows match."""
        values = columns[self.column].values
        mask: Array = (values > self.low) & (values <= self.high)
        return mask

    def __str__(self) -> str:
        if self.low == -inf:
            return f"{self.column} <= {self.high:.6g}"
        above = f"{self.column} > {self.low:.6g}"
        return above if self.high == inf else f"{self.low:.6g} < {self.column} <= {self.high:.6g}"


@dataclass(frozen=True)
class CategoryCondition:
    """A category that is, or with `equal=False` is not, a level."""

    column: str
    level: str
    equal: bool = True

    def mask(self, columns: Mapping[str, ColumnValues]) -> "Array":
        """Return which rows match."""
        column = columns[self.column]
        mask: Array = (column.values == column.levels.index(self.level)) == self.equal
        return mask

    def __str__(self) -> str:
        return f"{self.column} {'=' if self.equal else '!='} {self.level}"


@dataclass(frozen=True)
class MissingCondition:
    """A value that is, or with `missing=False` is not, missing."""

    column: str
    missing: bool = True

    def mask(self, columns: Mapping[str, ColumnValues]) -> "Array":
        """Return which rows match."""
        mask: Array = columns[self.column].missing == self.missing
        return mask

    def __str__(self) -> str:
        return f"{self.column} is {'' if self.missing else 'not '}missing"


SegmentCondition = RangeCondition | CategoryCondition | MissingCondition


def combine_masks(conditions: Sequence[SegmentCondition], columns: Mapping[str, ColumnValues]) -> "Array":
    """Return which rows match all conditions."""
    mask = conditions[0].mask(columns)
    for condition in conditions[1:]:
        mask = mask & condition.mask(columns)
    return mask


def simplify_conditions(path: Sequence[SegmentCondition]) -> tuple[SegmentCondition, ...]:
    """Join the ranges of one column, and drop "city != Rome" where there is "city = Bern"."""
    ranges: dict[str, RangeCondition] = {}
    others: list[SegmentCondition] = []
    for condition in path:
        if isinstance(condition, RangeCondition):
            known = ranges.get(condition.column, condition)
            low, high = max(known.low, condition.low), min(known.high, condition.high)
            ranges[condition.column] = RangeCondition(condition.column, low, high)
        elif condition not in others:
            others.append(condition)

    def is_equality(condition: SegmentCondition) -> bool:
        return isinstance(condition, CategoryCondition) and condition.equal

    fixed = {condition.column for condition in others if is_equality(condition)}
    kept = [condition for condition in others if condition.column not in fixed or is_equality(condition)]
    return (*ranges.values(), *kept)


def format_conditions(conditions: Sequence[SegmentCondition]) -> str:
    """Return ``30 < age <= 50 and city = Bern``."""
    return " and ".join(str(condition) for condition in conditions)


@dataclass(frozen=True)
class SegmentCandidate:
    """A segment that the search found.

    `source` is "column" or "tree"; `excess` is the mean loss above that of the other rows, in standard errors.
    """

    conditions: tuple[SegmentCondition, ...]
    source: str
    excess: float


def find_candidates(columns: Sequence[ColumnValues], loss: "Array", min_rows: int) -> list[SegmentCandidate]:
    """Return the segments with the highest excess loss, without those that overlap much with a better one.

    They are found, not tested: among many segments, the worst looks bad by chance.
    """
    table = {column.name: column for column in columns}
    singles = ((conditions, "column") for column in columns for conditions in _column_segments(column))
    candidates: list[tuple[SegmentCandidate, Array]] = []
    for conditions, source in [*singles, *_tree_segments(columns, loss, min_rows)]:
        mask = combine_masks(conditions, table)
        excess = excess_loss(loss, mask, min_rows)
        if excess >= MIN_EXCESS_ERRORS:
            candidates.append((SegmentCandidate(tuple(conditions), source, excess), mask))
    # of equally bad segments the one with fewer conditions
    candidates.sort(key=lambda pair: (-pair[0].excess, len(pair[0].conditions)))
    kept: list[tuple[SegmentCandidate, Array]] = []
    for candidate, mask in candidates:
        if all((mask & other).sum() < MAX_OVERLAP * (mask | other).sum() for _, other in kept):
            kept.append((candidate, mask))
        if len(kept) == MAX_CANDIDATES:
            break
    return [candidate for candidate, _ in kept]


def excess_loss(loss: "Array", mask: "Array", min_rows: int) -> float:
    """Return by how many standard errors the mean loss of some rows is above that of the others."""
    import numpy as np

    inside, count = int(mask.sum()), len(mask)
    # both sides need rows, since the segment is compared with the others
    if not min_rows <= inside <= count - min_rows:
        return 0.0
    own, others = loss[mask], loss[~mask]
    error = float(np.sqrt(own.var() / inside + others.var() / (count - inside)))
    return float(own.mean() - others.mean()) / error if error > 0 else 0.0


def _column_segments(column: ColumnValues) -> Iterator[tuple[SegmentCondition]]:
    """Yield each level, each fifth of a number, and the missing values."""
    import numpy as np

    if column.missing.any():
        yield (MissingCondition(column.name),)
    if not column.numeric:
        yield from ((CategoryCondition(column.name, level),) for level in column.levels)
        return
    known = column.values[~column.missing]
    edges = np.unique(np.quantile(known, np.arange(1, NUMERIC_BINS) / NUMERIC_BINS)).tolist() if len(known) else []
    bounds: list[float] = [-np.inf, *edges, np.inf]
    yield from ((RangeCondition(column.name, low, high),) for low, high in pairwise(bounds) if low < high)


def _tree_segments(
    columns: Sequence[ColumnValues], loss: "Array", min_rows: int
) -> list[tuple[tuple[SegmentCondition, ...], str]]:
    """Return the leaves of a shallow tree of the loss (Chung et al. 2019, doi:10.1109/TKDE.2019.2916074)."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    inputs = list(_tree_inputs(columns))[:MAX_TREE_INPUTS]
    if not inputs or len(loss) < 2 * min_rows:
        return []
    # scikit-learn's trees convert to float32 anyway
    rows = np.column_stack([values for _, values in inputs]).astype(np.float32)
    tree = DecisionTreeRegressor(max_depth=TREE_DEPTH, min_samples_leaf=min_rows, random_state=0).fit(rows, loss).tree_
    paths = _leaf_paths(tree, [origin for origin, _ in inputs], 0, ())
    return [(path, "tree") for path in paths if len(path) > 1]  # single conditions are candidates already


def _tree_inputs(columns: Sequence[ColumnValues]) -> "Iterator[tuple[SegmentCondition | str, Array]]":
    """Yield inputs of the tree with their values: a numeric column's name, or a condition."""
    import numpy as np

    for column in columns:
        if column.numeric:
            median = float(np.nanmedian(column.values)) if not column.missing.all() else 0.0
            # the median keeps missing values out of both extremes; whether they are missing is an input of its own
            yield column.name, np.where(column.missing, median, column.values)
        else:
            for code, level in enumerate(column.levels[:MAX_TREE_LEVELS]):
                yield CategoryCondition(column.name, level), column.values == code
        if column.missing.any():
            yield MissingCondition(column.name), column.missing


def _leaf_paths(
    tree: Any, inputs: "Sequence[SegmentCondition | str]", node: int, path: tuple[SegmentCondition, ...]
) -> Iterator[tuple[SegmentCondition, ...]]:
    if tree.children_left[node] < 0:
        yield simplify_conditions(path)
        return
    origin, bound = inputs[tree.feature[node]], float(tree.threshold[node])
    left: SegmentCondition
    right: SegmentCondition
    if isinstance(origin, str):
        left, right = RangeCondition(origin, high=bound), RangeCondition(origin, low=bound)
    else:  # an indicator: 0 goes left, so the left branch is the negation
        assert isinstance(origin, (CategoryCondition, MissingCondition))
        right = origin
        left = (
            CategoryCondition(origin.column, origin.level, False)
            if isinstance(origin, CategoryCondition)
            else MissingCondition(origin.column, False)
        )
    yield from _leaf_paths(tree, inputs, tree.children_left[node], (*path, left))
    yield from _leaf_paths(tree, inputs, tree.children_right[node], (*path, right))


def weakest_segments(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return the segments found on the validation split, with their loss on the test split, most significant first.

    The loss of a row is 1 for a wrong class (`error_rate`), or the absolute error (`mae`); less is better. `p` is
    one-sided and corrected by Holm over all segments: Fisher's exact test for classes, Mann-Whitney's for errors. The
    test split had no part in the search, so neither `p` nor the interval is biased by it.
    """
    import numpy as np

    if not {"validation", "test"} <= set(context.predictions):
        return None
    chosen = {split: context.sample_rows(split) for split in ("validation", "test")}
    rows = [context.rows[split][chosen[split]] for split in chosen]
    # both splits are read at once, so that they share the codes of categories
    columns, _ = read_columns(context.run.data.features.iloc[np.concatenate(rows)])
    losses = [row_losses(take_rows(context.predictions[split], chosen[split])) for split in chosen]
    searched, tested = (
        select_rows(columns, place) for place in np.split(np.arange(sum(map(len, rows))), [len(rows[0])])
    )
    candidates = find_candidates(searched, losses[0], max(MIN_SEGMENT_ROWS, int(MIN_SEGMENT_SHARE * len(rows[0]))))
    return _test_candidates(candidates, tested, losses[1], bool(context.run.data.classes))


def row_losses(predictions: Predictions) -> "Array":
    """Return the loss of each row: 0 or 1 for a class, the absolute error for a regression."""
    import numpy as np

    y_true, y_pred = predictions.y_true, predictions.y_pred
    losses: Array = y_true != y_pred if predictions.classes else np.abs(y_true - y_pred)
    return losses.astype(float)


def _test_candidates(
    candidates: Sequence[SegmentCandidate], columns: Sequence[ColumnValues], loss: "Array", is_class: bool
) -> list[dict[str, Any]]:
    from runtree.statistics.comparison import holm

    table = {column.name: column for column in columns}
    segments: list[dict[str, Any]] = []
    for candidate in candidates:
        mask = combine_masks(candidate.conditions, table)
        # a segment that is rare on test cannot be tested, and would only weaken Holm's correction of the others
        if not MIN_SEGMENT_ROWS <= mask.sum() < len(mask):
            continue
        low, high = _loss_interval(loss[mask], is_class)
        segments.append(
            {
                "where": format_conditions(candidate.conditions),
                "source": candidate.source,
                "columns": list(dict.fromkeys(condition.column for condition in candidate.conditions)),
                "category": all(isinstance(condition, CategoryCondition) for condition in candidate.conditions),
                "rows": int(mask.sum()),
                "metric": "error_rate" if is_class else "mae",
                "value": float(loss[mask].mean()),
                "overall": float(loss.mean()),
                "low": low,
                "high": high,
                "p": _p_value(loss, mask, is_class),
            }
        )
    corrected = holm([segment["p"] for segment in segments])
    segments = [{**segment, "p": p} for segment, p in zip(segments, corrected, strict=True)]
    return sorted(segments, key=lambda segment: segment["p"])


def _p_value(loss: "Array", mask: "Array", is_class: bool) -> float:
    from scipy.stats import hypergeom, mannwhitneyu

    if is_class:
        return float(hypergeom.sf(loss[mask].sum() - 1, len(loss), int(loss.sum()), int(mask.sum())))
    # asymptotic: the exact distribution takes minutes for thousands of rows and does not allow ties
    return float(mannwhitneyu(loss[mask], loss[~mask], alternative="greater", method="asymptotic").pvalue)


def _loss_interval(loss: "Array", is_class: bool) -> tuple[float, float]:
    """Return a 95 % interval of the mean loss: exact for an error rate, by Student's t for absolute errors."""
    import numpy as np
    from scipy.stats import t

    from runtree.statistics.proportions import clopper_pearson

    if is_class:
        return clopper_pearson(int(loss.sum()), len(loss), 0.95)
    half = float(t.ppf(0.975, len(loss) - 1) * loss.std(ddof=1) / np.sqrt(len(loss)))
    # a mean of absolute errors is not negative, which Student's interval does not know
    return max(float(loss.mean()) - half, 0.0), float(loss.mean()) + half


def segment_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name the segments that are significantly worse on the test split."""
    segments = context.results.get("slices")
    if segments is None:
        return
    weak = [segment for segment in segments if segment["p"] < ALPHA and segment["value"] > segment["overall"]]
    for segment in weak[:MAX_NAMED]:
        yield _weak_segment(segment)
    if not weak:
        yield Finding("weak segment", "good", "no segment of the rows is significantly worse than the rest")
    features = context.run.data.features
    _, skipped = read_columns(features.iloc[:100])
    if skipped and len(skipped) == features.shape[1]:
        name, reason = next(iter(skipped.items()))
        message = f"no column can define a segment: {name!r} {reason}"
        yield Finding("weak segment", "good", message, "", {"skipped": skipped})


def _weak_segment(segment: dict[str, Any]) -> Finding:
    ratio = segment["value"] / segment["overall"]
    advice = "inspect these rows: labels may be wrong, training rows too few, or a column lacking"
    if segment["category"]:
        advice += f"; monitor them: evaluator.fairness.columns=[{','.join(segment['columns'])}]"
    errors = "errors are {} times as large" if segment["metric"] == "mae" else "errors are {} times as frequent"
    return Finding(
        "weak segment",
        "warning" if ratio >= WARNING_RATIO else "note",
        f"where {segment['where']}, {errors.format(f'{ratio:.2g}')}: test {segment['metric']} {segment['value']:.3g} "
        f"({segment['low']:.3g} to {segment['high']:.3g}) on {segment['rows']:,} rows, overall "
        f"{segment['overall']:.3g}",
        advice,
        {key: segment[key] for key in ("where", "metric", "value", "overall", "p", "rows")},
    )
