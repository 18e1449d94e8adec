"""The stage fit: preprocessing and algorithm, fitted on the train part, become one pipeline."""

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.contract.errors import DataError, RuntreeError
from runtree.contract.run import Run

log = logging.getLogger(__name__)


def fit(run: Run) -> Any:
    """Fit the configured algorithm on the train part and return the pipeline that is saved and served."""
    from sklearn.pipeline import Pipeline

    config = run.config.plain()
    preprocess = build(config["preprocess"], "preprocess", run.trust)
    algorithm = build_algorithm(config["algorithm"], run.data.task, run.trust)
    if "task" in preprocess.get_params(deep=False):  # what was found out is surer than a guess from one part's target
        preprocess.set_params(task=run.data.task)
    features, target = run.part("train")
    prepared = preprocess.fit_transform(features, target)
    del features  # a copy of most of the table: the fit needs the room
    extra = _extra(algorithm, run, preprocess)
    _told(lambda: algorithm.fit(prepared, target.to_numpy(), **extra), config["algorithm"])
    return Pipeline([("preprocess", preprocess), ("algorithm", algorithm)])


def _extra(algorithm: Any, run: Run, preprocess: Any) -> dict[str, Any]:
    """Return what an algorithm that iterates asks for: a way to report, and rows to watch."""
    takes = inspect.signature(algorithm.fit).parameters
    extra: dict[str, Any] = {"report": run.report} if "report" in takes else {}
    if "validation" in takes and len(run.split.validation):
        features, target = run.part("validation")
        extra["validation"] = (preprocess.transform(features), target.to_numpy())
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
