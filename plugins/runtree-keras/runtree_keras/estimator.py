"""The base class of the estimators. Keras is imported when it is first used, as it takes seconds."""

from copy import copy
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from runtree.contract.iteration import UNWATCHED, Report

Array = np.ndarray[Any, Any]
POSITIVE = [Interval(Integral, 1, None, closed="left")]
OPTIMIZERS = ("adam", "adamw", "nadam", "rmsprop", "sgd")


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """A Keras network as a scikit-learn estimator; subclasses add a task and a network."""

    many_dimensions: ClassVar[bool] = False  # whether rows may have more than one axis
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": POSITIVE,
        "max_epochs": POSITIVE,
        "random_state": ["random_state"],
        "device": [str],
        "threads": [Integral, None],
    }

    def fit(self, X: Any, y: Any, *, report: Report = UNWATCHED, validation: tuple[Any, Any] | None = None) -> "Self":
        """Train the network.

        Parameters
        ----------
        X, y
            Numbers without missing values, of shape (rows, features), and labels or numbers of shape (rows,).
        report
            Called after each epoch; see `runtree.contract.iteration`. The loss of a regression is that of the
            standardised target.
        validation
            Rows and targets to compute the validation loss on.
        """
        from runtree_keras import backend

        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float32, allow_nd=self.many_dimensions, **self._reads)
        rows = (X, *self._learn_target(y))
        device = backend.find_device(self.device)
        with backend.on_device(device, self.threads), backend.restored_generators(device):
            self._train(rows, self._watched(validation), report)
        return self

    def _train(self, rows: tuple[Any, ...], watched: tuple[Any, Any] | None, report: Report) -> None:
        from runtree_keras.backend import keras, seed_all
        from runtree_keras.training import TrainingPlan, train

        seed = int(check_random_state(self.random_state).randint(2**31))
        seed_all(seed)
        self.model_ = self._network(rows[0].shape[1:], self._outputs())
        self.model_.compile(optimizer=self._optimizer(), loss=self._loss(), jit_compile=False)
        plan = TrainingPlan(self.max_epochs, self.batch_size, seed)
        self.n_iter_ = train(self.model_, rows, watched, plan, report, self)
        self.model_.compile(optimizer=keras.optimizers.SGD())  # frees the moments of the optimizer

    def _optimizer(self) -> Any:
        from runtree_keras.backend import keras

        config = {
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "global_clipnorm": self.gradient_clip,
            **({"momentum": 0.9} if self.optimizer == "sgd" else {}),
        }
        return keras.optimizers.get({"class_name": self.optimizer, "config": config})

    def _watched(self, validation: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
        if validation is None:
            return None
        rows, target = check_array(validation[0], dtype=np.float32, allow_nd=True), np.asarray(validation[1])
        known = self._known(target)
        return (rows[known], self._encode(target[known])) if known.any() else None

    def _scores(self, X: Any) -> Array:
        """Return the outputs of the network, of shape (rows, outputs)."""
        check_is_fitted(self, "model_")
        from runtree_keras import backend
        from runtree_keras.batches import network_outputs

        X = validate_data(self, X, reset=False, dtype=np.float32, allow_nd=self.many_dimensions)
        with backend.on_device(backend.prediction_device(self.device), self.threads):
            outputs: Array = network_outputs(self.model_, X)
        return outputs

    def bare(self) -> "Self":
        """Return the fitted estimator without its network."""
        bare = type(self).__new__(type(self))
        bare.__dict__.update({name: copy(value) for name, value in vars(self).items() if name != "model_"})
        return bare

    def save_weights(self, folder: Path) -> None:
        """Write `model.keras`."""
        from runtree_keras import backend, model_file

        with backend.on_device(backend.prediction_device(self.device), self.threads):
            model_file.save(self.model_, folder)

    def load_weights(self, folder: Path) -> None:
        """Read `model.keras`; code in it is refused."""
        from runtree_keras import backend, model_file

        with backend.on_device(backend.prediction_device(self.device), self.threads):
            self.model_ = model_file.load(folder)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a pickle, with the network as the content of its file."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            from runtree_keras import backend, model_file

            with backend.on_device(backend.prediction_device(self.device), self.threads):
                state["model_"] = model_file.to_bytes(self.model_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the network."""
        super().__setstate__(state)
        if "model_" in state:
            from runtree_keras import backend, model_file

            with backend.on_device(backend.prediction_device(self.device), self.threads):
                self.model_ = model_file.from_bytes(state["model_"])
