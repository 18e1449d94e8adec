"""The stage fit: preprocessing and algorithm, fitted on the train part, become one pipeline."""

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from runtree.config.build import build
from runtree.contract.errors import DataError, RuntreeError
from runtree.contract.run import Run

log = logging.getLogger(__name__)


def fit(run: Run) -> Any:
    """Fit the configured algorithm on the train part and return the pipeline that is saved and served."""
    from sklearn.pipeline import Pipeline

    config = run.config.plain()
    algorithm = run.estimator
    asked = json.dumps(config["preprocess"], sort_keys=True, default=str)
    run.preprocessed = (run.data.fingerprint, run.split.id, run.data.task, asked)
    preprocess, prepared = run.recall("fitted", run.preprocessed, lambda: _preprocessed(run, config["preprocess"]))
    extra = _extra(algorithm, run, preprocess)
    target = run.data.target.iloc[run.split.train].to_numpy()
    _told(lambda: algorithm.fit(prepared, target, **extra), config["algorithm"])
    return Pipeline([("preprocess", preprocess), ("algorithm", algorithm)])


def _preprocessed(run: Run, node: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the preprocessing, fitted, and the train part as it left it; the table's own rows are let go."""
    preprocess = build(node, "preprocess", run.trust)
    if "task" in preprocess.get_params(deep=False):  # what was found out is surer than a guess from one part's target
        preprocess.set_params(task=run.data.task)
    return preprocess, preprocess.fit_transform(*run.part("train"))


def _extra(algorithm: Any, run: Run, preprocess: Any) -> dict[str, Any]:
    """Return what an algorithm that iterates asks for: a way to report, and rows to watch."""
    takes = inspect.signature(algorithm.fit).parameters
    extra: dict[str, Any] = {"report": run.report} if "report" in takes else {}
    if "validation" in takes and len(run.split.validation):
        features, target = run.part("validation")
        rows = run.recall("rows", (run.preprocessed, "validation"), lambda: preprocess.transform(features))
        extra["validation"] = (rows, target.to_numpy())
    return extra


def _told(work: Callable[[], Any], node: Mapping[str, Any]) -> None:
    """Run the fit; what the library says of bad values is told with the config path."""
    try:
        work()
    except RuntreeError:
        raise
    except ValueError as error:
        if "NaN" in str(error) or "infinity" in str(error):
            raise DataError(
                f"algorithm={node.get('name')} takes no missing or infinite values", "type: preprocess=tabular"
            ) from error
        raise
