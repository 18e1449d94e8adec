"""The context of the checks: a run that is loaded and split, a sample of its rows, pipelines fitted on it, results."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from runtree.contract.errors import first_line, raise_if_ours
from runtree.contract.iteration import UNWATCHED
from runtree.contract.predictions import Predictions, encode_target, predict
from runtree.contract.types import SPLITS, Direction, Metric
from runtree.lifecycle.split import holdout_rows
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun
from runtree.training.monitor import hold_out_rows, make_fold_callback
from runtree.training.pipeline import declare_features, fit_algorithm, make_preprocess
from runtree.training.target import learn_target, transform_target, wrap_target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    Rows = np.ndarray[Any, Any]

CheckState = Literal["passed", "warned", "failed", "skipped"]
CHECK_STATES: tuple[CheckState, ...] = ("passed", "warned", "failed", "skipped")

# The whole catalogue should take seconds on any table.
MAX_TRAIN_ROWS, MAX_VALIDATION_ROWS = 2000, 1000  # for what is fitted once
MAX_REFIT_ROWS = 500  # for what is fitted several times
MIN_SAMPLED_CLASS_ROWS = 2  # of a class in a sample, if it has that many

SHORT_ITERATIONS = 30  # iterations or trees: leakage shows at once
MEMORIZING_BATCH_ROWS = 16  # of a gradient step, so that an epoch has several
ITERATION_PARAMETERS = ("max_epochs", "max_iter", "epochs", "n_estimators")
GRADIENT_PARAMETERS = ("learning_rate_init", "eta0")  # scikit-learn's names of the first step size
SEED_PARAMETERS = ("random_state", "seed")
MEMORIZING_PARAMETERS: Mapping[str, Any] = {  # switch off what keeps a model from memorizing its rows
    "dropout": 0.0,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "alpha": 1e-6,  # not 0, because scikit-learn's schedule "optimal" divides by it
    "early_stopping": False,
    "tol": 0.0,
    "n_iter_no_change": 10**6,
}


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, and what to do about it; a warning fails nothing."""

    state: CheckState
    message: str
    advice: str = ""


def passed(message: str) -> CheckResult:
    """Return the result of a check that found nothing wrong."""
    return CheckResult("passed", message)


def warned(message: str, advice: str) -> CheckResult:
    """Return the result of a check that found something unusual, which may be right."""
    return CheckResult("warned", message, advice)


def failed(message: str, advice: str) -> CheckResult:
    """Return the result of a check that found a mistake."""
    return CheckResult("failed", message, advice)


def skipped(reason: str) -> CheckResult:
    """Return the result of a check that does not apply."""
    return CheckResult("skipped", reason)


def error_result(error: BaseException) -> CheckResult:
    """Return an error as a failed check; runtree's own errors bring their advice along."""
    hints = getattr(error, "hints", ())
    advice = "; ".join(hints) or "see the traceback: runtree --traceback train …"
    if not hints and ("NaN" in str(error) or "infinity" in str(error)):
        advice = "type: preprocess=tabular"
    kind = "" if hasattr(error, "hints") else f"{type(error).__name__}: "
    return failed(f"{kind}{first_line(error)}", advice)


def quote_names(names: list[str], limit: int = 3) -> str:
    """Return the first names in quotes: "'a', 'b', 'c' and 4 more"."""
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown


def format_list(names: list[str]) -> str:
    """Return names as a list to type in an override: ``[a,'b c']``."""
    quoted = [name if name.isidentifier() else "'" + name.replace("'", "\\'") + "'" for name in names]
    return f"[{','.join(quoted)}]"


@contextmanager
def silent() -> Iterator[None]:
    """Silence the warnings of libraries: that a fit on permuted labels did not converge is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class CheckContext:
    """A run that is loaded and split.

    Attributes
    ----------
    session
        Called with a seed: seeds the generators and limits the threads for the duration of a fit, as in a run.
    metric, direction
        The metric by which runs are ranked, and whether more or less of it is better.
    train, validation
        Positions in the table of the sampled rows.
    """

    run: ActiveRun
    session: Callable[[int], AbstractContextManager[None]]
    metric: Metric
    direction: Direction
    train: "Rows"
    validation: "Rows"

    @property
    def classes(self) -> tuple[Any, ...]:
        """The sorted labels of a classification; empty for a regression."""
        return self.run.data.classes

    @property
    def algorithm(self) -> dict[str, Any]:
        """The config of the algorithm."""
        node: dict[str, Any] = self.run.config.to_dict()["algorithm"]
        return node

    @property
    def splits(self) -> list[str]:
        """The splits that have rows of their own: no validation split under cross-validation."""
        return [split for split in SPLITS if split != "validation" or self.run.evaluator.holds_out]

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The columns whose groups are compared: `evaluator.fairness.columns`."""
        fairness = self.run.config.to_dict()["evaluator"].get("fairness") or {}
        return tuple(map(str, fairness.get("columns") or ()))

    @cached_property
    def model(self) -> "Pipeline":
        """The pipeline, fitted on the sampled train rows."""
        return self.fit(self.train)

    @cached_property
    def fit_error(self) -> CheckResult | None:
        """The error that fitting the pipeline raises, as a failed check."""
        try:
            self.model  # noqa: B018
        except BaseException as error:
            raise_if_ours(error)
            return error_result(error)
        return None

    def reduce(self, rows: "Rows") -> "Rows":
        """Return fewer of some rows, for checks that fit several times."""
        return sample_rows(rows, self.run.data.target, self.classes, MAX_REFIT_ROWS, self.run.seed)

    def features(self, rows: "Rows") -> "pd.DataFrame":
        """Return raw columns."""
        return self.run.data.features.iloc[rows]

    def target(self, rows: "Rows") -> "pd.Series[Any]":
        """Return true labels or values."""
        return self.run.data.target.iloc[rows]

    def prepare(self, rows: "Rows", target: "pd.Series[Any] | None" = None) -> tuple[Any, Any]:
        """Return the preprocessing fitted on some rows, and these rows preprocessed."""
        # always a fresh copy: the cached one of the run was fitted on all train rows
        preprocess = make_preprocess(self.run)
        with silent():
            return preprocess, preprocess.fit_transform(
                self.features(rows), self.target(rows) if target is None else target
            )

    def fit(self, rows: "Rows") -> "Pipeline":
        """Return a fresh pipeline fitted on some rows as in a run, under its stop criteria."""
        from sklearn.base import clone
        from sklearn.pipeline import Pipeline

        # clone: `fit` must leave the run's own estimator unfitted, as the run expects it
        algorithm, values = clone(self.run.estimator), self.target(rows).to_numpy()
        with self.session(self.run.seed), silent():
            preprocess, prepared = self.prepare(rows)
            # no validation rows: this check judges by them
            train, monitored, places = hold_out_rows(self.run, (prepared, values), None, rows)
            callback = make_fold_callback(self.run, train, monitored) if self.run.plan.steps else None
            fit_algorithm(self.run, algorithm, preprocess, train, monitored, callback or UNWATCHED, places)
            last = wrap_target(self.run, algorithm, train[1])
        return Pipeline([("preprocess", preprocess), ("algorithm", last)])

    def fit_short(self, rows: "Rows", target: "pd.Series[Any]", seed: int) -> "Pipeline":
        """Return a fresh pipeline fitted with few iterations on some rows and any target for them."""
        return self._fit(shorten_training(self.run.estimator, self.algorithm, seed), rows, target, seed)

    def _fit(self, algorithm: Any, rows: "Rows", target: "pd.Series[Any]", seed: int) -> "Pipeline":
        from sklearn.pipeline import Pipeline

        with self.session(seed), silent():
            preprocess, prepared = self.prepare(rows, target)
            declare_features(algorithm, preprocess)
            values = target.to_numpy()
            transformer = learn_target(self.run, values)
            algorithm.fit(prepared, values if transformer is None else transform_target(transformer, values))
            last = wrap_target(self.run, algorithm, values)
        return Pipeline([("preprocess", preprocess), ("algorithm", last)])

    def predict(self, model: "Pipeline", rows: "Rows") -> Predictions:
        """Return a pipeline's predictions for some rows."""
        with silent():
            prepared = model[:-1].transform(self.features(rows))
            return predict(model[-1], prepared, encode_target(self.target(rows), self.classes), self.classes)

    def score(self, predictions: Predictions) -> float:
        """Return the ranking metric; NaN where it is not defined."""
        with silent():
            return predictions.values([self.metric]).get(self.metric.name, float("nan"))

    def gain(self, value: float, reference: float) -> float:
        """Return by how much a score beats a reference, in either direction of the metric: above 0 is better."""
        return value - reference if self.direction == "maximize" else reference - value


def make_check_context(run: ActiveRun, session: Callable[[int], AbstractContextManager[None]]) -> CheckContext:
    """Sample the rows of a run that is split; the test rows are never scored."""
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    train, validation = (
        sample_rows(rows, run.data.target, run.data.classes, limit, run.seed)
        for rows, limit in zip(holdout_rows(run), (MAX_TRAIN_ROWS, MAX_VALIDATION_ROWS), strict=True)
    )
    return CheckContext(run, session, metric, direction, train, validation)


def sample_rows(rows: "Rows", target: "pd.Series[Any]", classes: tuple[Any, ...], limit: int, seed: int) -> "Rows":
    """Return a seeded sample of about `limit` row positions in ascending order, stratified by class.

    Parameters
    ----------
    target
        The target of the whole table, in which `rows` are positions.
    classes
        Empty for a regression.
    """
    import numpy as np

    if len(rows) <= limit:
        return rows
    generator = np.random.default_rng(seed)
    if not classes:
        return np.sort(generator.choice(rows, limit, replace=False))
    labels = target.iloc[rows].to_numpy()
    by_class = [rows[labels == label] for label in np.unique(labels)]
    # at least two rows of each class, because a stratified split of the sample needs them
    counts = [
        min(len(members), max(MIN_SAMPLED_CLASS_ROWS, round(limit * len(members) / len(rows)))) for members in by_class
    ]
    taken = [generator.choice(members, count, replace=False) for members, count in zip(by_class, counts, strict=True)]
    return np.sort(np.concatenate(taken))


def estimator_params(estimator: Any) -> dict[str, Any]:
    """Return an estimator's own parameters; none if it has no `get_params`."""
    return dict(estimator.get_params(deep=False)) if hasattr(estimator, "get_params") else {}


def iterates_by_gradient(estimator: Any, node: Mapping[str, Any]) -> bool:
    """Return whether an algorithm trains in epochs: by its option's `iterations`, else by its parameters."""
    unit = (node.get("iterations") or {}).get("unit")
    return unit == "epoch" if unit else any(name in estimator_params(estimator) for name in GRADIENT_PARAMETERS)


def shorten_training(estimator: Any, node: Mapping[str, Any], seed: int) -> Any:
    """Return an unfitted copy with few iterations or trees, and with the given seed if it takes one."""
    from sklearn.base import clone

    params, copied = estimator_params(estimator), clone(estimator)
    changes: dict[str, Any] = {
        name: SHORT_ITERATIONS
        for name in _iteration_parameters(node)
        if _is_count(params.get(name)) and params[name] > SHORT_ITERATIONS
    }
    changes |= {name: seed for name in SEED_PARAMETERS if _is_count(params.get(name))}
    if "n_restarts_optimizer" in params:  # a Gaussian process is fitted some hundred times to find its kernel
        changes["optimizer"] = None
    return copied.set_params(**changes) if changes else copied


def allow_memorizing(estimator: Any, node: Mapping[str, Any], epochs: int) -> Any:
    """Return an unfitted copy that trains for `epochs` without regularization or early stopping."""
    from sklearn.base import clone

    params = estimator_params(estimator)
    changes = {**MEMORIZING_PARAMETERS, **dict.fromkeys(_iteration_parameters(node), epochs)}
    if _is_count(params.get("batch_size")):
        changes["batch_size"] = MEMORIZING_BATCH_ROWS
    return clone(estimator).set_params(**{name: value for name, value in changes.items() if name in params})


def _iteration_parameters(node: Mapping[str, Any]) -> list[str]:
    declared = ((node.get("iterations") or {}).get("honours") or {}).get("max_iterations")
    return [*ITERATION_PARAMETERS, *([str(declared)] if declared else [])]


def _is_count(value: Any) -> bool:
    # `warm_start=True` is no count of iterations
    return isinstance(value, int) and not isinstance(value, bool)
