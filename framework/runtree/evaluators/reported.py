"""The scores that an algorithm has reported itself: nothing is predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from runtree.contract.errors import ConfigError, RunFailedError
from runtree.contract.predictions import Predictions
from runtree.contract.run import Run
from runtree.contract.types import SPLITS, Evaluation, Metric


@dataclass(frozen=True)
class Reported:
    """Takes the last values that the run's algorithm has reported, such as `validation_rmse`, for its scores.

    It is for algorithms that cannot predict. There are no predictions, so there are no intervals and no baselines.
    """

    holds_out: ClassVar[bool] = True
    reads_predictions: ClassVar[bool] = False

    def check(self, run: Run) -> None:
        """Refuse an algorithm that reports no scores of its own."""
        if not hasattr(run.estimator, "predicts"):  # type: ignore[attr-defined]
            name = run.config.algorithm.get("name")
            raise ConfigError(
                f"evaluator=reported: algorithm={name} reports no scores of its own", "type: evaluator=holdout"
            )

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Return the reported values of those metrics."""
        reported: dict[str, float] = run.model[-1].reported_
        names = {metric.name for metric in metrics}
        values = {
            split: {name: reported[f"{split}_{name}"] for name in sorted(names) if f"{split}_{name}" in reported}
            for split in SPLITS
        }
        if not values["validation"]:
            predicts = getattr(run.model[-1], "predicts", False)
            found = ", ".join(sorted(reported)) or "nothing"
            raise RunFailedError(
                f"evaluator=reported: the algorithm reported {found}, and no score of the validation split",
                f"needed is validation_{run.objective[0].name}: by algorithm.metrics, or algorithm.metrics_file",
                *(["or, as it predicts, type: evaluator=holdout"] if predicts else []),
            )
        return Evaluation({split: found for split, found in values.items() if found}, lambda: _no_predictions(run))


def _no_predictions(run: Run) -> Any:
    empty = np.array([], dtype=int)
    return Predictions(empty, empty, None, run.data.classes).frame(empty, "validation")
