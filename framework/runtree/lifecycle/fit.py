"""The stage fit: preprocessing and algorithm, fitted on the train part, become one pipeline."""

import json
from functools import partial
from typing import Any

from runtree.contract.iteration import UNWATCHED
from runtree.contract.run import Run
from runtree.training.decision import apply_decision, read_decision
from runtree.training.fit_plan import FitPlan, fit_parameters
from runtree.training.monitor import (
    Rows,
    check_monitored,
    hold_out_rows,
    make_callback,
    summarize_fit,
)
from runtree.training.pipeline import fit_algorithm, fit_preprocess, refit_pipeline


def fit(run: Run) -> Any:
    """Fit the configured algorithm on the train part and return the pipeline that is saved and served."""
    from sklearn.pipeline import Pipeline

    config, plan, algorithm = run.config.to_dict(), run.plan, run.estimator
    asked = json.dumps(config["preprocess"], sort_keys=True, default=str)
    run.preprocess_key = (run.data.fingerprint, run.split.id, run.data.task, asked)
    preprocess, prepared = run.cached("fitted", run.preprocess_key, lambda: fit_preprocess(run))
    target = run.cached("target", run.preprocess_key, lambda: run.data.target.iloc[run.split.train].to_numpy())
    held = _validation(run, preprocess) if _wants_rows(algorithm, plan) else None
    learnt, held = hold_out_rows(run, (prepared, target), held)
    check_monitored(plan.options, held is not None)
    loop = make_callback(run, learnt, held) if plan.steps else None
    fit_algorithm(run, algorithm, learnt, held, loop or UNWATCHED)
    if getattr(algorithm, "pretrained_sha256_", None):  # what it started from is a part of what it is
        run.metadata["pretrained"] = algorithm.pretrained_sha256_
    run.fit_summary = summarize_fit(algorithm, plan, loop)
    run.refit = partial(refit_pipeline, run)
    return Pipeline([("preprocess", preprocess), ("algorithm", _decided(run, algorithm, preprocess, learnt))])


def _decided(run: Run, algorithm: Any, preprocess: Any, learnt: Rows) -> Any:
    """Return the algorithm as the block `decision` changes it."""
    options = read_decision(run)
    if not options.asked:
        return algorithm
    held = _validation(run, preprocess) if options.learns else None
    return apply_decision(run, algorithm, held or learnt)


def _wants_rows(algorithm: Any, plan: FitPlan) -> bool:
    return plan.steps or "validation" in fit_parameters(algorithm)


def _validation(run: Run, preprocess: Any) -> Rows | None:
    """Return the validation part, prepared: to watch, not to learn from."""
    if not len(run.split.validation):
        return None
    features, target = run.select("validation")
    rows = run.cached("rows", (run.preprocess_key, "validation"), lambda: preprocess.transform(features))
    return rows, target.to_numpy()
