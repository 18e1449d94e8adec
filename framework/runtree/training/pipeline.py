"""Fit a pipeline: build its preprocessing, fit its algorithm under a fit plan, refit a copy on other rows."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from runtree.config.build import build, parameter_error
from runtree.contract.commands import command
from runtree.contract.errors import DataError, RuntreeError, first_line, unknown
from runtree.contract.iteration import UNWATCHED, Report
from runtree.tables.numbers import is_numeric
from runtree.training.active_run import ActiveRun
from runtree.training.callback import FitCallback
from runtree.training.decision import reapply_decision, unwrap
from runtree.training.fit_plan import fit_parameters
from runtree.training.imbalance import COPIES, class_weights, imbalance_options, resample_rows, weigh_batch
from runtree.training.model_files import SkopsStore
from runtree.training.monitor import Rows, hold_out_rows, make_fold_callback
from runtree.training.row_batches import RowBatches, fit_in_batches, record_batches
from runtree.training.row_weights import fit_weights
from runtree.training.stopping import StopRules
from runtree.training.target import learn_target, transform_target, wrap_target

TABULAR = "type: preprocess=tabular"
CATEGORICAL, FROM_DTYPE = "categorical_features", "from_dtype"  # of scikit-learn's histogram boosting
MAX_BINS = 255
REPLACE = "replace them by missing values or a large number"
OUT_OF_RANGE = re.compile(r"value\(s\) of y are out of the valid range|Unknown label type|y contains")


def fit_preprocess(run: ActiveRun) -> tuple[Any, Any]:
    """Return the fitted preprocessing, and the train split transformed by it."""
    preprocess = make_preprocess(run)
    return preprocess, preprocess.fit_transform(*run.select("train"))


def make_preprocess(run: ActiveRun) -> Any:
    """Return the configured preprocessing, unfitted."""
    preprocess = build(run.config.to_dict()["preprocess"], "preprocess", run.trust)
    # the task is known from the whole table; a guess from the target of one split or fold could differ
    known = preprocess.get_params(deep=False)
    if "task" in known:
        preprocess.set_params(task=run.data.task)
    if "columns" in known:
        preprocess.set_params(columns=_chosen_columns(run, known["columns"] or {}))
    if "native_categories" in known:
        preprocess.set_params(native_categories=takes_categories(run))
    return preprocess


def _chosen_columns(run: ActiveRun, chosen: Mapping[str, str]) -> dict[str, str] | None:
    """Return what columns are to become: what `data.types` says, unless `preprocess.columns` says otherwise."""
    columns = list(map(str, run.data.features.columns))
    for name in chosen:
        if name not in columns:
            raise unknown("column at preprocess.columns:", name, columns, error=DataError)
    declared = {name: kind for name, kind in run.data.types.items() if kind in ("category", "text") and name in columns}
    return {**declared, **chosen} or None


def takes_categories(run: ActiveRun) -> bool:
    """Return whether the run's algorithm gets categories as they are: scikit-learn's histogram boosting, of a quantity.

    Of classes it does not: where one is rare, splits into many levels fit noise, and one-hot features score better.
    """
    # not by the estimator's own value: `declare_features` has changed it after a fit
    chosen = run.config.algorithm.get(CATEGORICAL, FROM_DTYPE)
    # a row between two others has no level
    if run.data.task != "regression" or imbalance_options(run).resample not in (None, *COPIES):
        return False
    return bool(chosen == FROM_DTYPE and CATEGORICAL in run.estimator.get_params(deep=False))


def declare_features(algorithm: Any, preprocess: Any) -> None:
    """Tell an algorithm which features are numbers of levels: it sees an array of numbers alone."""
    if getattr(preprocess, "native_categories", False):
        most = algorithm.get_params(deep=False).get("max_bins", MAX_BINS)
        codes = [place for place, count in enumerate(preprocess.level_counts()) if count <= most]
        algorithm.set_params(**{CATEGORICAL: codes or FROM_DTYPE})


def fit_algorithm(
    run: ActiveRun,
    algorithm: Any,
    preprocess: Any,
    train: Rows,
    monitored: Rows | None,
    report: Report,
    positions: Any = None,
    batches: RowBatches | None = None,
) -> None:
    """Fit an algorithm by its own `fit`, or iteration by iteration with the stepper of its fit plan.

    `positions` are those of the train rows in the run's table, by which a row has its weight. The algorithm learns the
    transformed target, if `target.transform` asks for one; `monitored` and `report` have the original.
    Of a table that is larger than memory `batches` reads the train rows, and `train` are those in memory.
    """
    declare_features(algorithm, preprocess)
    (rows, target), stepper = train, run.plan.stepper
    transformer = learn_target(run, target)
    if transformer is not None:
        target = transform_target(transformer, target)
        monitored = monitored and (monitored[0], transform_target(transformer, monitored[1]))
    parameters = fit_parameters(algorithm)
    if batches is not None:
        batches.transform = partial(transform_target, transformer) if transformer is not None else batches.transform
        batches.weigh = partial(weigh_batch, class_weights(run, train[1]))
    in_memory = batches is None or "batches" in parameters
    weights = fit_weights(run, train[1], positions) if in_memory else None
    extra: dict[str, Any] = {} if weights is None else {"sample_weight": weights}
    of_stepper = dict(extra)
    extra |= {"report": report} if "report" in parameters and run.plan.steps else {}
    if "validation" in parameters and monitored is not None:
        extra["validation"] = monitored
    fault: BaseException | None = None
    if batches is not None and "batches" in parameters:
        extra["batches"] = batches
    try:
        if batches is not None and stepper is None and "batches" not in extra:
            _explain_errors(lambda: fit_in_batches(algorithm, batches), run, algorithm)
        elif stepper is not None:
            store = SkopsStore(f"{type(algorithm).__module__}.{type(algorithm).__qualname__}")
            source = rows if batches is None else batches
            _explain_errors(lambda: stepper.fit(algorithm, source, target, report, store, **of_stepper), run, algorithm)
        else:
            _explain_errors(lambda: algorithm.fit(rows, target, **extra), run, algorithm)
    except BaseException as error:
        fault = error
        raise
    finally:
        if isinstance(report, FitCallback):
            report.end_fit(fault)
    if batches is not None:
        record_batches(run, batches)


def refit_pipeline(run: ActiveRun, features: Any, target: Any) -> Any:
    """Fit a clone of the run's pipeline on other rows, under the same stop criteria.

    Calibration and threshold stay those of the run: they are not learnt again.
    """
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    # clones: the fitted state of the run's own model must not leak into a fold
    preprocess, algorithm = clone(run.model[0]), clone(unwrap(run.model[-1]))
    # the rows to monitor come out of the fold's train rows, after a preprocessing that has seen them: monitored rows
    # stop the fit, and do not judge the model
    # the index of the run's table counts its rows, and so do those of its folds
    positions = features.index.to_numpy() if hasattr(features, "index") else None
    prepared = preprocess.fit_transform(features, target)
    train, monitored, positions = hold_out_rows(run, (prepared, target), None, positions)
    train, positions = resample_rows(run, train, positions)
    callback = make_fold_callback(run, train, monitored) if run.plan.steps else None
    fit_algorithm(run, algorithm, preprocess, train, monitored, callback or UNWATCHED, positions)
    return Pipeline([("preprocess", preprocess), ("algorithm", _wrap_again(run, algorithm, train))])


def refit_pipeline_on(run: ActiveRun, rows: Any, iterations: int | None) -> Any:
    """Fit a clone of the run's pipeline on rows of its table, given by position, and return it.

    Parameters
    ----------
    iterations
        How many, of an algorithm that is monitored; None: as the algorithm's own parameters say.
    """
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    preprocess, algorithm = clone(run.model[0]), clone(unwrap(run.model[-1]))
    target = run.data.target.iloc[rows].to_numpy()
    train, positions = resample_rows(
        run, (preprocess.fit_transform(run.data.features.iloc[rows], target), target), rows
    )
    batches = RowBatches(run, rows, preprocess) if run.data.streamed is not None else None
    # one check, at the last iteration: nothing is recorded, and there are no rows to stop by
    callback = FitCallback(StopRules(), every=iterations, bound=iterations) if iterations else UNWATCHED
    fit_algorithm(run, algorithm, preprocess, train, None, callback, positions, batches)
    return Pipeline([("preprocess", preprocess), ("algorithm", _wrap_again(run, algorithm, train))])


def _wrap_again(run: ActiveRun, algorithm: Any, train: Rows) -> Any:
    """Return an algorithm that was fitted again: its target is learnt anew, calibration and threshold are not."""
    return reapply_decision(run, algorithm, train) if run.data.classes else wrap_target(run, algorithm, train[1])


def _explain_errors(work: Callable[[], Any], run: ActiveRun, algorithm: Any) -> None:
    """Run a fit, and turn scikit-learn's errors about parameters and values into errors with a config path."""
    try:
        work()
    except RuntreeError:
        raise
    except ValueError as error:
        name, message = run.config.algorithm.get("name"), str(error)
        if type(error).__name__ == "InvalidParameterError":  # a private class of scikit-learn
            raise parameter_error(algorithm, "algorithm", error) from None
        if explained := _about_values(message, f"algorithm={name}", run):
            raise explained from error
        raise


def _about_values(message: str, algorithm: str, run: ActiveRun) -> DataError | None:
    """Return an error with the column that scikit-learn's complaint about values is about; None if it is about none.

    What a preprocessing has not changed reaches the algorithm as it is in the table.
    """
    if OUT_OF_RANGE.search(message) or "Input y" in message:
        return DataError(
            f"data.target: column '{run.data.target.name}' does not suit {algorithm}: {first_line(message)}",
            f"choose another algorithm: {command('list', 'algorithm')}",
        )
    if "could not convert string" in message:
        texts = [name for name, column in run.data.features.items() if not is_numeric(column)]
        column = f", and column '{texts[0]}' holds other values" if texts else ""
        return DataError(f"{algorithm} takes only numbers{column}: {first_line(message)}", TABULAR)
    if "NaN" not in message and "infinity" not in message:
        return None
    numbers = run.data.features.loc[:, [is_numeric(column) for _, column in run.data.features.items()]]
    values = numbers.to_numpy(dtype="float64", na_value=float("nan"))
    largest = float(np.finfo(np.float32).max)  # of what trees and networks compute with
    for what, found, remedy in (
        ("infinite values", np.isinf(values), REPLACE),
        (f"values above {largest:.0e}", np.abs(values) > largest, "divide it"),
        ("missing values", run.data.features.isna().to_numpy(), TABULAR),
    ):
        if found.any():
            columns = run.data.features.columns if remedy is TABULAR else numbers.columns
            place = int(found.any(axis=0).argmax())
            count = f"{int(found[:, place].sum()):,} of {len(found):,} rows"
            return DataError(f"{algorithm} takes no {what}, and column '{columns[place]}' has them in {count}", remedy)
    return DataError(f"{algorithm}: {first_line(message)}", "the table has none: they come from the preprocessing")
