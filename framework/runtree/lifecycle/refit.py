"""`fit.refit`: the model that is kept is fitted once more, on the train and the validation split."""

import logging

from runtree.config.build import build
from runtree.config.resources import compute_arguments
from runtree.training.active_run import ActiveRun
from runtree.training.pipeline import refit_pipeline_on

log = logging.getLogger(__name__)


def is_refitted(run: ActiveRun) -> bool:
    """Return whether the model that is kept is to be fitted on more rows than the one that was selected by.

    Under cross-validation the model has all rows outside the test split, unless the fit holds some out to stop by.
    """
    options = run.plan.options
    holds_out = run.plan.steps and options.validation_fraction is not None
    return options.refit and bool(len(run.split.validation) or holds_out)


def refit(run: ActiveRun) -> None:
    """Replace the run's model by one that is fitted on the train and the validation split.

    The number of iterations is the one that the first fit found: there are no rows left to stop by. Calibration and
    threshold stay as well.
    """
    import numpy as np

    rows = np.sort(np.concatenate([run.split.train, run.split.validation]))
    iterations = (run.fit_summary.get("best") or run.fit_summary.get("iterations")) if run.plan.steps else None
    # with the seed of the run, as the first fit had it: a run that is finalized later draws the same numbers
    compute = build(compute_arguments(run.config.to_dict()["compute"]), "compute", run.trust)
    with compute.session(run.seed):
        model = refit_pipeline_on(run, rows, iterations)
    splits = [split for split in ("train", "validation") if len(run.split.rows(split))]
    facts = {"splits": splits, "rows": len(rows), **({"iterations": iterations} if iterations else {})}
    run.use_refitted(model, facts)
    log.info("refit on %d rows: %s", len(rows), facts)
