"""LightGBM's estimators with reports, and early stopping on the validation set.

Imported only by a config that names them, as importing LightGBM takes a second.
"""

from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from lightgbm.callback import EarlyStopException

from runtree.contract.errors import ConfigError
from runtree.contract.iteration import UNWATCHED, Report

Rows = tuple[Any, Any]


class Boosting:
    """The constructor and the fit that both tasks share.

    Parameters are those of LightGBM's scikit-learn interface, and the following.

    Parameters
    ----------
    early_stopping_rounds
        Rounds without improvement of the validation loss after which to stop; the model of the best round is kept.
        None trains all `n_estimators` rounds.
    deterministic, force_row_wise
        If True, the same seed gives the same model for any number of threads.
    verbosity
        -1 is silent.
    """

    def __init__(
        self,
        *,
        boosting_type: str = "gbdt",
        num_leaves: int = 31,
        max_depth: int = -1,
        learning_rate: float = 0.1,
        n_estimators: int = 100,
        max_bin: int = 255,
        subsample_for_bin: int = 200_000,
        objective: str | None = None,
        class_weight: dict[Any, float] | str | None = None,
        min_split_gain: float = 0.0,
        min_child_weight: float = 1e-3,
        min_child_samples: int = 20,
        subsample: float = 1.0,
        subsample_freq: int = 0,
        colsample_bytree: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 0.0,
        early_stopping_rounds: int | None = None,
        importance_type: str = "split",
        random_state: int | None = None,
        n_jobs: int | None = None,
        deterministic: bool = True,
        force_row_wise: bool = True,
        verbosity: int = -1,
    ) -> None:
        parameters = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__(**parameters)  # further parameters go to LightGBM's core library

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, report: Report = UNWATCHED, validation: Rows | None = None
    ) -> Any:
        """Fit, report the losses of each round, and stop early if configured.

        Parameters
        ----------
        report
            Called after each round with LightGBM's metrics on both sets.
        validation
            Features and target of the validation set.

        Raises
        ------
        ConfigError
            Early stopping is configured, but there is no validation set.
        """
        if self.early_stopping_rounds and validation is None:  # type: ignore[attr-defined]
            raise ConfigError(
                "algorithm.early_stopping_rounds: there is no validation set",
                "type: evaluator=holdout, or algorithm.early_stopping_rounds=null",
            )
        evaluation_set = {"eval_X": validation[0], "eval_y": _codes(self, y, validation[1])} if validation else {}
        callbacks = [Reporter(report, self)] if report is not UNWATCHED else None
        super().fit(X, y, sample_weight=sample_weight, callbacks=callbacks, **evaluation_set)  # type: ignore[misc]
        if report.best is not None:
            self._best_iteration = self.booster_.best_iteration = report.best  # type: ignore[attr-defined]
        return self


class Reporter:
    """A callback of LightGBM that reports each round, before early stopping may end the loop."""

    def __init__(self, report: Report, estimator: Any) -> None:
        self.report, self.estimator = report, estimator
        self.order = 25  # LightGBM's own early stopping is 30
        self.before_iteration = False

    def __call__(self, env: Any) -> None:
        """Report the losses of one round, and stop if the report returns True."""
        step = env.iteration + 1
        if not self.report.due(step):
            return
        train = {f"train_{item.metric_name}": item.metric_value for item in env.model.eval_train()}
        held_out = {f"validation_{item.metric_name}": item.metric_value for item in env.evaluation_result_list}
        if self.report(step, model=PartialModel(env.model, self.estimator), snapshot=lambda: step, **train, **held_out):
            raise EarlyStopException(env.iteration, env.evaluation_result_list)


class PartialModel:
    """The model of the rounds so far, with the interface of the estimator."""

    def __init__(self, booster: Any, estimator: Any) -> None:
        self.booster = booster
        if isinstance(estimator, LGBMClassifier):
            self.classes_ = estimator._le.classes_
            self.predict_proba = self._predict_proba

    def predict(self, X: Any) -> Any:
        """Return the target of each row."""
        return self.booster.predict(X)

    def _predict_proba(self, X: Any) -> Any:
        y_proba = self.booster.predict(X)
        return y_proba if y_proba.ndim == 2 else np.column_stack([1 - y_proba, y_proba])


def _codes(estimator: Any, y: Any, held_out: Any) -> Any:
    """Return the validation target as LightGBM's core library expects it: class codes or numbers."""
    return np.searchsorted(np.unique(y), held_out) if isinstance(estimator, LGBMClassifier) else held_out


class Classifier(Boosting, LGBMClassifier):  # type: ignore[misc]
    """Gradient-boosted trees for classification."""


class Regressor(Boosting, LGBMRegressor):  # type: ignore[misc]
    """Gradient-boosted trees for regression."""
