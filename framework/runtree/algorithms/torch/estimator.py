"""`Network`: scikit-learn's estimator contract around a `torch.nn.Module`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
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
from runtree.algorithms.torch.table_encoder import (
    Inputs,
    Rows,
    TableEncoder,
    check_table,
    iterate_inputs,
    sequential_batches,
)
from runtree.algorithms.torch.train_loop import TrainingData, TrainingSettings, run_epochs
from runtree.contract.iteration import UNWATCHED, Report


def whole(least: int) -> Any:
    """Return the constraint "an integer of at least `least`"."""
    return Interval(Integral, least, None, closed="left")


def above(bound: float) -> Any:
    """Return the constraint "a number greater than `bound`"."""
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
    """Converts rows to tensors as fitted on the train rows; attributes are arrays, numbers and strings only.

    So a saved model needs no pickle for it.
    """

    def encode(self, X: Any) -> "Inputs | Dataset[Any]":
        """Return tensors whose first axis is the rows, or a map-style dataset whose items are tensors of one row."""
        ...


@dataclass(eq=False, repr=False, kw_only=True)
class Network(Pretrained, SavedWeights, BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of networks for tables, images and sequences.

    A subclass is a dataclass whose fields are its parameters. It implements `make_module` and, unless its rows are
    tables, `check_rows` and `learn_inputs`. With the mix-in `Classification` or `Regression` it is an estimator.

    Parameters
    ----------
    max_epochs, batch_size
        Passes over the train rows, and rows per optimizer step.
    optimizer
        "adamw", "adam", "sgd" (Nesterov momentum 0.9), "rmsprop", or a callable that takes parameters.
    learning_rate, weight_decay
        Passed to the optimizer.
    scheduler
        Learning-rate schedule: "none", "cosine" and "one_cycle" (reach 0 at `max_epochs`), "plateau" (halves the rate
        after 5 epochs without a lower loss), or a callable that takes an optimizer; it is stepped after each epoch.
    loss
        A module called with outputs and targets; None: cross-entropy, or squared error on the standardised target.
    gradient_clip
        Maximum norm of the gradient; None: no clipping.
    precision
        "float32", "bf16" or "fp16" (accelerators only): of the forward pass in training; weights stay float32.
    compile
        Whether to train through `torch.compile`.
    workers
        Data-loading processes for rows that are read lazily (image files); ignored for rows in memory.
    device
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    devices
        Processes over which each batch is split: one per GPU; on a CPU, any number.
    threads
        Threads of torch during `fit` and prediction; None keeps torch's setting, -1 uses all cores.
    random_state
        Seeds initial weights, row order and dropout.

    Attributes
    ----------
    module_ : torch.nn.Module
    encoder_ : Encoder
    n_outputs_ : int
    n_iter_ : int
        Completed epochs.
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
        """Return a new module; called under the seed in `fit`, and again when weights are loaded."""

    def check_rows(self, X: Any, reset: bool) -> Any:
        """Validate and return X; `reset` is true for the train rows, as in scikit-learn's `validate_data`."""
        return check_table(self, X, reset)

    def learn_inputs(self, X: Any) -> Encoder:
        """Fit an encoder on validated train rows."""
        return TableEncoder.learn(X)

    def augment(self, *inputs: Tensor) -> Inputs:
        """Return a randomly augmented batch of train rows; random numbers must come from torch's seeded generator."""
        return inputs

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        report: Report = UNWATCHED,
        validation: Any = None,
        batches: Any = None,
    ) -> Self:
        """Train; `validation` (X, y) is evaluated after each epoch and not trained on.

        Parameters
        ----------
        batches
            Train rows that are read from files in each epoch: its `batches()` yields parts (X, y, weights). X and y are
            some of them, by which the inputs and the target are encoded.
        """
        self._validate_params()
        device = find_device(self.device)
        check_precision(self.precision, device)
        data = self._training_data(X, y, sample_weight, validation)
        if batches is not None:
            whole = -(-batches.part_rows // self.batch_size) * batches.max_parts
            data = replace(data, stream=partial(self._parts, batches), stream_batches=whole)
        settings = self._settings()
        with threads(self.threads):
            with seeded(device, settings.seed, 0):
                # Epoch 0: the epochs of the training loop, which are seeded alike, count from 1.
                self.module_ = self.make_module(self.encoder_, self.n_outputs_)
            self.prepare(self.module_)
            with make_trainer(self.module_, settings, data, device, self.devices) as training:
                run_epochs(training, self, report, data.validation is not None)
        return self

    def untrained(self, X: Any, y: Any) -> Self:
        """Return a copy that has learnt the shape of rows and target, with the weights that a fit would start from."""
        network: Self = clone(self)
        network._validate_params()
        rows = network._training_data(X, y, None, None).train
        with threads(self.threads), seeded(torch.device("cpu"), network._settings().seed, 0), torch.no_grad():
            network.module_ = network.make_module(network.encoder_, network.n_outputs_)
            batches = sequential_batches(len(rows), rows.inputs)
            for inputs in iterate_inputs(rows.inputs, batches, 0, torch.device("cpu")):
                network.module_.eval()(*inputs)  # lazy layers get their shape from the first rows
        return network

    def outputs(self, X: Any) -> Array:
        """Run the module on rows; return float32 of shape (rows, outputs): logits, or standardised values."""
        check_is_fitted(self, "module_")
        encoded = self.encoder_.encode(self.check_rows(X, reset=False))
        count = len(encoded[0]) if isinstance(encoded, tuple) else len(encoded)
        with threads(self.threads), torch.inference_mode():
            batches = list(self._forward_batches(encoded, count))
        return torch.cat(batches).numpy() if batches else np.empty((0, self.n_outputs_), dtype=np.float32)

    def _forward_batches(self, encoded: Any, count: int) -> Any:
        device = device_to_predict(self.device)
        module = self.module_.to(device)
        was_training = module.training
        module.eval()
        for inputs in iterate_inputs(encoded, sequential_batches(count, encoded), self.workers, device):
            yield module(*(tensor.to(device) for tensor in inputs)).float().cpu()
        module.train(was_training)  # a report may predict in the middle of a fit

    def _training_data(self, X: Any, y: Any, sample_weight: Any, validation: Any) -> TrainingData:
        """Fit the encoder and the target encoding on the train rows, and convert all rows to tensors."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        rows = self.check_rows(X, reset=True)
        check_consistent_length(rows, y)
        self.learn_target(y)
        self.encoder_ = self.learn_inputs(rows)
        weight = self.combine_weights(rows, y, sample_weight)
        train = Rows(self.encoder_.encode(rows), self.encode_target(y), weight)
        return TrainingData(train, self._validation_rows(validation), self.loss or self.default_loss(), self.augment)

    def _parts(self, batches: Any) -> Iterator[Rows]:
        """Yield the encoded rows of one reading of the files."""
        for X, y, weights in batches.batches():
            rows = self.check_rows(X, reset=False)
            yield Rows(self.encoder_.encode(rows), self.encode_target(y), self.combine_weights(rows, y, weights))

    def _validation_rows(self, validation: Any) -> Rows | None:
        """Encode the validation rows, except those whose class is not among the train rows: they have no loss."""
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
        """Declare that missing values are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
