"""What the parameters that all networks share may be: scikit-learn's constraints, checked before data is read."""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, Options, StrOptions
from torch import nn

from runtree.algorithms.networks.optimizers import OPTIMIZERS, SCHEDULERS


def whole(least: int) -> Any:
    """Allow whole numbers from `least` on."""
    return Interval(Integral, least, None, closed="left")


def above(bound: float) -> Any:
    """Allow numbers above a bound."""
    return Interval(Real, bound, None, closed="neither")


def share() -> Any:
    """Allow numbers from 0 up to, not including, 1."""
    return Interval(Real, 0, 1, closed="left")


def one_of(*names: str) -> Any:
    """Allow some names."""
    return StrOptions(set(names))


CONSTRAINTS: dict[str, list[Any]] = {
    "max_epochs": [whole(1)],
    "batch_size": [whole(1)],
    "optimizer": [one_of(*OPTIMIZERS), callable],
    "learning_rate": [above(0)],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "scheduler": [one_of(*SCHEDULERS), callable, None],
    "loss": [nn.Module, None],
    "gradient_clip": [above(0), None],
    "precision": [one_of("float32", "bf16", "fp16")],
    "compile": ["boolean"],
    "workers": [whole(0)],
    "device": [str],
    "devices": [whole(1)],
    "threads": [whole(1), Options(Integral, {-1}), None],
    "random_state": ["random_state"],
    "class_weight": [one_of("balanced"), dict, None],
}
