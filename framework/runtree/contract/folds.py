"""Folds: a copy of a run's pipeline is fitted on some rows and predicts others."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runtree.contract.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]


# eq=False: a comparison of arrays has no truth value, so a generated __eq__ would raise
@dataclass(frozen=True, eq=False)
class Fold:
    """The rows that a copy is fitted on and the rows that it predicts, as positions in the run's table.

    `values` overrides the run's config by path: ``{"algorithm.alpha": 0.1}``.
    """

    train: "Rows"
    held_out: "Rows"
    number: int = 0
    repeat: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)

    def line(self, scores: Mapping[str, float]) -> dict[str, Any]:
        """Return the scores of the fold as `metrics.json` holds them, with the numbers of rows."""
        sizes = {"rows": len(self.held_out), "train_rows": len(self.train)}
        return {"fold": self.number, "repeat": self.repeat, **sizes, **scores}


@dataclass(frozen=True, eq=False)
class FoldResult:
    """The predictions of a fold; `seconds` is the duration of the fit, preprocessing included."""

    fold: Fold
    predictions: Predictions
    seconds: float


class FoldRunner(Protocol):
    """Fits folds one after another, or in as many processes as the run has slots."""

    def __call__(self, folds: Iterable[Fold]) -> Iterator[FoldResult]:
        """Yield the result of each fold in the order of `folds`.

        Each fold starts from the run's own seed and has the same number of threads, so that the process it is fitted in
        changes nothing. An error of a fit is raised when its turn comes.

        Raises
        ------
        RunFailedError
            The process of a fold died, and died again at the second attempt.
        """
        ...

    def close(self) -> None:
        """Shut down the processes."""
        ...
