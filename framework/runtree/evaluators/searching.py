"""A search over an algorithm's space by folds of some rows: what a sweep does over runs, within one run."""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, RunFailedError
from runtree.contract.folds import Fold
from runtree.contract.protocols import Tuner
from runtree.contract.run import Run
from runtree.contract.search import Chosen, Dimension, Observation
from runtree.evaluators.splitting import Splitting

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

Told = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Search:
    """How candidates are proposed, how many, and by which folds each is scored."""

    tuner: Tuner
    splitting: Splitting
    candidates: int

    def best(self, run: Run, rows: "Rows", told: Told = lambda tried, score, best: None) -> Chosen:
        """Return the candidate with the best mean over the folds of some rows; of several that are as good the first.

        `told` hears of each candidate: how many were tried, its score, and the best so far.

        Raises
        ------
        RunFailedError
            No candidate could be scored.
        """
        metric, direction = run.objective
        sign = 1.0 if direction == "maximize" else -1.0
        self.tuner.begin(searched(run), [direction], run.seed)
        known: dict[str, float] = {}
        best, score, tried, failure = None, math.nan, 0, None
        while tried < self.candidates and (proposal := self.tuner.ask(tried)) is not None:
            key = json.dumps(proposal.values, sort_keys=True, default=repr)
            if key not in known:
                known[key], error = self._score(run, rows, proposal.values)
                failure = failure or error
            value = known[key]
            state, objectives = ("completed", (value,)) if math.isfinite(value) else ("failed", None)
            self.tuner.tell(Observation(tried, state, proposal.values, objectives))  # type: ignore[arg-type]
            if math.isfinite(value) and (best is None or sign * value > sign * score):
                best, score = proposal.values, value
            tried += 1
            told(tried, value, score)
        if best is None:
            raise RunFailedError(
                f"none of {tried} candidates could be scored by {metric.name}: {failure or 'it is no finite number'}"
            )
        return Chosen(dict(best), score, tried)

    def _score(self, run: Run, rows: "Rows", values: Mapping[str, Any]) -> tuple[float, Exception | None]:
        """Return the mean of the objective over the folds, NaN and the reason where a candidate cannot be fitted."""
        metric, _ = run.objective
        folds = [_with(fold, values) for fold in self.splitting.parts(run, rows)]
        try:
            found = [answered.answers.values([metric])[metric.name] for answered in run.each_fold(folds)]
        except (RunFailedError, ValueError, ArithmeticError) as error:
            log.warning("candidate %s is passed over: %s", dict(values), error)
            return math.nan, error
        return sum(found) / len(found), None


def _with(fold: Fold, values: Mapping[str, Any]) -> Fold:
    return Fold(fold.train, fold.held_out, fold.number, fold.repeat, values)


def searched(run: Run) -> Sequence[Dimension]:
    """Return what is searched: the algorithm's own space, less what was typed."""
    space = run.space()
    if not space:
        raise ConfigError(
            f"evaluator: algorithm={run.config.algorithm.get('name')} has nothing left to search",
            "declare ranges in its `space`, leave out a value that you typed, or: evaluator=cross_validation",
        )
    return space
