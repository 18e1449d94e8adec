"""Score on rows held out: choose by the validation part, report the test part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from runtree.contract.run import Run
from runtree.contract.types import Evaluation, Metric
from runtree.evaluators.scoring import answer_part, frames


@dataclass(frozen=True)
class Holdout:
    """Scores on the parts that are asked for, each once."""

    holds_out: ClassVar[bool] = True

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's model on each part of `run.parts`."""
        answers = {part: answer_part(run, part) for part in run.parts}
        rows = {part: run.split.rows(part) for part in answers}
        return Evaluation(
            metrics={part: found.values(metrics) for part, found in answers.items()},
            predictions=lambda: frames([(found, rows[part], part) for part, found in answers.items()]),
        )
