"""Which columns of one row speak for what the model answers, and which against: Shapley values by sampling."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]
    Ask = Callable[[pd.DataFrame], Array]  # rows of the table -> a number each

MAX_EVALUATIONS = 20_000  # variants of one row that the model is asked about
MIN_PERMUTATIONS = 10  # orders of the columns, however many columns there are
BATCH_ROWS = 20_000  # rows of one call


@dataclass(frozen=True)
class FeatureContribution:
    """What one column of a row adds to the answer; `error` is the standard error of the sampling."""

    column: str
    value: Any
    amount: float
    error: float


@dataclass(frozen=True)
class RowExplanation:
    """An answer taken apart: `base` + the sum of the contributions = `answer`.

    `base` is the mean answer to the background rows that were drawn.
    """

    row: int
    answer: float
    base: float
    contributions: tuple[FeatureContribution, ...]

    def first(self, count: int) -> tuple[FeatureContribution, ...]:
        """Return the contributions that weigh most, for or against."""
        return tuple(sorted(self.contributions, key=lambda one: -abs(one.amount))[:count])


def explain_row(ask: "Ask", row: "pd.DataFrame", number: int, background: "pd.DataFrame", seed: int) -> RowExplanation:
    """Take the model's answer to one row apart.

    Columns take their values from the row one after the other, in a random order, the others keep those of a random
    background row; what a column adds is the mean change where it is its turn. Each order is gone through backwards as
    well. Strumbelj & Kononenko 2014, doi:10.1007/s10115-013-0679-x; backwards: Mitchell et al. 2022, JMLR 23(43).

    Parameters
    ----------
    ask
        Returns the number that is explained for each row: the chance of a class, or the prediction.
    row
        A table of one row, with the background's columns in their types.
    """
    import numpy as np

    width = row.shape[1]
    pairs = max(MIN_PERMUTATIONS, MAX_EVALUATIONS // (2 * (width + 1)))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(background), size=pairs)
    orders = np.argsort(rng.random((pairs, width)), axis=1)
    both = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, width)
    answers = _walk(ask, row, background, np.repeat(drawn, 2), both)
    added = np.empty((len(both), width))
    np.put_along_axis(added, both, np.diff(answers, axis=1), axis=1)
    means = added.reshape(pairs, 2, width).mean(axis=1)  # the two ways through an order are no two draws
    errors = means.std(axis=0, ddof=1) / np.sqrt(pairs)
    told = zip(row.columns, row.iloc[0].tolist(), means.mean(axis=0), errors, strict=True)
    return RowExplanation(
        number,
        float(answers[0, -1]),
        float(answers[:, 0].mean()),
        tuple(
            FeatureContribution(str(name), value, float(amount), float(error)) for name, value, amount, error in told
        ),
    )


def _walk(ask: "Ask", row: "pd.DataFrame", background: "pd.DataFrame", drawn: "Array", orders: "Array") -> "Array":
    """Return the answers on the way from each background row to the row, of shape (orders, columns + 1)."""
    import numpy as np
    import pandas as pd

    width = row.shape[1]
    ranks = np.argsort(orders, axis=1)  # when it is each column's turn
    both = pd.concat([background, row], ignore_index=True)
    step = max(1, BATCH_ROWS // (width + 1))
    found = []
    for start in range(0, len(orders), step):
        turns, own = ranks[start : start + step], drawn[start : start + step]
        taken = turns[:, None, :] < np.arange(width + 1)[None, :, None]  # (orders, steps, columns)
        source = np.where(taken, len(background), own[:, None, None]).reshape(-1, width)
        found.append(ask(_assembled(both, source)).reshape(len(own), width + 1))
    return np.concatenate(found)


def _assembled(table: "pd.DataFrame", source: "Array") -> "pd.DataFrame":
    """Return the table whose cell (i, column) stands in row ``source[i, column]`` of another."""
    import pandas as pd

    columns = [column.take(source[:, place]).reset_index(drop=True) for place, (_, column) in enumerate(table.items())]
    found: pd.DataFrame = pd.concat(columns, axis=1)
    return found
