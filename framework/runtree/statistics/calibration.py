"""Whether chances come true: what was said beside what came, in bins of chances."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from runtree.contract.answers import Answers

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Bin:
    """Rows whose chance is above `low` and at most `high`: the mean of these chances, and the share that came true."""

    low: float
    high: float
    rows: int
    mean: float
    share: float

    def plain(self) -> dict[str, float]:
        """Return it as `evaluation.json` keeps it."""
        return asdict(self)


def reliability(
    y: Array, p: Array, bins: int = 10, strategy: Literal["uniform", "quantile"] = "uniform"
) -> tuple[Bin, ...]:
    """Return the bins that hold rows, as scikit-learn's `calibration_curve` makes them.

    Parameters
    ----------
    y
        What came, 1 or 0, of shape (rows,).
    p
        The chance that was given to it.
    strategy
        "uniform": bins of equal width; "quantile": of equally many rows.
    """
    shares = np.linspace(0, 1, bins + 1)
    edges = shares if strategy == "uniform" else np.quantile(p, shares)
    member = np.searchsorted(edges[1:-1], p)
    rows = np.bincount(member, minlength=bins)
    said, came = np.bincount(member, weights=p, minlength=bins), np.bincount(member, weights=y, minlength=bins)
    return tuple(
        Bin(float(edges[at]), float(edges[at + 1]), int(rows[at]), said[at] / rows[at], came[at] / rows[at])
        for at in np.flatnonzero(rows).tolist()
    )


def confidences(answers: Answers) -> tuple[Array, Array]:
    """Return what calibration is about, (what came, its chance): the second of two classes, of more the likeliest.

    For more than two classes that is the top-label calibration of Guo et al. 2017, arXiv:1706.04599.
    """
    if answers.score is None:
        raise ValueError("the model gives no chances")
    if len(answers.classes) == 2:
        return (answers.y_true == 1).astype(float), answers.score[:, 1]
    return (answers.score.argmax(1) == answers.y_true).astype(float), answers.score.max(1)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the mean of |chance - share| over rows (Naeini, Cooper & Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602)."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.mean - one.share) for one in bins) / rows


def expected_calibration_error(answers: Answers, bins: int = 10) -> float:
    """Return the expected calibration error of a classifier that gives chances, in bins of equal width."""
    return calibration_error(reliability(*confidences(answers), bins))
