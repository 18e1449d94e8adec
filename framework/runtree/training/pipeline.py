"""Fit a pipeline: build its preprocessing, fit its algorithm under a fit plan, refit a copy on other rows."""

from collections.abc import Callable
from typing import Any

from runtree.config.build import build, parameter_error
from runtree.contract.errors import DataError, RuntreeError, first_line
from runtree.contract.iteration import UNWATCHED, Report
from runtree.training.active_run import ActiveRun
from runtree.training.decision import reapply_decision, unwrap
from runtree.training.fit_plan import fit_parameters
from runtree.training.model_files import SkopsStore
from runtree.training.monitor import Rows, hold_out_rows, make_fold_callback

TABULAR = "type: preprocess=tabular"


def fit_preprocess(run: ActiveRun) -> tuple[Any, Any]:
    """Return the preprocessing, fitted, and the train part as it left it; the table's own rows are let go."""
    preprocess = make_preprocess(run)
    return preprocess, preprocess.fit_transform(*run.select("train"))


def make_preprocess(run: ActiveRun) -> Any:
    """Return the preprocessing that the config names, not fitted yet."""
    preprocess = build(run.config.to_dict()["preprocess"], "preprocess", run.trust)
    if "task" in preprocess.get_params(deep=False):  # what was found out is surer than a guess from one part's target
        preprocess.set_params(task=run.data.task)
    return preprocess


def fit_algorithm(run: ActiveRun, algorithm: Any, learnt: Rows, held: Rows | None, report: Report) -> None:
    """Fit an algorithm, step by step where the plan says so."""
    (rows, target), stepper = learnt, run.plan.stepper
    takes = fit_parameters(algorithm)
    extra: dict[str, Any] = {"report": report} if "report" in takes and run.plan.steps else {}
    if "validation" in takes and held is not None:
        extra["validation"] = held
    if stepper is not None:
        store = SkopsStore(f"{type(algorithm).__module__}.{type(algorithm).__qualname__}")
        _explain_errors(lambda: stepper.fit(algorithm, rows, target, report, store), run, algorithm)
    else:
        _explain_errors(lambda: algorithm.fit(rows, target, **extra), run, algorithm)


def refit_pipeline(run: ActiveRun, features: Any, target: Any) -> Any:
    """Fit a fresh copy of the run's pipeline on other rows, under the same stop rules.

    It decides as the run's own does: what the block `decision` learnt for that stays as it was learnt.
    """
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    preprocess, algorithm = clone(run.model[0]), clone(unwrap(run.model[-1]))
    learnt, watched = hold_out_rows(run, (preprocess.fit_transform(features, target), target), None)
    loop = make_fold_callback(run, learnt, watched) if run.plan.steps else None
    fit_algorithm(run, algorithm, learnt, watched, loop or UNWATCHED)
    return Pipeline([("preprocess", preprocess), ("algorithm", reapply_decision(run, algorithm, learnt))])


def _explain_errors(work: Callable[[], Any], run: ActiveRun, algorithm: Any) -> None:
    """Run the fit; what the library says of bad values is told with the config path."""
    try:
        work()
    except RuntreeError:
        raise
    except ValueError as error:
        name, said = run.config.algorithm.get("name"), str(error)
        if type(error).__name__ == "InvalidParameterError":  # scikit-learn's
            raise parameter_error(algorithm, "algorithm", error) from None
        if "NaN" in said or "infinity" in said:
            raise DataError(f"algorithm={name} takes no missing or infinite values", TABULAR) from error
        if "could not convert string" in said:
            raise DataError(f"algorithm={name} takes numbers alone: {first_line(said)}", TABULAR) from error
        raise
