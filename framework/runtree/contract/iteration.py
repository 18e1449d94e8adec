"""What passes between an algorithm that iterates and whoever watches it.

An algorithm takes part by a keyword of its `fit`, and says in its config which keys of the `fit` block it honours::

    def fit(self, X, y, *, report: Report = UNWATCHED, validation=None):
        if report.start: self.read(report.start)                    # the checkpoint of a run that goes on
        for step in range(self.epochs_done + 1, self.max_epochs + 1):
            loss = self.epoch(X, y)
            if report.due(step) and report(step, model=self, snapshot=self.copy, save=self.write, train_loss=loss):
                break
        if report.best is not None: self.put_back(report.best)      # the best iteration's, where that is asked
        return self
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

LOSS = re.compile(r"loss|error|deviance|rmse|mse|mae|mape|^l[12]$", re.IGNORECASE)


def is_loss(name: str) -> bool:
    """Tell from a metric's name, where nothing else is known of it, whether less of it is better."""
    return bool(LOSS.search(name))


class Report(Protocol):
    """Told of iterations, as `report` in an algorithm's `fit`; it answers whether the fit ends here.

    Attributes
    ----------
    start
        The folder of the checkpoint to go on from, written by the algorithm's own `save`; None to begin.
    best
        After the last iteration: the snapshot to put back, or None to keep the model as it is. In a run that went on it
        may be a folder instead, that `save` filled at the best iteration.
    """

    @property
    def start(self) -> Path | None:
        """The checkpoint to go on from."""
        ...

    @property
    def best(self) -> Any:
        """The snapshot to put back."""
        ...

    def due(self, step: int) -> bool:
        """Tell whether anybody wants to hear of iteration `step`, counted from 1. The last is always due."""
        ...

    def __call__(
        self,
        step: int,
        *,
        model: Any = None,
        snapshot: Callable[[], Any] | None = None,
        save: Callable[[Path], None] | None = None,
        **metrics: float,
    ) -> bool:
        """Tell of an iteration, and hear whether to stop.

        Parameters
        ----------
        step
            Iterations done, counted from 1, over the whole life of a run that went on.
        model
            The algorithm as if it had stopped here, to be asked for predictions; None: there are but the losses below.
        snapshot
            Returns what puts this iteration's model back later, held in memory. Without it the best is not put back.
        save
            Writes into an empty folder what `start` needs to go on exactly. Without it there are no checkpoints.
        metrics
            `train_loss`, `validation_loss`, `learning_rate`, or others by the part that they are of.

        Raises
        ------
        Pruned, RunFailedError
            Where a tuner gives the run up, or the loss is no number or explodes. Let them pass.
        """
        ...


class Unwatched:
    """Nobody watches: an algorithm that is fitted outside runtree runs to its own end."""

    start: Path | None = None
    best: Any = None

    def due(self, step: int) -> bool:
        """Want nothing."""
        return False

    def __call__(
        self,
        step: int,
        *,
        model: Any = None,
        snapshot: Callable[[], Any] | None = None,
        save: Callable[[Path], None] | None = None,
        **metrics: float,
    ) -> bool:
        """Go on."""
        return False


UNWATCHED: Report = Unwatched()


class Store(Protocol):
    """Writes and reads scikit-learn's objects, without pickle."""

    def dump(self, content: Any, file: Path) -> None:
        """Write an object."""
        ...

    def load(self, file: Path) -> Any:
        """Read what `dump` wrote."""
        ...


class Stepper(Protocol):
    """Fits somebody else's algorithm step by step: named by `algorithm.iterations._target_`."""

    def refuses(self, algorithm: Any) -> str | None:
        """Return why this algorithm, with its parameters, has no steps; None where it has."""
        ...

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit as `algorithm.fit(X, y)` would, and report each iteration."""
        ...


class HoldsWeights(Protocol):
    """An algorithm whose weights have a file format of their own: safetensors, `.keras`.

    A pipeline that ends in one is saved as scikit-learn's pipelines are, with `bare()` in its place, and beside it the
    files that `save_weights` writes.
    """

    def bare(self) -> "HoldsWeights":
        """Return the fitted algorithm without its weights: what is left is numbers, texts, arrays and lists of them."""
        ...

    def save_weights(self, folder: Path) -> None:
        """Write the weights into the folder of the model, beside its other files."""
        ...

    def load_weights(self, folder: Path) -> None:
        """Take the weights that `save_weights` wrote."""
        ...
