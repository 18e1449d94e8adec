"""The walk through the epochs of a fit: each is told of, and the answer may end the fit."""

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from runtree.algorithms.networks.checkpoints import read_state, write_state
from runtree.contract.iteration import Report


class Trains(Protocol):
    """A training here, or one in other processes."""

    @property
    def epochs_done(self) -> int:
        """Return how many epochs the weights have seen."""
        ...

    @property
    def learning_rate(self) -> float:
        """Return what the next epoch begins with."""
        ...

    def epoch(self) -> float:
        """Learn from every train row once; return the mean loss over them."""
        ...

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        ...

    def state(self) -> dict[str, Any]:
        """Return all that a training needs to go on exactly."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return the weights and buffers as they are now, not copied."""
        ...


def follow(training: Trains, network: Any, report: Report, watched: bool) -> None:
    """Train `network` to its last epoch, or until `report` says stop; then the best weights are put back, if asked.

    Parameters
    ----------
    training
        What learns; `network.module_` holds its weights whenever the report looks.
    watched
        Whether there are validation rows, whose loss is told too.
    """
    if report.start is not None:
        training.restore(read_state(report.start))
    network.n_iter_ = training.epochs_done
    for step in range(training.epochs_done + 1, network.max_epochs + 1):
        rate = training.learning_rate
        told = {"train_loss": training.epoch(), "learning_rate": rate}
        network.n_iter_ = step
        if report.due(step) and _tell(report, step, training, network, told, watched):
            break
    network.take_weights(_weights_to_keep(report.best, training))


def _weights_to_keep(best: Any, training: Trains) -> dict[str, Tensor]:
    """Return the last weights, or the best iteration's: a copy, or in a fit that went on a checkpoint's folder."""
    if best is None:
        return training.weights()
    weights: dict[str, Tensor] = read_state(best)["module"] if isinstance(best, Path) else best
    return weights


def _tell(report: Report, step: int, training: Trains, network: Any, told: dict[str, float], watched: bool) -> bool:
    if watched:
        told["validation_loss"] = training.validation_loss()
    network.take_weights(training.weights())

    def save(folder: Path) -> None:
        write_state(training.state(), folder)

    return report(step, model=network, snapshot=network.copy_weights, save=save, **told)
