"""The stage fit: preprocessing and algorithm, fitted on the train split, become one scikit-learn pipeline."""

import json
import logging
import time
from functools import partial
from typing import Any

from runtree.contract.errors import RunFailedError
from runtree.contract.iteration import UNWATCHED
from runtree.contract.search import SearchResult
from runtree.lifecycle.replay import try_saving
from runtree.lifecycle.score import naming_evaluator
from runtree.training.active_run import ActiveRun
from runtree.training.decision import apply_decision, read_decision
from runtree.training.fit_plan import fit_parameters
from runtree.training.fold_context import build_variant
from runtree.training.fold_runner import PipelineFoldRunner
from runtree.training.imbalance import resample_rows
from runtree.training.monitor import Rows, check_monitored, hold_out_rows, make_callback, summarize_fit
from runtree.training.pipeline import fit_algorithm, fit_preprocess, refit_pipeline, takes_categories
from runtree.training.row_batches import RowBatches
from runtree.training.target import wrap_target

log = logging.getLogger(__name__)

# attributes of a fitted algorithm
FINGERPRINTED = {"pretrained": "pretrained_sha256_", "image": "image_digest_", "script": "script_sha256_"}


def fit_stage(run: ActiveRun) -> None:
    """Fill `run.fit_folds` and `run.model`. An evaluator that searches chooses the parameters before the fit."""
    run.fit_folds = fold_runner = PipelineFoldRunner(run)
    # the search comes before the fit of the model that is kept, so that the outer folds estimate the same procedure
    choose = getattr(run.evaluator, "choose", None)
    if choose is not None:
        with naming_evaluator(run) as name:
            result = choose(run)
        if not isinstance(result, SearchResult):
            raise RunFailedError(f"{name} returned {result!r:.80} from `choose`, not a SearchResult")
        run.use_search_result(result, *build_variant(run, result.values))
        fold_runner.reset_algorithm()  # folds are fitted with the parameters chosen, not the configured ones
        log.info("chosen of %d candidates: %s (%.6g)", result.tried, dict(result.values), result.score)
    started = time.monotonic()
    run.model = fit(run)
    fold_runner.expected_seconds = time.monotonic() - started  # decides whether worker processes pay for themselves


def fit(run: ActiveRun) -> Any:
    """Fit the run's algorithm on the train split and return the pipeline."""
    from sklearn.pipeline import Pipeline

    # the key holds all that the fitted preprocessing depends on: table, rows, task and its own config. Runs of a sweep
    # that differ only in the algorithm then share one fitted preprocessing. It is not copied, as nothing fits it again
    plan, algorithm = run.plan, run.estimator
    preprocess_config = json.dumps(run.config.to_dict()["preprocess"], sort_keys=True, default=str)
    categories = takes_categories(run)
    run.preprocess_key = (run.data.fingerprint, run.split.id, run.data.task, preprocess_config, categories)
    preprocess, features = run.cached("fitted", run.preprocess_key, lambda: fit_preprocess(run))
    try_saving(run, preprocess)
    target = run.cached("target", run.preprocess_key, lambda: run.data.target.iloc[run.split.train].to_numpy())
    # preprocessing the validation rows costs time, so it is done only if something monitors them during the fit
    wants_validation = plan.steps or "validation" in fit_parameters(algorithm)
    validation = _validation_rows(run, preprocess) if wants_validation else None
    train, monitored, positions = hold_out_rows(run, (features, target), validation, run.split.train)
    train, positions = resample_rows(run, train, positions)
    check_monitored(plan.options, monitored is not None)
    callback = make_callback(run, train, monitored) if plan.steps else None
    batches = RowBatches(run, run.split.train, preprocess) if run.data.streamed is not None else None
    fit_algorithm(run, algorithm, preprocess, train, monitored, callback or UNWATCHED, positions, batches)
    # two models of different weights, or images, are different experiments: their hash joins the fingerprints
    for name, attribute in FINGERPRINTED.items():
        if getattr(algorithm, attribute, None):
            run.metadata[name] = getattr(algorithm, attribute)
    run.fit_summary = summarize_fit(algorithm, plan, callback)
    run.refit = partial(refit_pipeline, run)
    # the steps are fitted already: `Pipeline.fit` is not called, since it would fit the preprocessing once more
    return Pipeline([("preprocess", preprocess), ("algorithm", _apply_decision(run, algorithm, preprocess, train))])


def _apply_decision(run: ActiveRun, algorithm: Any, preprocess: Any, train: Rows) -> Any:
    options = read_decision(run)
    if not options.is_set:
        return wrap_target(run, algorithm, train[1])
    # calibration and threshold are learnt from rows that the algorithm has not seen; a fixed threshold needs any rows
    validation = _validation_rows(run, preprocess) if options.needs_validation else None
    return apply_decision(run, algorithm, validation or train)


def _validation_rows(run: ActiveRun, preprocess: Any) -> Rows | None:
    if not len(run.split.validation):
        return None
    features, target = run.select("validation")
    # the same key as in `predict_split`: the rows transformed here are scored later without a second transformation
    rows = run.cached("rows", (run.preprocess_key, "validation"), lambda: preprocess.transform(features))
    return rows, target.to_numpy()
