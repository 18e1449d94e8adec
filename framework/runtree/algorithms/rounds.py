"""Some trees at a time: histogram gradient boosting, which goes on where it stopped by `warm_start`."""

from itertools import count
from typing import Any

from runtree.algorithms.state import put_back, take, write
from runtree.contract.iteration import Report, Store


class Rounds:
    """Fits by `warm_start` from check to check: the same trees as in one go, at two to three times its price.

    Scikit-learn bins the columns anew each time, and tells nothing on the way of a fit in one go.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Tell that its own early stopping would interfere."""
        return None if algorithm.early_stopping is False else "algorithm.early_stopping ends the fit by itself"

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit and report the trees that are due."""
        bound = algorithm.max_iter
        if report.start is not None:
            put_back(algorithm, report.start, store)
        grown = int(algorithm.n_iter_) if report.start is not None else 0
        try:
            while grown < bound:
                grown = next(step for step in count(grown + 1) if step >= bound or report.due(step))
                algorithm.set_params(max_iter=grown, warm_start=grown > 0).fit(X, y)
                if report(
                    grown,
                    model=algorithm,
                    snapshot=lambda: take(algorithm),
                    save=lambda folder: write(algorithm, None, folder, store),
                    learning_rate=float(algorithm.learning_rate),
                ):
                    break
            if report.best is not None:
                put_back(algorithm, report.best, store)
        finally:
            algorithm.set_params(max_iter=bound, warm_start=False)
