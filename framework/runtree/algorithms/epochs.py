"""Epoch by epoch: estimators that have `partial_fit`, which is one pass over the rows."""

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from runtree.algorithms.state import put_back, read_generator, take, write
from runtree.contract.iteration import Report, Store

OWN_LOOP = {"solver": ("lbfgs",), "learning_rate": ("adaptive",), "early_stopping": (True,)}


class Epochs:
    """Fits by `partial_fit`, up to `max_iter` epochs.

    A seed is drawn on from epoch to epoch; `partial_fit` by itself would shuffle the rows alike each time.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Tell what scikit-learn does in a loop of its own alone."""
        params = algorithm.get_params(deep=False)
        found = [(name, params[name]) for name, values in OWN_LOOP.items() if params.get(name) in values]
        if found and not (found[0][0] == "learning_rate" and params.get("solver", "sgd") != "sgd"):
            name, value = found[0]
            return f"algorithm.{name}={str(value).lower()} has no epochs that could be watched"
        return None

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit and report each epoch."""
        seed, generator = algorithm.random_state, check_random_state(algorithm.random_state)
        if report.start is not None:
            put_back(algorithm, report.start, store)
            generator = read_generator(report.start)
        algorithm.random_state = generator
        try:
            self._epochs(algorithm, X, y, report, store, seed)
            if report.best is not None:
                put_back(algorithm, report.best, store)
        finally:
            algorithm.random_state = seed

    def _epochs(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store, seed: Any) -> None:
        known = {"classes": np.unique(y)} if is_classifier(algorithm) else {}
        done = int(getattr(algorithm, "epochs_", 0)) if report.start is not None else 0
        for step in range(done + 1, algorithm.max_iter + 1):
            algorithm.partial_fit(X, y, **known)
            algorithm.epochs_ = step

            def save(folder: Path) -> None:
                still = copy(algorithm)
                still.random_state = seed
                write(still, algorithm.random_state, folder, store)

            if not report.due(step):
                continue
            if report(step, model=algorithm, snapshot=lambda: take(algorithm), save=save, **_told(algorithm)):
                return


def _told(algorithm: Any) -> dict[str, float]:
    """Return the learning rate, where the algorithm keeps it."""
    optimizer = getattr(algorithm, "_optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    return {} if rate is None else {"learning_rate": float(rate)}
