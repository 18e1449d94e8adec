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
    """Return a copy of all that an estimator holds."""
    return deepcopy(algorithm.__dict__)


def restore_state(algorithm: Any, state: "dict[str, Any] | Path", store: Store) -> None:
    """Give an estimator the state that was taken, or written, before; its parameters stay as they are."""
    asked = algorithm.get_params(deep=False)
    held = store.load(state / MODEL).__dict__ if isinstance(state, Path) else state
    algorithm.__dict__.clear()
    algorithm.__dict__.update({**held, **asked})


def write_estimator(algorithm: Any, generator: np.random.RandomState | None, folder: Path, store: Store) -> None:
    """Write an estimator, and where its generator of random numbers stands."""
    store.dump(algorithm, folder / MODEL)
    if generator is not None:
        name, keys, *rest = generator.get_state(legacy=True)
        (folder / GENERATOR).write_text(json.dumps([name, np.asarray(keys).tolist(), *rest]))


def read_generator(folder: Path) -> np.random.RandomState:
    """Return a generator that goes on where the written one stood."""
    name, keys, *rest = json.loads((folder / GENERATOR).read_text())
    generator = np.random.RandomState()
    generator.set_state((name, np.asarray(keys, dtype=np.uint32), *rest))
    return generator


# --- Epoch by epoch: estimators that have `partial_fit`, which is one pass over the rows.

OWN_LOOP = {"solver": ("lbfgs",), "learning_rate": ("adaptive",), "early_stopping": (True,)}


class PartialFitStepper:
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
            restore_state(algorithm, report.start, store)
            generator = read_generator(report.start)
        algorithm.random_state = generator
        try:
            self._epochs(algorithm, X, y, report, store, seed)
            if report.best is not None:
                restore_state(algorithm, report.best, store)
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
                write_estimator(still, algorithm.random_state, folder, store)

            if not report.due(step):
                continue
            if report(step, model=algorithm, snapshot=lambda: copy_state(algorithm), save=save, **_told(algorithm)):
                return


def _told(algorithm: Any) -> dict[str, float]:
    """Return the learning rate, where the algorithm keeps it."""
    optimizer = getattr(algorithm, "_optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    return {} if rate is None else {"learning_rate": float(rate)}


# --- Some trees at a time: histogram gradient boosting, which goes on where it stopped by `warm_start`.


class WarmStartStepper:
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
            restore_state(algorithm, report.start, store)
        grown = int(algorithm.n_iter_) if report.start is not None else 0
        try:
            while grown < bound:
                grown = next(step for step in count(grown + 1) if step >= bound or report.due(step))
                algorithm.set_params(max_iter=grown, warm_start=grown > 0).fit(X, y)
                if report(
                    grown,
                    model=algorithm,
                    snapshot=lambda: copy_state(algorithm),
                    save=lambda folder: write_estimator(algorithm, None, folder, store),
                    learning_rate=float(algorithm.learning_rate),
                ):
                    break
            if report.best is not None:
                restore_state(algorithm, report.best, store)
        finally:
            algorithm.set_params(max_iter=bound, warm_start=False)


# --- Tree by tree: gradient boosting, which calls a monitor after each.


class MonitorStepper:
    """Fits by `GradientBoosting*.fit(monitor=…)`: the same trees as without."""

    def refuses(self, algorithm: Any) -> str | None:
        """Tell that its own early stopping would interfere."""
        if algorithm.n_iter_no_change is not None:
            return "algorithm.n_iter_no_change ends the fit by itself"
        return None

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
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
            algorithm.fit(X, y, monitor=monitor)
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


# --- Iteration by iteration of a solver: logistic regression, through scikit-learn's callbacks.

ITERATION = "lbfgs-iter"  # what scikit-learn calls one step of the solver


class CallbackStepper:
    """Fits by `LogisticRegression.set_callbacks`: the same coefficients as without. It has no checkpoints.

    L-BFGS goes by the curvature that it has seen, which nobody can save.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Tell that scikit-learn calls back from one solver only."""
        return None if algorithm.solver == "lbfgs" else f"algorithm.solver={algorithm.solver} tells nothing on its way"

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit and report each iteration."""
        listener = IterationCallback(report)
        algorithm.set_callbacks(listener)
        try:
            with catch_warnings():
                filterwarnings("ignore", message="(?s).*StopIteration", category=ConvergenceWarning)
                algorithm.fit(X, y)
        finally:
            algorithm.set_callbacks()
        if report.best is not None:
            algorithm.coef_, algorithm.intercept_ = report.best


class IterationCallback:
    """A callback of scikit-learn's that hands each iteration on."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.step = 0

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """End."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **told: Any) -> None:
        """Nothing has happened yet."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None, **told: Any) -> bool:
        """Report an iteration, and halt the solver in the way that SciPy has for it.

        The answer alone does not: scikit-learn 1.9 does not look at it yet.
        """
        if context.task_name != ITERATION or fitted_estimator is None:
            return False
        self.step += 1
        if not self.report.due(self.step):
            return False
        now = (fitted_estimator.coef_, fitted_estimator.intercept_)
        if self.report(self.step, model=fitted_estimator, snapshot=lambda: now):
            raise StopIteration
        return False
