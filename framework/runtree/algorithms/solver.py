"""Iteration by iteration of a solver: logistic regression, through scikit-learn's callbacks."""

from typing import Any
from warnings import catch_warnings, filterwarnings

from sklearn.exceptions import ConvergenceWarning

from runtree.contract.iteration import Report, Store

ITERATION = "lbfgs-iter"  # what scikit-learn calls one step of the solver


class Solver:
    """Fits by `LogisticRegression.set_callbacks`: the same coefficients as without. It has no checkpoints.

    L-BFGS goes by the curvature that it has seen, which nobody can save.
    """

    def refuses(self, algorithm: Any) -> str | None:
        """Tell that scikit-learn calls back from one solver only."""
        return None if algorithm.solver == "lbfgs" else f"algorithm.solver={algorithm.solver} tells nothing on its way"

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit and report each iteration."""
        listener = Listener(report)
        algorithm.set_callbacks(listener)
        try:
            with catch_warnings():
                filterwarnings("ignore", message="(?s).*StopIteration", category=ConvergenceWarning)
                algorithm.fit(X, y)
        finally:
            algorithm.set_callbacks()
        if report.best is not None:
            algorithm.coef_, algorithm.intercept_ = report.best


class Listener:
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
