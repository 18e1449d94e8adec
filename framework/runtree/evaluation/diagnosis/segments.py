"""Conditions that a person can read and that rows answer to: "30.5 < age <= 41 and city = Bern"."""

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


@dataclass(frozen=True)
class RangeCondition:
    """A number above `low` and at most `high`."""

    column: str
    low: float = -inf
    high: float = inf

    def mask(self, columns: Mapping[str, ColumnValues]) -> "Array":
        """Return which rows answer to it; one that is missing does not."""
        values = columns[self.column].values
        found: Array = (values > self.low) & (values <= self.high)
        return found

    def __str__(self) -> str:
        """Write it down."""
        if self.low == -inf:
            return f"{self.column} <= {self.high:.6g}"
        above = f"{self.column} > {self.low:.6g}"
        return above if self.high == inf else f"{self.low:.6g} < {self.column} <= {self.high:.6g}"


@dataclass(frozen=True)
class CategoryCondition:
    """A category that is, or is not, a level."""

    column: str
    level: str
    holds: bool = True

    def mask(self, columns: Mapping[str, ColumnValues]) -> "Array":
        """Return which rows answer to it."""
        own = columns[self.column]
        found: Array = (own.values == own.levels.index(self.level)) == self.holds
        return found

    def __str__(self) -> str:
        """Write it down."""
        return f"{self.column} {'=' if self.holds else '!='} {self.level}"


@dataclass(frozen=True)
class MissingCondition:
    """A value that is, or is not, missing."""

    column: str
    holds: bool = True

    def mask(self, columns: Mapping[str, ColumnValues]) -> "Array":
        """Return which rows answer to it."""
        found: Array = columns[self.column].missing == self.holds
        return found

    def __str__(self) -> str:
        """Write it down."""
        return f"{self.column} is {'' if self.holds else 'not '}missing"


SegmentCondition = RangeCondition | CategoryCondition | MissingCondition


def combine_masks(conditions: Sequence[SegmentCondition], columns: Mapping[str, ColumnValues]) -> "Array":
    """Return which rows answer to all of them."""
    found = conditions[0].mask(columns)
    for condition in conditions[1:]:
        found = found & condition.mask(columns)
    return found


def simplify_conditions(path: Sequence[SegmentCondition]) -> tuple[SegmentCondition, ...]:
    """Join bounds of one number, and drop "is not Rome" where "is Bern" is said already."""
    bounds: dict[str, RangeCondition] = {}
    others: list[SegmentCondition] = []
    for one in path:
        if isinstance(one, RangeCondition):
            known = bounds.get(one.column, one)
            bounds[one.column] = RangeCondition(one.column, max(known.low, one.low), min(known.high, one.high))
        elif one not in others:
            others.append(one)
    named = {one.column for one in others if isinstance(one, CategoryCondition) and one.holds}
    told = [one for one in others if one.column not in named or (isinstance(one, CategoryCondition) and one.holds)]
    return (*bounds.values(), *told)


def format_conditions(conditions: Sequence[SegmentCondition]) -> str:
    """Write several down."""
    return " and ".join(str(condition) for condition in conditions)


NUMERIC_BINS = 5
DEPTH = 3
INPUTS = 60  # columns that the tree is given at most
OFTEN = 8  # levels of a category that the tree is given
ALIKE = 0.7  # share of common rows from which two candidates are one
CALLED = 8  # candidates that are kept: each more makes the proof harder
MIN_EXCESS_ERRORS = 1.5  # standard errors above the other rows, to be a candidate at all


@dataclass(frozen=True)
class SegmentCandidate:
    """Conditions, who found them, and by how many standard errors the loss of their rows is above the others'."""

    conditions: tuple[SegmentCondition, ...]
    source: str
    excess: float


def find_candidates(columns: Sequence[ColumnValues], loss: "Array", least: int) -> list[SegmentCandidate]:
    """Return the most conspicuous groups of at least `least` rows, none much like a better one.

    They are found, not proven: the loss of rows that were looked through for the worst is bad by choice.
    """
    table = {column.name: column for column in columns}
    tried = [*((pair, "column") for column in columns for pair in _of_column(column)), *_of_tree(columns, loss, least)]
    found: list[tuple[SegmentCandidate, Array]] = []
    for conditions, source in tried:
        mask = combine_masks(conditions, table)
        excess = excess_loss(loss, mask, least)
        if excess >= MIN_EXCESS_ERRORS:
            found.append((SegmentCandidate(tuple(conditions), source, excess), mask))
    found.sort(key=lambda pair: (-pair[0].excess, len(pair[0].conditions)))
    return _apart(found)


def excess_loss(loss: "Array", mask: "Array", least: int) -> float:
    """Return by how many standard errors the mean loss of some rows is above that of the others."""
    import numpy as np

    inside, count = int(mask.sum()), len(mask)
    if not least <= inside <= count - least:
        return 0.0
    own, others = loss[mask], loss[~mask]
    error = float(np.sqrt(own.var() / inside + others.var() / (count - inside)))
    return float(own.mean() - others.mean()) / error if error > 0 else 0.0


def _apart(found: "list[tuple[SegmentCandidate, Array]]") -> list[SegmentCandidate]:
    kept: list[tuple[SegmentCandidate, Array]] = []
    for candidate, mask in found:
        if all((mask & other).sum() < ALIKE * (mask | other).sum() for _, other in kept):
            kept.append((candidate, mask))
        if len(kept) == CALLED:
            break
    return [candidate for candidate, _ in kept]


def _of_column(column: ColumnValues) -> Iterator[tuple[SegmentCondition]]:
    """Yield each level, each fifth of a number, and what is missing."""
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


def _of_tree(
    columns: Sequence[ColumnValues], loss: "Array", least: int
) -> list[tuple[tuple[SegmentCondition, ...], str]]:
    """Return the leaves of a shallow tree of the loss (Chung et al. 2019, doi:10.1109/TKDE.2019.2916074)."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    inputs = list(_inputs(columns))[:INPUTS]
    if not inputs or len(loss) < 2 * least:
        return []
    rows = np.column_stack([values for _, values in inputs]).astype(np.float32)
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0).fit(rows, loss).tree_
    paths = _paths(tree, [origin for origin, _ in inputs], 0, ())
    return [(path, "tree") for path in paths if len(path) > 1]


def _inputs(columns: Sequence[ColumnValues]) -> "Iterator[tuple[SegmentCondition | str, Array]]":
    """Yield what the tree may ask: a number's name, or a condition, with its values."""
    import numpy as np

    for column in columns:
        if column.numeric:
            middle = float(np.nanmedian(column.values)) if not column.missing.all() else 0.0
            yield column.name, np.where(column.missing, middle, column.values)
        else:
            yield from (
                (CategoryCondition(column.name, level), column.values == code)
                for code, level in enumerate(column.levels[:OFTEN])
            )
        if column.missing.any():
            yield MissingCondition(column.name), column.missing


def _paths(
    tree: Any, inputs: "Sequence[SegmentCondition | str]", node: int, path: tuple[SegmentCondition, ...]
) -> Iterator[tuple[SegmentCondition, ...]]:
    if tree.children_left[node] < 0:
        yield simplify_conditions(path)
        return
    origin, bound = inputs[tree.feature[node]], float(tree.threshold[node])
    if isinstance(origin, str):
        left, right = RangeCondition(origin, high=bound), RangeCondition(origin, low=bound)
        yield from _paths(tree, inputs, tree.children_left[node], (*path, left))
        yield from _paths(tree, inputs, tree.children_right[node], (*path, right))
        return
    assert isinstance(origin, (CategoryCondition, MissingCondition))
    opposite = (
        CategoryCondition(origin.column, origin.level, False)
        if isinstance(origin, CategoryCondition)
        else MissingCondition(origin.column, False)
    )
    yield from _paths(tree, inputs, tree.children_left[node], (*path, opposite))
    yield from _paths(tree, inputs, tree.children_right[node], (*path, origin))


LEVEL = 0.05
LEAST, SHARE = 20, 0.02  # rows of a slice, on either part, and the share of the part
MUCH = 1.5  # times the overall loss: a warning
NAMED = 3


def weakest_segments(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return the slices that looked worst on the validation part, with what the test part says of them, surest first.

    The loss is 1 for a wrong class and 0 for a right one (`error_rate`), or the absolute error (`mae`); less is better.
    `p` is one-sided, of the test part alone, which had no part in the search, and corrected for all slices by Holm:
    Fisher's exact test for classes, Mann and Whitney's for errors. So are the limits of the test part.
    """
    import numpy as np

    if not {"validation", "test"} <= set(context.predictions):
        return None
    chosen = {part: context.sample_rows(part) for part in ("validation", "test")}
    rows = [context.rows[part][chosen[part]] for part in chosen]
    columns, _ = read_columns(context.run.data.features.iloc[np.concatenate(rows)])
    losses = [row_losses(take_rows(context.predictions[part], chosen[part])) for part in chosen]
    searched, proven = (
        select_rows(columns, place) for place in np.split(np.arange(sum(map(len, rows))), [len(rows[0])])
    )
    candidates = find_candidates(searched, losses[0], max(LEAST, int(SHARE * len(rows[0]))))
    return _proven(candidates, proven, losses[1], bool(context.run.data.classes))


def row_losses(answers: Predictions) -> "Array":
    """Return what each row costs."""
    import numpy as np

    found: Array = answers.y_true != answers.y_pred if answers.classes else np.abs(answers.y_true - answers.y_pred)
    return found.astype(float)


def _proven(
    candidates: Sequence[SegmentCandidate], columns: Sequence[ColumnValues], loss: "Array", counts: bool
) -> list[dict[str, Any]]:
    from runtree.statistics.comparison import holm

    table = {column.name: column for column in columns}
    found: list[dict[str, Any]] = []
    for one in candidates:
        mask = combine_masks(one.conditions, table)
        if not LEAST <= mask.sum() < len(mask):
            continue
        low, high = _limits(loss[mask], counts)
        found.append(
            {
                "where": format_conditions(one.conditions),
                "source": one.source,
                "columns": list(dict.fromkeys(part.column for part in one.conditions)),
                "category": all(isinstance(part, CategoryCondition) for part in one.conditions),
                "rows": int(mask.sum()),
                "metric": "error_rate" if counts else "mae",
                "value": float(loss[mask].mean()),
                "overall": float(loss.mean()),
                "low": low,
                "high": high,
                "p": _p(loss, mask, counts),
            }
        )
    corrected = holm([one["p"] for one in found])
    return sorted(({**one, "p": p} for one, p in zip(found, corrected, strict=True)), key=lambda one: one["p"])


def _p(loss: "Array", mask: "Array", counts: bool) -> float:
    """Return how likely so great a loss is in a group drawn blindly."""
    from scipy.stats import hypergeom, mannwhitneyu

    if counts:
        return float(hypergeom.sf(loss[mask].sum() - 1, len(loss), int(loss.sum()), int(mask.sum())))
    return float(mannwhitneyu(loss[mask], loss[~mask], alternative="greater", method="asymptotic").pvalue)


def _limits(loss: "Array", counts: bool) -> tuple[float, float]:
    """Return 95 % limits of the mean loss: exact for a share, by Student's t for errors."""
    import numpy as np
    from scipy.stats import t

    from runtree.statistics.proportions import clopper_pearson

    if counts:
        return clopper_pearson(int(loss.sum()), len(loss), 0.95)
    half = float(t.ppf(0.975, len(loss) - 1) * loss.std(ddof=1) / np.sqrt(len(loss)))
    return float(loss.mean()) - half, float(loss.mean()) + half


def segment_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name the slices that are proven worse, and the columns that could not be looked at."""
    found = context.results.get("slices")
    if found is None:
        return
    worse = [one for one in found if one["p"] < LEVEL and one["value"] > one["overall"]]
    for one in worse[:NAMED]:
        yield _finding(one)
    if not worse:
        yield Finding("slices", "good", "no group of rows by columns is worse than the rest, beyond chance")
    yield from _skipped(context)


def _finding(one: dict[str, Any]) -> Finding:
    times = one["value"] / one["overall"]
    name = "errors are" if one["metric"] == "mae" else "wrong answers are"
    advice = "look at these rows: wrong labels, too few of them to learn from, or a column that is lacking"
    if one["category"]:
        advice += f"; watch them: evaluator.fairness.columns=[{','.join(one['columns'])}]"
    return Finding(
        "slice",
        "warning" if times >= MUCH else "note",
        f"where {one['where']}, {name} {times:.2g} times as {'large' if one['metric'] == 'mae' else 'frequent'}: "
        f"{one['metric']} {one['value']:.3g} ({one['low']:.3g} to {one['high']:.3g}), overall {one['overall']:.3g}, "
        f"{one['rows']:,} rows of test",
        advice,
        {key: one[key] for key in ("where", "metric", "value", "overall", "p", "rows")},
    )


def _skipped(context: EvaluationContext) -> Iterator[Finding]:
    _, skipped = read_columns(context.run.data.features.iloc[:100])
    if skipped and len(skipped) == context.run.data.features.shape[1]:
        name, reason = next(iter(skipped.items()))
        yield Finding("slices", "good", f"no column can be sliced by: {name!r} {reason}", "", {"skipped": skipped})
