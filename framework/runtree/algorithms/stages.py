"""Tree by tree: gradient boosting, which calls a monitor after each."""

from copy import copy
from pathlib import Path
from typing import Any

from runtree.algorithms.state import put_back, take, write
from runtree.contract.iteration import Report, Store


class Stages:
    """Fits by `GradientBoosting*.fit(monitor=…)`: the same trees as without."""

    def refuses(self, algorithm: Any) -> str | None:
        """Tell that its own early stopping would interfere."""
        if algorithm.n_iter_no_change is not None:
            return "algorithm.n_iter_no_change ends the fit by itself"
        return None

    def fit(self, algorithm: Any, X: Any, y: Any, report: Report, store: Store) -> None:
        """Fit and report each tree."""
        if report.start is not None:
            put_back(algorithm, report.start, store)
        algorithm.warm_start = report.start is not None

        def monitor(stage: int, grown: Any, _: dict[str, Any]) -> bool:
            if not report.due(stage + 1):
                return False
            part = trees(grown, stage + 1)
            return report(
                stage + 1,
                model=part,
                snapshot=lambda: stage + 1,
                save=lambda folder: write(part, None, folder, store),
                learning_rate=float(grown.learning_rate),
            )

        try:
            algorithm.fit(X, y, monitor=monitor)
        finally:
            algorithm.warm_start = False
        if isinstance(report.best, Path):
            put_back(algorithm, report.best, store)
        elif report.best is not None:
            algorithm.__dict__.update(take(trees(algorithm, report.best)))


def trees(algorithm: Any, count: int) -> Any:
    """Return the ensemble as it was after its first `count` trees."""
    part = copy(algorithm)
    part.estimators_ = algorithm.estimators_[:count]
    part.train_score_ = algorithm.train_score_[:count]
    part.n_estimators_ = count
    if hasattr(algorithm, "oob_improvement_"):
        part.oob_improvement_ = algorithm.oob_improvement_[:count]
        part.oob_scores_ = algorithm.oob_scores_[:count]
    return part
