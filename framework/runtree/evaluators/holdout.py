"""Score on rows held out: choose by the validation part, report the test part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from runtree.contract.run import Run
from runtree.contract.types import PARTS, Evaluation, Metric
from runtree.evaluators.scoring import answer


@dataclass(frozen=True)
class Holdout:
    """Scores on the train, validation and test part, each once."""

    holds_out: ClassVar[bool] = True

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's model on each part."""
        import pandas as pd

        answers = {part: answer(run.model, *run.part(part), run.data.classes) for part in PARTS}
        frames = [found.frame(run.split.rows(part), part) for part, found in answers.items()]
        return Evaluation(
            metrics={part: found.values(metrics) for part, found in answers.items()},
            predictions=pd.concat(frames, ignore_index=True),
        )
