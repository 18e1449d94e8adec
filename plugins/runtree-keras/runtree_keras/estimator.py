"""What every estimator of this package does, whatever its network and its task. Keras is loaded when it is needed."""

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
    """A Keras network behind scikit-learn's `fit` and `predict`. A task and a network make it whole."""

    many_dimensions: ClassVar[bool] = False  # whether a row may be more than a list of numbers
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
            Numbers without holes, of shape (rows, features), and labels or numbers of shape (rows,).
        report
            Told of each epoch; see `runtree.contract.iteration`. Losses of a regression are in units of the target's
            standard deviation, squared.
        validation
            Rows and their targets to watch, not to learn from.
        """
        from runtree_keras import backend

        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float32, allow_nd=self.many_dimensions, **self._reads)
        rows = (X, *self._learn_target(y))
        device = backend.find_device(self.device)
        with backend.work(device, self.threads), backend.own_randomness(device):
            self._train(rows, self._watched(validation), report)
        return self

    def _train(self, rows: tuple[Any, ...], watched: tuple[Any, Any] | None, report: Report) -> None:
        from runtree_keras.backend import keras, seed_all
        from runtree_keras.training import Course, train

        seed = int(check_random_state(self.random_state).randint(2**31))
        seed_all(seed)
        self.model_ = self._network(rows[0].shape[1:], self._outputs())
        self.model_.compile(optimizer=self._optimizer(), loss=self._loss(), jit_compile=False)
        course = Course(self.max_epochs, self.batch_size, seed)
        self.n_iter_ = train(self.model_, rows, watched, course, report, self)
        self.model_.compile(optimizer=keras.optimizers.SGD())  # the moments are of no use to a model that is done

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
        """Return the network's last layer, of shape (rows, outputs)."""
        check_is_fitted(self, "model_")
        from runtree_keras import backend
        from runtree_keras.batches import scores

        X = validate_data(self, X, reset=False, dtype=np.float32, allow_nd=self.many_dimensions)
        with backend.work(backend.any_device(self.device), self.threads):
            found: Array = scores(self.model_, X)
        return found

    def bare(self) -> "Self":
        """Return the fitted estimator without its network."""
        bare = type(self).__new__(type(self))
        bare.__dict__.update({name: copy(value) for name, value in vars(self).items() if name != "model_"})
        return bare

    def save_weights(self, folder: Path) -> None:
        """Write `model.keras`."""
        from runtree_keras import backend, model_file

        with backend.work(backend.any_device(self.device), self.threads):
            model_file.save(self.model_, folder)

    def load_weights(self, folder: Path) -> None:
        """Read `model.keras`; one that holds code is refused."""
        from runtree_keras import backend, model_file

        with backend.work(backend.any_device(self.device), self.threads):
            self.model_ = model_file.load(folder)

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle keeps: the network as its file's content."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            from runtree_keras import backend, model_file

            with backend.work(backend.any_device(self.device), self.threads):
                state["model_"] = model_file.to_bytes(self.model_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the network."""
        super().__setstate__(state)
        if "model_" in state:
            from runtree_keras import backend, model_file

            with backend.work(backend.any_device(self.device), self.threads):
                self.model_ = model_file.from_bytes(state["model_"])
