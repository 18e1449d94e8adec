"""Training by Keras's `fit`, with a callback that seeds each epoch, reports it, and stops if requested."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.iteration import Report
from runtree_keras import checkpoint
from runtree_keras.backend import keras, seed_all
from runtree_keras.batches import Batches


@dataclass(frozen=True)
class TrainingPlan:
    """Epochs, batch size and seed of a fit.

    Attributes
    ----------
    epochs
        Maximum, including the epochs before a checkpoint.
    size
        Rows per batch.
    seed
        Seeds row order, dropout and all else that is random.
    """

    epochs: int
    size: int
    seed: int


class EpochCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Seeds each epoch from (seed, epoch), so that a continued fit equals an uninterrupted one."""

    def __init__(self, rows: Batches, plan: TrainingPlan, report_epoch: Callable[[int, float], bool]) -> None:
        super().__init__()
        self.rows, self.plan, self.report_epoch = rows, plan, report_epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Shuffle the rows."""
        seed_all(self.plan.seed, epoch)
        self.rows.shuffle(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the epoch."""
        if self.report_epoch(epoch + 1, float(logs["loss"])):
            self.model.stop_training = True


def train(
    network: Any, rows: tuple[Any, ...], watched: tuple[Any, Any] | None, plan: TrainingPlan, report: Report, model: Any
) -> int:
    """Train a compiled network, restore the best epoch if requested, and return the number of completed epochs.

    Parameters
    ----------
    rows, watched
        Inputs, targets and weights to train on; inputs and targets to validate on.
    report, model
        Called after each epoch, and the estimator of the network.
    """
    batches = Batches(rows, plan.size, plan.seed)
    held_out = Batches(watched, plan.size) if watched else None
    completed = checkpoint.read(network, report.start) if report.start is not None else 0

    def report_epoch(epoch: int, loss: float) -> bool:
        nonlocal completed
        completed = epoch
        return report.due(epoch) and report(
            epoch,
            model=model,
            snapshot=lambda: checkpoint.weights(network),
            save=lambda folder: checkpoint.write(network, epoch, folder),
            train_loss=loss,
            learning_rate=learning_rate(network),
            **({"validation_loss": validation_loss_of(network, held_out)} if held_out else {}),
        )

    callback = EpochCallback(batches, plan, report_epoch)
    network.fit(batches, epochs=plan.epochs, initial_epoch=completed, shuffle=False, verbose=0, callbacks=[callback])
    restore(network, report.best)
    return completed


def learning_rate(network: Any) -> float:
    """Return the learning rate without the error of float32: 0.001 and not 0.00100000005."""
    return float(f"{float(network.optimizer.learning_rate):.7g}")


def validation_loss_of(network: Any, rows: Batches) -> float:
    """Return the validation loss."""
    return float(network.evaluate(rows, verbose=0, return_dict=True)["loss"])


def restore(network: Any, best: Any) -> None:
    """Restore the variables of the best epoch, from memory or from a checkpoint."""
    if isinstance(best, Path):
        checkpoint.read_weights(network, best)
    elif best is not None:
        checkpoint.set_weights(network, best)
