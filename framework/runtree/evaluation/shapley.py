"""Shapley values of one prediction, by sampling: the contribution of each column."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]
    Predict = Callable[[pd.DataFrame], Array]  # rows of the table -> one number for each

MAX_EVALUATIONS = 20_000  # predictions for one explained row
MIN_PERMUTATIONS = 10  # pairs of column orders, even if there are so many columns that they need more predictions
BATCH_ROWS = 20_000  # of one prediction


@dataclass(frozen=True)
class FeatureContribution:
    """The contribution of one column to the prediction; `error` is the standard error of the sampling."""

    column: str
    value: Any
    amount: float
    error: float


@dataclass(frozen=True)
class RowExplanation:
    """An explained prediction: `base` plus the amounts of all contributions is `prediction`.

    `base` is the mean prediction for the background rows that were drawn.
    """

    row: int
    prediction: float
    base: float
    contributions: tuple[FeatureContribution, ...]

    def largest(self, count: int) -> tuple[FeatureContribution, ...]:
        """Return the contributions with the largest absolute value."""
        return tuple(sorted(self.contributions, key=lambda contribution: -abs(contribution.amount))[:count])


def explain_row(
    predict: "Predict", row: "pd.DataFrame", number: int, background: "pd.DataFrame", seed: int
) -> RowExplanation:
    """Explain the prediction for one row.

    The columns take their values from the row one after the other, in a random order, while the rest keep those of a
    random background row; a column's amount is the mean change at its turn (Strumbelj & Kononenko 2014,
    doi:10.1007/s10115-013-0679-x). Each order is also walked backwards, which lowers the variance (Mitchell et al.
    2022, JMLR 23(43)).

    Parameters
    ----------
    predict
        Returns the number to explain for each row: the probability of a class, or the predicted value.
    row
        A table of one row, with the columns and types of the background.
    """
    import numpy as np

    width = row.shape[1]
    # an order of n columns takes n + 1 predictions, and a pair has two orders
    pairs = max(MIN_PERMUTATIONS, MAX_EVALUATIONS // (2 * (width + 1)))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(background), size=pairs)
    # sorting random numbers draws all permutations in one call
    forwards = np.argsort(rng.random((pairs, width)), axis=1)
    orders = np.stack([forwards, forwards[:, ::-1]], axis=1).reshape(-1, width)
    # both directions start from the same background row, else the pair would not be antithetic
    outputs = _walk(predict, row, background, np.repeat(drawn, 2), orders)
    changes = np.empty((len(orders), width))
    np.put_along_axis(changes, orders, np.diff(outputs, axis=1), axis=1)
    # the two directions of one order are correlated, so a pair counts as one draw in the standard error
    means = changes.reshape(pairs, 2, width).mean(axis=1)
    errors = means.std(axis=0, ddof=1) / np.sqrt(pairs)
    contributions = zip(row.columns, row.iloc[0].tolist(), means.mean(axis=0), errors, strict=True)
    return RowExplanation(
        number,
        float(outputs[0, -1]),
        float(outputs[:, 0].mean()),
        tuple(
            FeatureContribution(str(name), value, float(amount), float(error))
            for name, value, amount, error in contributions
        ),
    )


def _walk(
    predict: "Predict", row: "pd.DataFrame", background: "pd.DataFrame", drawn: "Array", orders: "Array"
) -> "Array":
    """Return the predictions from each background row to the explained row, of shape (orders, columns + 1)."""
    import numpy as np
    import pandas as pd

    width = row.shape[1]
    turns = np.argsort(orders, axis=1)  # the step at which each column changes
    table = pd.concat([background, row], ignore_index=True)
    step = max(1, BATCH_ROWS // (width + 1))
    outputs = []
    for start in range(0, len(orders), step):
        own = drawn[start : start + step]
        changed = turns[start : start + step, None, :] < np.arange(width + 1)[None, :, None]  # (orders, steps, columns)
        # the explained row stands behind the background in `table`, at the position len(background)
        source = np.where(changed, len(background), own[:, None, None]).reshape(-1, width)
        outputs.append(predict(_take_cells(table, source)).reshape(len(own), width + 1))
    return np.concatenate(outputs)


def _take_cells(table: "pd.DataFrame", source: "Array") -> "pd.DataFrame":
    """Return the table whose cell (i, column) is the cell (source[i, column], column) of another."""
    import pandas as pd

    # column by column, because each keeps its own type: one array of all cells would turn numbers into objects
    columns = [column.take(source[:, place]).reset_index(drop=True) for place, (_, column) in enumerate(table.items())]
    cells: pd.DataFrame = pd.concat(columns, axis=1)
    return cells
