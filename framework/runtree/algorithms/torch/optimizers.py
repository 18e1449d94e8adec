"""Optimizers and learning-rate schedules by a name, or by a `_target_` of the user's."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn, optim

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adamw": partial(optim.AdamW, fused=True),  # one kernel for all weights: the same sums, sooner
    "adam": partial(optim.Adam, fused=True),
    "sgd": partial(optim.SGD, momentum=0.9, nesterov=True, fused=True),
    "rmsprop": optim.RMSprop,
}
SCHEDULERS = ("none", "cosine", "one_cycle", "plateau")


def make_optimizer(chosen: Any, module: nn.Module, learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Make an optimizer of what is not frozen.

    One of the user's gets `lr` and `weight_decay` where it takes them and says nothing itself.
    """
    factory = OPTIMIZERS[chosen] if isinstance(chosen, str) else chosen
    offered = {"lr": learning_rate, "weight_decay": weight_decay}
    given = getattr(factory, "keywords", {})
    taken = inspect.signature(getattr(factory, "func", factory)).parameters
    made: optim.Optimizer = factory(
        [weights for weights in module.parameters() if weights.requires_grad],
        **{key: value for key, value in offered.items() if key in taken and key not in given},
    )
    return made


class Schedule:
    """Sets the learning rate: "one_cycle" after each batch, every other schedule after each epoch."""

    def __init__(self, chosen: Any, optimizer: optim.Optimizer, epochs: int, batches: int) -> None:
        self.by_batch = chosen == "one_cycle"
        self.scheduler = make_scheduler(chosen, optimizer, epochs * batches if self.by_batch else epochs)

    @property
    def watches_loss(self) -> bool:
        """Tell whether the loss decides."""
        return isinstance(self.scheduler, optim.lr_scheduler.ReduceLROnPlateau)

    def after_batch(self) -> None:
        """Step, if this schedule does so here."""
        if self.by_batch:
            self.scheduler.step()

    def after_epoch(self, loss: float) -> None:
        """Step, if this schedule does so here."""
        if self.watches_loss:
            self.scheduler.step(loss)
        elif self.scheduler is not None and not self.by_batch:
            self.scheduler.step()


def make_scheduler(chosen: Any, optimizer: optim.Optimizer, steps: int) -> Any:
    """Make a scheduler of torch's, or return None for "none"."""
    if callable(chosen):
        return chosen(optimizer)
    if chosen in (None, "none"):
        return None
    if chosen == "plateau":
        return optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)
    shape = {"cosine": cosine, "one_cycle": one_cycle}[chosen]
    return optim.lr_scheduler.LambdaLR(optimizer, lambda step: shape(min(1.0, step / steps)))


def cosine(done: float) -> float:
    """Return the share of the learning rate when a share of the fit is done (Loshchilov and Hutter, 1608.03983)."""
    return 0.5 * (1 + math.cos(math.pi * done))


def one_cycle(done: float, warm: float = 0.3, start: float = 0.04) -> float:
    """Rise from a 25th to the whole learning rate, then fall to nothing (Smith and Topin, 1708.07120)."""
    if done < warm:
        return start + (1 - start) * cosine(1 - done / warm)
    return cosine((done - warm) / (1 - warm))
