"""The epochs: Keras's own `fit`, with a callback that seeds each epoch, tells of it, and hears whether to go on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.iteration import Report
from runtree_keras import checkpoint
from runtree_keras.backend import keras, seed_all
from runtree_keras.batches import Batches


@dataclass(frozen=True)
class Course:
    """How a network is trained.

    Attributes
    ----------
    epochs
        How many at most, over the whole life of a fit that goes on.
    size
        Rows in a batch.
    seed
        Where the order of the rows and all else that is random comes from.
    """

    epochs: int
    size: int
    seed: int


class Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Seeds each epoch from (seed, epoch), so that one that goes on draws what an uninterrupted one would."""

    def __init__(self, rows: Batches, course: Course, tell: Callable[[int, float], bool]) -> None:
        super().__init__()
        self.rows, self.course, self.tell = rows, course, tell

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Shuffle the rows."""
        seed_all(self.course.seed, epoch)
        self.rows.shuffle(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell of the epoch."""
        if self.tell(epoch + 1, float(logs["loss"])):
            self.model.stop_training = True


def train(
    network: Any, rows: tuple[Any, ...], watched: tuple[Any, Any] | None, course: Course, report: Report, model: Any
) -> int:
    """Train a compiled network, put the best epoch's back where that is asked, and return the epochs done.

    Parameters
    ----------
    rows, watched
        Arrays to learn from: inputs, targets, weights; and inputs and targets to watch.
    report, model
        Who is told of each epoch, and the algorithm that the network belongs to.
    """
    batches = Batches(rows, course.size, course.seed)
    held_out = Batches(watched, course.size) if watched else None
    done = checkpoint.read(network, report.start) if report.start is not None else 0

    def tell(epoch: int, loss: float) -> bool:
        nonlocal done
        done = epoch
        return report.due(epoch) and report(
            epoch,
            model=model,
            snapshot=lambda: checkpoint.weights(network),
            save=lambda folder: checkpoint.write(network, epoch, folder),
            train_loss=loss,
            learning_rate=learning_rate(network),
            **({"validation_loss": evaluated(network, held_out)} if held_out else {}),
        )

    callback = Epochs(batches, course, tell)
    network.fit(batches, epochs=course.epochs, initial_epoch=done, shuffle=False, verbose=0, callbacks=[callback])
    restore(network, report.best)
    return done


def learning_rate(network: Any) -> float:
    """Return the optimizer's rate: 0.001 rather than what float32 makes of it."""
    return float(f"{float(network.optimizer.learning_rate):.7g}")


def evaluated(network: Any, rows: Batches) -> float:
    """Return the loss on rows that are watched, dropout off."""
    return float(network.evaluate(rows, verbose=0, return_dict=True)["loss"])


def restore(network: Any, best: Any) -> None:
    """Put the best epoch's variables back: those held in memory, or those of a checkpoint."""
    if isinstance(best, Path):
        checkpoint.read_weights(network, best)
    elif best is not None:
        checkpoint.put_back(network, best)
