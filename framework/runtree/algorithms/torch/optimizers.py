"""Optimizers and learning-rate schedules by name, or the user's own by `_target_`."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn, optim

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adamw": partial(optim.AdamW, fused=True),  # one kernel for all weights: same result, faster
    "adam": partial(optim.Adam, fused=True),
    "sgd": partial(optim.SGD, momentum=0.9, nesterov=True, fused=True),
    "rmsprop": optim.RMSprop,
}
SCHEDULERS = ("none", "cosine", "one_cycle", "plateau")


def make_optimizer(chosen: Any, module: nn.Module, learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Return an optimizer of the weights that are not frozen.

    The user's own optimizer gets `lr` and `weight_decay` if it has such parameters and the config does not set them.
    """
    factory = OPTIMIZERS[chosen] if isinstance(chosen, str) else chosen
    arguments = {"lr": learning_rate, "weight_decay": weight_decay}
    already_set = getattr(factory, "keywords", {})
    parameters = inspect.signature(getattr(factory, "func", factory)).parameters
    optimizer: optim.Optimizer = factory(
        [weights for weights in module.parameters() if weights.requires_grad],
        **{key: value for key, value in arguments.items() if key in parameters and key not in already_set},
    )
    return optimizer


class Schedule:
    """Steps a learning-rate scheduler: "one_cycle" after each batch, any other after each epoch."""

    def __init__(self, chosen: Any, optimizer: optim.Optimizer, epochs: int, batches: int) -> None:
        self.by_batch = chosen == "one_cycle"
        self.scheduler = make_scheduler(chosen, optimizer, epochs * batches if self.by_batch else epochs)

    @property
    def watches_loss(self) -> bool:
        """Return whether the scheduler depends on the loss."""
        return isinstance(self.scheduler, optim.lr_scheduler.ReduceLROnPlateau)

    def after_batch(self) -> None:
        """Step the scheduler if it is due."""
        if self.by_batch:
            self.scheduler.step()

    def after_epoch(self, loss: float) -> None:
        """Step the scheduler if it is due."""
        if self.watches_loss:
            self.scheduler.step(loss)
        elif self.scheduler is not None and not self.by_batch:
            self.scheduler.step()


def make_scheduler(chosen: Any, optimizer: optim.Optimizer, steps: int) -> Any:
    """Return one of torch's schedulers; None for "none"."""
    if callable(chosen):
        return chosen(optimizer)
    if chosen in (None, "none"):
        return None
    if chosen == "plateau":
        return optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)
    shape = {"cosine": cosine, "one_cycle": one_cycle}[chosen]
    return optim.lr_scheduler.LambdaLR(optimizer, lambda step: shape(min(1.0, step / steps)))


def cosine(done: float) -> float:
    """Return the factor of the learning rate after a fraction of the fit (Loshchilov and Hutter, 1608.03983)."""
    return 0.5 * (1 + math.cos(math.pi * done))


def one_cycle(done: float, warm: float = 0.3, start: float = 0.04) -> float:
    """Return a factor that rises from 1/25 to 1, then falls to 0 (Smith and Topin, 1708.07120)."""
    if done < warm:
        return start + (1 - start) * cosine(1 - done / warm)
    return cosine((done - warm) / (1 - warm))
