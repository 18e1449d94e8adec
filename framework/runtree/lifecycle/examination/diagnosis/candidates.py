"""Groups of rows on which a loss seems great: by the values of single columns, and by a shallow tree."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runtree.lifecycle.examination.diagnosis.columns import Column
from runtree.lifecycle.examination.diagnosis.conditions import Between, Condition, Equal, Missing, mask_of, simplified

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BINS = 5
DEPTH = 3
INPUTS = 60  # columns that the tree is given at most
OFTEN = 8  # levels of a category that the tree is given
ALIKE = 0.7  # share of common rows from which two candidates are one
CALLED = 8  # candidates that are kept: each more makes the proof harder
ERRORS = 1.5  # standard errors above the other rows, to be a candidate at all


@dataclass(frozen=True)
class Candidate:
    """Conditions, who found them, and by how many standard errors the loss of their rows is above the others'."""

    conditions: tuple[Condition, ...]
    source: str
    excess: float


def find_candidates(columns: Sequence[Column], loss: "Array", least: int) -> list[Candidate]:
    """Return the most conspicuous groups of at least `least` rows, none much like a better one.

    They are found, not proven: the loss of rows that were looked through for the worst is bad by choice.
    """
    table = {column.name: column for column in columns}
    tried = [*((pair, "column") for column in columns for pair in _of_column(column)), *_of_tree(columns, loss, least)]
    found: list[tuple[Candidate, Array]] = []
    for conditions, source in tried:
        mask = mask_of(conditions, table)
        excess = excess_of(loss, mask, least)
        if excess >= ERRORS:
            found.append((Candidate(tuple(conditions), source, excess), mask))
    found.sort(key=lambda pair: (-pair[0].excess, len(pair[0].conditions)))
    return _apart(found)


def excess_of(loss: "Array", mask: "Array", least: int) -> float:
    """Return by how many standard errors the mean loss of some rows is above that of the others."""
    import numpy as np

    inside, count = int(mask.sum()), len(mask)
    if not least <= inside <= count - least:
        return 0.0
    own, others = loss[mask], loss[~mask]
    error = float(np.sqrt(own.var() / inside + others.var() / (count - inside)))
    return float(own.mean() - others.mean()) / error if error > 0 else 0.0


def _apart(found: "list[tuple[Candidate, Array]]") -> list[Candidate]:
    kept: list[tuple[Candidate, Array]] = []
    for candidate, mask in found:
        if all((mask & other).sum() < ALIKE * (mask | other).sum() for _, other in kept):
            kept.append((candidate, mask))
        if len(kept) == CALLED:
            break
    return [candidate for candidate, _ in kept]


def _of_column(column: Column) -> Iterator[tuple[Condition]]:
    """Yield each level, each fifth of a number, and what is missing."""
    import numpy as np

    if column.missing.any():
        yield (Missing(column.name),)
    if not column.numeric:
        yield from ((Equal(column.name, level),) for level in column.levels)
        return
    known = column.values[~column.missing]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)).tolist() if len(known) else []
    bounds: list[float] = [-np.inf, *edges, np.inf]
    yield from ((Between(column.name, low, high),) for low, high in pairwise(bounds) if low < high)


def _of_tree(columns: Sequence[Column], loss: "Array", least: int) -> list[tuple[tuple[Condition, ...], str]]:
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


def _inputs(columns: Sequence[Column]) -> "Iterator[tuple[Condition | str, Array]]":
    """Yield what the tree may ask: a number's name, or a condition, with its values."""
    import numpy as np

    for column in columns:
        if column.numeric:
            middle = float(np.nanmedian(column.values)) if not column.missing.all() else 0.0
            yield column.name, np.where(column.missing, middle, column.values)
        else:
            yield from (
                (Equal(column.name, level), column.values == code) for code, level in enumerate(column.levels[:OFTEN])
            )
        if column.missing.any():
            yield Missing(column.name), column.missing


def _paths(
    tree: Any, inputs: "Sequence[Condition | str]", node: int, path: tuple[Condition, ...]
) -> Iterator[tuple[Condition, ...]]:
    if tree.children_left[node] < 0:
        yield simplified(path)
        return
    origin, bound = inputs[tree.feature[node]], float(tree.threshold[node])
    if isinstance(origin, str):
        left, right = Between(origin, high=bound), Between(origin, low=bound)
        yield from _paths(tree, inputs, tree.children_left[node], (*path, left))
        yield from _paths(tree, inputs, tree.children_right[node], (*path, right))
        return
    assert isinstance(origin, (Equal, Missing))
    opposite = Equal(origin.column, origin.level, False) if isinstance(origin, Equal) else Missing(origin.column, False)
    yield from _paths(tree, inputs, tree.children_left[node], (*path, opposite))
    yield from _paths(tree, inputs, tree.children_right[node], (*path, origin))
