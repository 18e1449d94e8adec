"""The interface between an algorithm that iterates and the loop that records, scores and stops it.

An algorithm takes part by the keyword `report` of its `fit`; its config names the keys of the `fit` block it honours::

    def fit(self, X, y, *, report: Report = UNWATCHED, validation=None):
        if report.start: self.read(report.start)                    # the checkpoint of a resumed run
        for step in range(self.epochs_done + 1, self.max_epochs + 1):
            loss = self.epoch(X, y)
            if report.due(step) and report(step, model=self, snapshot=self.copy, save=self.write, train_loss=loss):
                break
        if report.best is not None: self.put_back(report.best)      # the best iteration, if it is to be restored
        return self
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

# names of Keras, LightGBM and scikit-learn, whose histories say nothing about the direction
LOSS = re.compile(r"loss|error|deviance|rmse|mse|mae|mape|^l[12]$", re.IGNORECASE)


def is_loss(name: str) -> bool:
    """Return whether a metric that is known only by its name is a loss, of which less is better."""
    return bool(LOSS.search(name))


# The algorithm calls this, and not the reverse: LightGBM, Keras and gradient boosting own their loops, and a generator
# around such a loop would need a thread.
class Report(Protocol):
    """Receives iterations, as `report` in an algorithm's `fit`; it returns whether the fit must end now.

    Attributes
    ----------
    start
        The folder of the checkpoint to resume from, written by the algorithm's own `save`; None in a new run.
    best
        After the last iteration: the snapshot to restore, or None to keep the model as it is. In a resumed run it may
        be a folder instead, which `save` filled at the best iteration.
    """

    @property
    def start(self) -> Path | None:
        """The checkpoint to resume from."""
        ...

    @property
    def best(self) -> Any:
        """The snapshot to restore."""
        ...

    def due(self, step: int) -> bool:
        """Return whether iteration `step`, counted from 1, is to be reported. The last one is always due."""
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
        """Report an iteration; return whether to stop.

        Parameters
        ----------
        step
            Iterations done, counted from 1; in a resumed run those before are included.
        model
            The algorithm as if it had stopped here, for predictions; None if there are only the losses below.
        snapshot
            Returns the state of the model, held in memory, to restore later. Without it the best is not restored.
        save
            Writes the state to resume from into the empty folder given. Without it there are no checkpoints.
        metrics
            `train_loss`, `validation_loss`, `learning_rate`, or others, prefixed by their split.

        Raises
        ------
        Pruned, RunFailedError
            The tuner prunes the run, or the loss is not a number or explodes. Do not catch them.
        """
        ...


class Unwatched:
    """Ignores every iteration: an algorithm that is fitted outside runtree runs to its own end."""

    start: Path | None = None
    best: Any = None

    def due(self, step: int) -> bool:
        """Return False: no iteration is recorded."""
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
        """Return False: never stop."""
        return False


# the default of `fit`: an algorithm needs no `if report is None`, and can be fitted outside runtree
UNWATCHED: Report = Unwatched()


class Store(Protocol):
    """Writes and reads objects of scikit-learn without pickle, which could execute code when a checkpoint is read."""

    def dump(self, content: Any, file: Path) -> None:
        """Write an object."""
        ...

    def load(self, file: Path) -> Any:
        """Read what `dump` wrote."""
        ...


class Stepper(Protocol):
    """Fits a third-party algorithm step by step; `algorithm.iterations._target_` names it.

    Its `fit` may take one more keyword, ``sample_weight`` of shape (rows,); without it `imbalance.class_weight` is
    refused.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Return why this algorithm has no steps with its parameters; None if it has."""
        ...

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit as `algorithm.fit(X, y)` would, and report each iteration."""
        ...


class HoldsWeights(Protocol):
    """An algorithm whose weights have their own file format: safetensors, `.keras`.

    A pipeline that ends in one is saved like any scikit-learn pipeline, with `bare()` as last step, and next to it the
    files that `save_weights` writes. It may also have ``untrained(X, y)``: a copy as it is before the first iteration,
    which is saved and loaded on trial before a long fit.
    """

    def bare(self) -> "HoldsWeights":
        """Return the fitted algorithm without its weights: only numbers, texts, arrays and lists of them remain."""
        ...

    def save_weights(self, folder: Path) -> None:
        """Write the weights into the folder of the model."""
        ...

    def load_weights(self, folder: Path) -> None:
        """Read the weights that `save_weights` wrote."""
        ...
