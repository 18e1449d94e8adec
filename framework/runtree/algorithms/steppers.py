"""Step-wise fits of scikit-learn estimators: by `partial_fit`, `warm_start`, a monitor, or callbacks."""

import json
from copy import copy, deepcopy
from itertools import count
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from runtree.contract.iteration import Report, Store

MODEL = "estimator.skops"
GENERATOR = "generator.json"


def copy_state(algorithm: Any) -> dict[str, Any]:
    """Return a deep copy of the attributes of an estimator."""
    return deepcopy(algorithm.__dict__)


def restore_state(algorithm: Any, state: "dict[str, Any] | Path", store: Store) -> None:
    """Restore the copied or written state of an estimator, except its parameters."""
    parameters = algorithm.get_params(deep=False)
    attributes = store.load(state / MODEL).__dict__ if isinstance(state, Path) else state
    algorithm.__dict__.clear()
    algorithm.__dict__.update({**attributes, **parameters})


def write_estimator(algorithm: Any, generator: np.random.RandomState | None, folder: Path, store: Store) -> None:
    """Write an estimator and the state of its random generator."""
    store.dump(algorithm, folder / MODEL)
    if generator is not None:
        name, keys, *rest = generator.get_state(legacy=True)
        (folder / GENERATOR).write_text(json.dumps([name, np.asarray(keys).tolist(), *rest]))


def read_generator(folder: Path) -> np.random.RandomState:
    """Return a random generator in the state that was written."""
    name, keys, *rest = json.loads((folder / GENERATOR).read_text())
    generator = np.random.RandomState()
    generator.set_state((name, np.asarray(keys, dtype=np.uint32), *rest))
    return generator


# --- Epochs, by `partial_fit`, which makes one pass over the rows.

# parameter values with which scikit-learn controls the loop in `fit`, and that `partial_fit` ignores or refuses
OWN_LOOP = {"solver": ("lbfgs",), "learning_rate": ("adaptive",), "early_stopping": (True,)}


class PartialFitStepper:
    """Fits by `partial_fit`, up to `max_iter` epochs.

    The random generator is kept between epochs: with an integer seed `partial_fit` would shuffle the rows in the same
    way each time.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Return the parameter that only the loop of scikit-learn's own `fit` supports, or None."""
        params = algorithm.get_params(deep=False)
        conflicts = [(name, params[name]) for name, values in OWN_LOOP.items() if params.get(name) in values]
        if conflicts and not (conflicts[0][0] == "learning_rate" and params.get("solver", "sgd") != "sgd"):
            name, value = conflicts[0]
            return f"algorithm.{name}={str(value).lower()} is not supported when epochs are monitored"
        return None

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store, sample_weight: Any = None) -> None:
        """Fit and report each epoch."""
        seed, generator = algorithm.random_state, check_random_state(algorithm.random_state)
        if report.start is not None:
            restore_state(algorithm, report.start, store)
            generator = read_generator(report.start)
        algorithm.random_state = generator
        try:
            self._epochs(algorithm, X, y, report, store, seed, _weights(sample_weight))
            if report.best is not None:
                restore_state(algorithm, report.best, store)
        finally:
            algorithm.random_state = seed

    def _epochs(
        self, algorithm: Any, X: Any, y: Any, report: Report, store: Store, seed: Any, weights: dict[str, Any]
    ) -> None:
        # rows that are read from files in each epoch, or those in memory
        # by the class: a table may have a column of this name
        streamed = hasattr(type(X), "batches")
        batches = X.batches if streamed else lambda: [(X, y, weights.get("sample_weight"))]
        labels = X.classes if streamed else y
        classes = {"classes": np.unique(labels)} if is_classifier(algorithm) else {}
        done = int(getattr(algorithm, "epochs_", 0)) if report.start is not None else 0
        for step in range(done + 1, algorithm.max_iter + 1):
            for rows, target, weight in batches():
                algorithm.partial_fit(rows, target, **classes, **_weights(weight))
            algorithm.epochs_ = step

            def save(folder: Path) -> None:
                still = copy(algorithm)
                still.random_state = seed
                write_estimator(still, algorithm.random_state, folder, store)

            if not report.due(step):
                continue
            if report(
                step, model=algorithm, snapshot=lambda: copy_state(algorithm), save=save, **_learning_rate(algorithm)
            ):
                return


def _weights(sample_weight: Any) -> dict[str, Any]:
    """Return the keyword of a fit; none for rows that count alike, as a few parameters refuse any weights."""
    return {} if sample_weight is None else {"sample_weight": sample_weight}


def _learning_rate(algorithm: Any) -> dict[str, float]:
    """Return the current learning rate if the algorithm has an optimizer."""
    optimizer = getattr(algorithm, "_optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    return {} if rate is None else {"learning_rate": float(rate)}


# --- Several trees at a time, by `warm_start`: histogram gradient boosting.


class WarmStartStepper:
    """Fits by `warm_start` from check to check: the same trees as a single fit, in two to three times its duration.

    Scikit-learn bins the columns again each time, and reports nothing during a single fit. Its own early stopping goes
    on from fit to fit: the rows that it holds out and their losses are attributes of the estimator.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Return None: all parameters are supported."""
        return None

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store, sample_weight: Any = None) -> None:
        """Fit and report the trees that are due."""
        bound = algorithm.max_iter
        if report.start is not None:
            restore_state(algorithm, report.start, store)
        grown = int(algorithm.n_iter_) if report.start is not None else 0
        try:
            while grown < bound:
                due = next(step for step in count(grown + 1) if step >= bound or report.due(step))
                algorithm.set_params(max_iter=due, warm_start=grown > 0).fit(X, y, **_weights(sample_weight))
                grown = int(algorithm.n_iter_)
                ends = report(
                    grown,
                    model=algorithm,
                    snapshot=lambda: copy_state(algorithm),
                    save=lambda folder: write_estimator(algorithm, None, folder, store),
                    learning_rate=float(algorithm.learning_rate),
                )
                if ends or stopped_early(algorithm):
                    break
            if report.best is not None:
                restore_state(algorithm, report.best, store)
        finally:
            algorithm.set_params(max_iter=bound, warm_start=False)


def stopped_early(algorithm: Any) -> bool:
    """Return whether a histogram boosting has met its own criterion, as scikit-learn decides after each tree."""
    if not algorithm.do_early_stopping_:
        return False
    scores = algorithm.validation_score_ if len(algorithm.validation_score_) else algorithm.train_score_
    if len(scores) <= algorithm.n_iter_no_change:
        return False
    recent, reference = scores[-algorithm.n_iter_no_change :], scores[-algorithm.n_iter_no_change - 1]
    return not bool((recent > reference + algorithm.tol).any())


# --- Single trees, by a monitor: gradient boosting calls it after each tree.


class MonitorStepper:
    """Fits by `GradientBoosting*.fit(monitor=…)`: the same trees as without."""

    def refuses(self, algorithm: Any) -> str | None:
        """Return why: the algorithm's own early stopping would interfere."""
        if algorithm.n_iter_no_change is not None:
            return "algorithm.n_iter_no_change stops the fit itself"
        return None

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store, sample_weight: Any = None) -> None:
        """Fit and report each tree."""
        if report.start is not None:
            restore_state(algorithm, report.start, store)
        algorithm.warm_start = report.start is not None

        def monitor(stage: int, grown: Any, _: dict[str, Any]) -> bool:
            if not report.due(stage + 1):
                return False
            part = first_trees(grown, stage + 1)
            return report(
                stage + 1,
                model=part,
                snapshot=lambda: stage + 1,
                save=lambda folder: write_estimator(part, None, folder, store),
                learning_rate=float(grown.learning_rate),
            )

        try:
            algorithm.fit(X, y, monitor=monitor, **_weights(sample_weight))
        finally:
            algorithm.warm_start = False
        if isinstance(report.best, Path):
            restore_state(algorithm, report.best, store)
        elif report.best is not None:
            algorithm.__dict__.update(copy_state(first_trees(algorithm, report.best)))


def first_trees(algorithm: Any, count: int) -> Any:
    """Return the ensemble as it was after its first `count` trees."""
    part = copy(algorithm)
    part.estimators_ = algorithm.estimators_[:count]
    part.train_score_ = algorithm.train_score_[:count]
    part.n_estimators_ = count
    if hasattr(algorithm, "oob_improvement_"):
        part.oob_improvement_ = algorithm.oob_improvement_[:count]
        part.oob_scores_ = algorithm.oob_scores_[:count]
    return part


# --- Solver iterations, by scikit-learn's callbacks: logistic regression.

ITERATION = "lbfgs-iter"  # the name of one step of the solver in scikit-learn


class CallbackStepper:
    """Fits by `LogisticRegression.set_callbacks`: the same coefficients as without. It has no checkpoints.

    L-BFGS uses the curvature of earlier iterations, which scikit-learn does not expose.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Return why: scikit-learn supports callbacks for one solver only."""
        return None if algorithm.solver == "lbfgs" else f"algorithm.solver={algorithm.solver} reports no iterations"

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store, sample_weight: Any = None) -> None:
        """Fit and report each iteration."""
        listener = IterationCallback(report)
        algorithm.set_callbacks(listener)
        try:
            with catch_warnings():
                filterwarnings("ignore", message="(?s).*StopIteration", category=ConvergenceWarning)
                algorithm.fit(X, y, **_weights(sample_weight))
        finally:
            algorithm.set_callbacks()
        if report.best is not None:
            algorithm.coef_, algorithm.intercept_ = report.best


class IterationCallback:
    """A scikit-learn callback that reports each iteration."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.step = 0

    def setup(self, estimator: Any, context: Any) -> None:
        """Required by the protocol."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Required by the protocol."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **kwargs: Any) -> None:
        """Required by the protocol."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None, **kwargs: Any) -> bool:
        """Report an iteration; stop the solver with `StopIteration`, as SciPy expects.

        Returning True does not stop it: scikit-learn 1.9 ignores the return value.
        """
        if context.task_name != ITERATION or fitted_estimator is None:
            return False
        self.step += 1
        if not self.report.due(self.step):
            return False
        coefficients = (fitted_estimator.coef_, fitted_estimator.intercept_)
        if self.report(self.step, model=fitted_estimator, snapshot=lambda: coefficients):
            raise StopIteration
        return False
