"""Folds: fits of a fresh copy of a run's pipeline, each asked about rows that it did not learn from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runtree.contract.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Fold:
    """What a copy is fitted on, and what it is asked about: positions of rows in the run's table.

    `values` holds what of the config is other than the run's own, by path: ``{"algorithm.alpha": 0.1}``.
    """

    train: "Rows"
    held_out: "Rows"
    number: int = 0
    repeat: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)

    def line(self, scores: Mapping[str, float]) -> dict[str, Any]:
        """Return the fold's scores as `metrics.json` keeps them; `rows` were scored on, `train_rows` learnt from."""
        sizes = {"rows": len(self.held_out), "train_rows": len(self.train)}
        return {"fold": self.number, "repeat": self.repeat, **sizes, **scores}


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What came of a fold; `seconds` is how long the fit took, preprocessing included."""

    fold: Fold
    answers: Predictions
    seconds: float


class FoldRunner(Protocol):
    """Fits the folds, one after the other or in as many processes as the run has slots."""

    def __call__(self, folds: Iterable[Fold]) -> Iterator[FoldResult]:
        """Yield what came of each fold, in the order of `folds`, whichever ends first.

        Every fold begins with the run's own seed and has the same threads, so that where it is fitted changes nothing.
        The error of a fit is raised at its turn.

        Raises
        ------
        RunFailedError
            The process of a fold died, and did so again when the fold was fitted once more.
        """
        ...

    def close(self) -> None:
        """End the processes, if there are any."""
        ...
