"""The stage fit: preprocessing and algorithm, fitted on the train part, become one pipeline."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from runtree.config.build import build, parameter_error
from runtree.contract.errors import DataError, RuntreeError, first_line
from runtree.contract.iteration import UNWATCHED, Report
from runtree.contract.run import Run
from runtree.lifecycle.decision.allowed import asked_of
from runtree.lifecycle.decision.decide import decide, decide_alike
from runtree.lifecycle.decision.wrapping import algorithm_of
from runtree.lifecycle.fitting.judge import Rows, check_watched
from runtree.lifecycle.fitting.plan import Plan, fit_takes
from runtree.lifecycle.fitting.watch import ending, hold_out, watch, watch_fold
from runtree.lifecycle.model_files import SkopsStore

TABULAR = "type: preprocess=tabular"


def fit(run: Run) -> Any:
    """Fit the configured algorithm on the train part and return the pipeline that is saved and served."""
    from sklearn.pipeline import Pipeline

    config, plan, algorithm = run.config.plain(), run.plan, run.estimator
    asked = json.dumps(config["preprocess"], sort_keys=True, default=str)
    run.preprocessed = (run.data.fingerprint, run.split.id, run.data.task, asked)
    preprocess, prepared = run.recall("fitted", run.preprocessed, lambda: preprocessed(run))
    target = run.recall("target", run.preprocessed, lambda: run.data.target.iloc[run.split.train].to_numpy())
    held = _validation(run, preprocess) if _wants_rows(algorithm, plan) else None
    learnt, held = hold_out(run, (prepared, target), held)
    check_watched(plan.options, held is not None)
    loop = watch(run, learnt, held) if plan.steps else None
    carry_out(run, algorithm, learnt, held, loop or UNWATCHED)
    if getattr(algorithm, "pretrained_sha256_", None):  # what it started from is a part of what it is
        run.facts["pretrained"] = algorithm.pretrained_sha256_
    run.ending = ending(algorithm, plan, loop)
    run.refit = partial(refit, run)
    return Pipeline([("preprocess", preprocess), ("algorithm", _decided(run, algorithm, preprocess, learnt))])


def _decided(run: Run, algorithm: Any, preprocess: Any, learnt: Rows) -> Any:
    """Return the algorithm as the block `decision` changes it."""
    options = asked_of(run)
    if not options.asked:
        return algorithm
    held = _validation(run, preprocess) if options.learns else None
    return decide(run, algorithm, held or learnt)


def refit(run: Run, features: Any, target: Any) -> Any:
    """Fit a fresh copy of the run's pipeline on other rows, under the same stop rules.

    It decides as the run's own does: what the block `decision` learnt for that stays as it was learnt.
    """
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    preprocess, algorithm = clone(run.model[0]), clone(algorithm_of(run.model[-1]))
    learnt, watched = hold_out(run, (preprocess.fit_transform(features, target), target), None)
    loop = watch_fold(run, learnt, watched) if run.plan.steps else None
    carry_out(run, algorithm, learnt, watched, loop or UNWATCHED)
    return Pipeline([("preprocess", preprocess), ("algorithm", decide_alike(run, algorithm, learnt))])


def carry_out(run: Run, algorithm: Any, learnt: Rows, held: Rows | None, report: Report) -> None:
    """Fit an algorithm, step by step where the plan says so."""
    (rows, target), stepper = learnt, run.plan.stepper
    takes = fit_takes(algorithm)
    extra: dict[str, Any] = {"report": report} if "report" in takes and run.plan.steps else {}
    if "validation" in takes and held is not None:
        extra["validation"] = held
    if stepper is not None:
        store = SkopsStore(f"{type(algorithm).__module__}.{type(algorithm).__qualname__}")
        _told(lambda: stepper.fit(algorithm, rows, target, report, store), run, algorithm)
    else:
        _told(lambda: algorithm.fit(rows, target, **extra), run, algorithm)


def preprocessed(run: Run) -> tuple[Any, Any]:
    """Return the preprocessing, fitted, and the train part as it left it; the table's own rows are let go."""
    preprocess = make_preprocess(run)
    return preprocess, preprocess.fit_transform(*run.part("train"))


def make_preprocess(run: Run) -> Any:
    """Return the preprocessing that the config names, not fitted yet."""
    preprocess = build(run.config.plain()["preprocess"], "preprocess", run.trust)
    if "task" in preprocess.get_params(deep=False):  # what was found out is surer than a guess from one part's target
        preprocess.set_params(task=run.data.task)
    return preprocess


def _wants_rows(algorithm: Any, plan: Plan) -> bool:
    return plan.steps or "validation" in fit_takes(algorithm)


def _validation(run: Run, preprocess: Any) -> Rows | None:
    """Return the validation part, prepared: to watch, not to learn from."""
    if not len(run.split.validation):
        return None
    features, target = run.part("validation")
    rows = run.recall("rows", (run.preprocessed, "validation"), lambda: preprocess.transform(features))
    return rows, target.to_numpy()


def _told(work: Callable[[], Any], run: Run, algorithm: Any) -> None:
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
