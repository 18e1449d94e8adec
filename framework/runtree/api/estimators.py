"""scikit-learn estimators over a config: preprocessing and algorithm as a run would fit them, without a run.

For what takes an estimator, such as `cross_val_score`, `StackingClassifier` or a grid of scikit-learn. Nothing is
split, recorded or evaluated here, and no table is read: that is `rt.train`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from runtree.api.overrides import AT_WORK, override_words, parse_words
from runtree.config.build import build, build_algorithm
from runtree.contract.errors import ConfigError, RequestError, RuntreeError
from runtree.contract.types import Task
from runtree.training.fit_plan import STEP, resolve_fit_options

Array = np.ndarray[Any, Any]
MAX_CONFIGS = 32  # composed: a cross-validation fits one config many times, and a composition takes longer than a fit

MAX_WAIT_SECONDS = 60


class ConfiguredEstimator(BaseEstimator):  # type: ignore[misc]
    """The preprocessing and the algorithm of a config as one scikit-learn estimator.

    Parameters
    ----------
    overrides : str or mapping
        As in `rt.train`: ``"algorithm=ridge algorithm.alpha=2"`` or ``{"algorithm": "ridge", "algorithm.alpha": 2}``.
    random_state : int
        The seed of preprocessing and algorithm.
    trust : sequence of str
        Classes of your own that the config names.

    Attributes
    ----------
    pipeline_ : sklearn.pipeline.Pipeline
        The fitted preprocessing and algorithm.
    n_features_in_, feature_names_in_
        The columns of the fit, and their number.
    """

    task: ClassVar[Task]

    def __init__(
        self, overrides: str | Mapping[str, Any] = "", random_state: int = 0, trust: Sequence[str] = ()
    ) -> None:
        self.overrides = overrides
        self.random_state = random_state
        self.trust = trust

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to X, a table or an array of shape (rows, features), and y of shape (rows,)."""
        validate_data(self, X, y, skip_check_array=True)  # names and number of the columns
        words = tuple(override_words((self.overrides,), {"seed": int(self.random_state)}))
        self.pipeline_ = make_pipeline(words, tuple(self.trust), self.task)
        self.pipeline_.fit(X, self._target(y))
        self.n_features_in_ = self.pipeline_.n_features_in_
        return self

    def _target(self, y: Any) -> Any:
        return column_or_1d(y, warn=True)

    def predict(self, X: Any) -> Any:
        """Return a prediction for each row, shape (rows,)."""
        rows = self._rows(X)
        return self.pipeline_.predict(rows)

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        if getattr(X, "ndim", 2) == 1:
            raise ValueError("Expected 2D array, got 1D array instead. Reshape your data: X.reshape(1, -1) is one row")
        validate_data(self, X, reset=False, skip_check_array=True)
        return X

    def __sklearn_tags__(self) -> Any:
        """Say what the input may hold: what the default preprocessing reads."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


class RuntreeRegressor(RegressorMixin, ConfiguredEstimator):  # type: ignore[misc]
    __doc__ = ConfiguredEstimator.__doc__
    task = "regression"


def _has_probabilities(estimator: "RuntreeClassifier") -> bool:
    return hasattr(estimator, "pipeline_") and hasattr(estimator.pipeline_, "predict_proba")


class RuntreeClassifier(ClassifierMixin, ConfiguredEstimator):  # type: ignore[misc]
    __doc__ = f"{ConfiguredEstimator.__doc__}    classes_ : ndarray\n        The classes, sorted.\n    "
    task = "classification"

    def _target(self, y: Any) -> Any:
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        # codes, as in a run: not every algorithm takes texts
        encoder = LabelEncoder().fit(labels)
        self.classes_ = encoder.classes_
        return encoder.transform(labels)

    def predict(self, X: Any) -> Any:
        """Return a class for each row, shape (rows,)."""
        codes = np.asarray(super().predict(X), dtype=int)
        return self.classes_.take(codes)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (rows, classes), in the order of `classes_`."""
        rows = self._rows(X)
        return np.asarray(self.pipeline_.predict_proba(rows))


@lru_cache(maxsize=MAX_CONFIGS)
def _nodes(words: tuple[str, ...], trust: tuple[str, ...], task: Task) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Return the nodes of preprocessing and algorithm, and the allow-list to build them with."""
    from runtree.app import App
    from runtree.app.application import typed_words
    from runtree.config.freeze import freeze
    from runtree.config.hydra_engine import force_open_parameters
    from runtree.config.hydra_errors import translate_error
    from runtree.config.root_keys import check_choices

    flags = parse_words(words, trust)
    app = App().with_folders_of(flags)
    check_choices(flags.overrides, app.catalogue)
    allow_list = app.allow_list(typed_words(flags))
    try:
        config = freeze(app.engine(flags, allow_list).compose(force_open_parameters(flags.overrides))).config
    except RuntreeError:
        raise
    except Exception as error:
        raise translate_error(error, flags.overrides, app.catalogue) from error
    options, iterations, node = resolve_fit_options(config, task)
    by_step = [key for key in options.requested() if iterations.honours.get(key) == STEP]
    if by_step:
        raise ConfigError(f"fit.{by_step[0]}: is watched step by step, which only a run does", "fit it by rt.train(…)")
    return dict(config["preprocess"]), node, allow_list


def make_pipeline(words: tuple[str, ...], trust: tuple[str, ...], task: Task) -> Pipeline:
    """Return the unfitted pipeline of a config."""
    # not for ever: the thread that is at work may be the one that waits for this fit
    if not AT_WORK.acquire(timeout=MAX_WAIT_SECONDS):
        raise RequestError(f"rt: another thread has been at work for {MAX_WAIT_SECONDS} s", "fit this estimator before")
    try:
        preprocess_node, node, allow_list = _nodes(words, trust, task)
    finally:
        AT_WORK.release()
    preprocess, algorithm = build(preprocess_node, "preprocess", allow_list), build_algorithm(node, task, allow_list)
    if "task" in preprocess.get_params(deep=False):
        preprocess.set_params(task=task)
    return Pipeline([("preprocess", preprocess), ("algorithm", algorithm)])
