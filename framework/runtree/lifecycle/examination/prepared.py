"""The rows that baselines learn from and answer about: prepared as the model's own, as plain numbers, not too many."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.run import Run
from runtree.lifecycle.fit import make_preprocess, preprocessed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

CELLS = 1_000_000  # rows x columns that a baseline learns from at most
FEWEST = 1_000  # … rows, however many columns there are
WIDEST = 1_000  # columns


@dataclass(frozen=True)
class Prepared:
    """Rows to learn from with their labels, and rows to answer about by part."""

    learnt: Any
    target: "Array"
    parts: Mapping[str, Any]

    @property
    def obstacle(self) -> str:
        """Return why a model of numbers cannot take these rows; empty where it can."""
        return next(filter(None, map(no_numbers, (self.learnt, *self.parts.values()))), "")


def prepare_rows(run: Run) -> Prepared:
    """Prepare the train part, or a seeded sample of it, and the other parts.

    All of the train part: the preprocessing is the model's own, fitted, and what it made of the rows is recalled. A
    sample: a fresh copy of the preprocessing is fitted on it.
    """
    import numpy as np

    train, width = run.split.train, run.data.features.shape[1]
    order = np.random.default_rng(run.seed).permutation(train)
    chosen = np.sort(order[: room(len(train), width)])
    if len(chosen) == len(train):
        preprocess, learnt = run.recall("fitted", run.preprocessed, lambda: preprocessed(run))
        parts = {part: _recalled(run, preprocess, part) for part in judged(run)}
    else:
        preprocess = make_preprocess(run)
        learnt = preprocess.fit_transform(run.data.features.iloc[chosen], run.data.target.iloc[chosen])
        parts = {part: preprocess.transform(run.part(part)[0]) for part in judged(run)}
    most = room(len(chosen), np.shape(learnt)[1] if np.ndim(learnt) == 2 else 1)
    target = run.data.target.iloc[chosen].to_numpy()
    if most < len(chosen):
        own = np.sort(np.random.default_rng(run.seed).permutation(len(chosen))[:most])
        learnt, target = (learnt.iloc[own] if hasattr(learnt, "iloc") else learnt[own]), target[own]
    return Prepared(learnt, target, parts)


def judged(run: Run) -> list[str]:
    """Return the parts that a baseline is scored on: those that nothing is learnt from."""
    return [part for part in ("validation", "test") if len(run.split.rows(part))]


def room(rows: int, columns: int) -> int:
    """Return how many rows are learnt from."""
    return min(rows, max(CELLS // max(columns, 1), FEWEST))


def _recalled(run: Run, preprocess: Any, part: str) -> Any:
    return run.recall("rows", (run.preprocessed, part), lambda: preprocess.transform(run.part(part)[0]))


def no_numbers(rows: Any) -> str:
    """Return why rows are no table of numbers; empty where they are one."""
    import numpy as np

    if hasattr(rows, "dtypes") and hasattr(rows, "columns"):
        words = [str(name) for name, dtype in rows.dtypes.items() if getattr(dtype, "kind", "O") not in "biuf"]
        if words:
            return f"columns that are no numbers: {', '.join(words[:3])}" + (", …" if len(words) > 3 else "")
    elif not isinstance(rows, np.ndarray) or rows.dtype.kind not in "biuf" or rows.ndim != 2:
        return "the prepared rows are no table of numbers"
    if rows.shape[1] > WIDEST:
        return f"{rows.shape[1]:,} columns, and it takes {WIDEST:,} at most"
    return ""


def taking(learnt: Any) -> "Callable[[Any], Array]":
    """Return what takes the numbers of rows, without columns that are empty in those that are learnt from."""
    import numpy as np

    known = ~np.isnan(_numbers(learnt)).all(axis=0)
    return lambda rows: _numbers(rows)[:, known]


def nothing(rows: Any) -> "Array":
    """Return as many rows with nothing in them."""
    import numpy as np

    return np.zeros((len(rows), 1))


def _numbers(rows: Any) -> "Array":
    """Return a table of numbers as float64, what is infinite as missing."""
    import numpy as np

    found = np.asarray(rows, dtype=float)
    return np.where(np.isinf(found), np.nan, found) if np.isinf(found).any() else found
