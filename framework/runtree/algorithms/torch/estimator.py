"""`Network`: scikit-learn's estimator contract around a `torch.nn.Module`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.utils.data import Dataset

from runtree.algorithms.torch.checkpoints import SavedWeights
from runtree.algorithms.torch.ddp import make_trainer
from runtree.algorithms.torch.devices import check_precision, device_to_predict, find_device, seeded, threads
from runtree.algorithms.torch.optimizers import OPTIMIZERS, SCHEDULERS
from runtree.algorithms.torch.pretrained import Pretrained
from runtree.algorithms.torch.table_encoder import Inputs, Rows, TableEncoder, check_table, in_order, inputs_of
from runtree.algorithms.torch.train_loop import TrainingData, TrainingSettings, run_epochs
from runtree.contract.iteration import UNWATCHED, Report


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


# --- What every network is: scikit-learn's contract around a `torch.nn.Module`.

Array = np.ndarray[Any, Any]


class Encoder(Protocol):
    """What was learned of the train rows to make tensors of any rows; its attributes are arrays, numbers and texts."""

    def encode(self, X: Any) -> "Inputs | Dataset[Any]":
        """Return tensors whose first axis is the rows, or a dataset that answers an index with such a row."""
        ...


@dataclass(eq=False, repr=False, kw_only=True)
class Network(Pretrained, SavedWeights, BaseEstimator, ABC):  # type: ignore[misc]
    """A network for tables, images or sequences, for either task.

    A kind of network is a dataclass below this one: its fields are its parameters, and it says how the module is made
    (`make_module`) and, unless its rows are tables, how rows become tensors (`check_rows`, `learn_inputs`). With
    `Classification` or `Regression` in front it is an estimator.

    Parameters
    ----------
    max_epochs, batch_size
        How often every row is seen, and how many rows make one step.
    optimizer
        "adamw", "adam", "sgd" (Nesterov momentum 0.9), "rmsprop", or a factory that takes parameters.
    learning_rate, weight_decay
        Given to the optimizer.
    scheduler
        Of the learning rate: "none", "cosine" and "one_cycle" (down to 0 at `max_epochs`), "plateau" (halved after 5
        epochs without a better loss), or a factory that takes an optimizer, stepped after each epoch.
    loss
        A module called with outputs and targets; None: cross-entropy, or the squared error of the standardised target.
    gradient_clip
        The length to which longer gradients are cut; None cuts none.
    precision
        "float32", "bf16" or "fp16" (accelerators only): of the arithmetic in training; weights stay float32.
    compile
        Whether the training runs through `torch.compile`.
    workers
        Processes that load rows ahead, where rows are loaded lazily; rows in memory need none.
    device
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    devices
        Processes that share each batch: one for each GPU, or on a processor as many as are asked for.
    threads
        Of torch while it works; None leaves its own setting, -1 is one for each core.
    random_state
        Seeds weights, order and dropout.

    Attributes
    ----------
    module_ : torch.nn.Module
    encoder_ : Encoder
    n_outputs_ : int
    n_iter_ : int
        Epochs done.
    """

    max_epochs: int = 50
    batch_size: int = 128
    optimizer: Any = "adamw"
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    scheduler: Any = "none"
    loss: Any = None
    gradient_clip: float | None = None
    precision: str = "float32"
    compile: bool = False
    workers: int = 0
    device: str = "auto"
    devices: int = 1
    threads: int | None = None
    random_state: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    @abstractmethod
    def make_module(self, encoder: Any, outputs: int) -> nn.Module:
        """Return the module for what the encoder learned; called under the seed, and again when weights are loaded."""

    def check_rows(self, X: Any, reset: bool) -> Any:
        """Return X checked; `reset` says that it is the train rows."""
        return check_table(self, X, reset)

    def learn_inputs(self, X: Any) -> Encoder:
        """Return the encoder of checked rows, learned from the train rows."""
        return TableEncoder.learn(X)

    def augment(self, *inputs: Tensor) -> Inputs:
        """Return a batch of train rows, changed at random; torch's own generator is seeded."""
        return inputs

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, report: Report = UNWATCHED, validation: Any = None
    ) -> Self:
        """Train; `validation` holds rows to watch but not to learn from."""
        self._validate_params()
        device = find_device(self.device)
        check_precision(self.precision, device)
        lesson = self._lesson(X, y, sample_weight, validation)
        settings = self._settings()
        with threads(self.threads):
            with seeded(device, settings.seed, 0):
                self.module_ = self.make_module(self.encoder_, self.n_outputs_)
            self.prepare(self.module_)
            with make_trainer(self.module_, settings, lesson, device, self.devices) as training:
                run_epochs(training, self, report, lesson.validation is not None)
        return self

    def outputs(self, X: Any) -> Array:
        """Return what the module says of rows: float32 of shape (rows, outputs)."""
        check_is_fitted(self, "module_")
        encoded = self.encoder_.encode(self.check_rows(X, reset=False))
        count = len(encoded[0]) if isinstance(encoded, tuple) else len(encoded)
        with threads(self.threads), torch.inference_mode():
            said = list(self._said(encoded, count))
        return torch.cat(said).numpy() if said else np.empty((0, self.n_outputs_), dtype=np.float32)

    def _said(self, encoded: Any, count: int) -> Any:
        device = device_to_predict(self.device)
        module = self.module_.to(device)
        was_training = module.training
        module.eval()
        for inputs in inputs_of(encoded, in_order(count, encoded), self.workers, device):
            yield module(*(tensor.to(device) for tensor in inputs)).float().cpu()
        module.train(was_training)

    def _lesson(self, X: Any, y: Any, sample_weight: Any, validation: Any) -> TrainingData:
        """Learn the encoder and the target from the train rows, and make tensors of all rows."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        rows = self.check_rows(X, reset=True)
        check_consistent_length(rows, y)
        self.learn_target(y)
        self.encoder_ = self.learn_inputs(rows)
        weight = self.weigh(rows, y, sample_weight)
        train = Rows(self.encoder_.encode(rows), self.encode_target(y), weight)
        return TrainingData(train, self._watched(validation), self.loss or self.usual_loss(), self.augment)

    def _watched(self, validation: Any) -> Rows | None:
        """Return the rows to watch; one whose class the train rows do not have has no loss, and is left out."""
        if validation is None:
            return None
        X, y = validation[0], np.asarray(validation[1])
        known = self.is_known(y)
        if not known.any():
            return None
        return Rows(self.encoder_.encode(self.check_rows(X[known], reset=False)), self.encode_target(y[known]))

    def _settings(self) -> TrainingSettings:
        state = self.random_state
        seed = state if isinstance(state, (int, np.integer)) else check_random_state(state).randint(2**31)
        names = [name for name in TrainingSettings.__dataclass_fields__ if name != "seed"]
        return TrainingSettings(**{name: getattr(self, name) for name in names}, seed=int(seed))

    def __sklearn_tags__(self) -> Any:
        """Say that missing values are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
