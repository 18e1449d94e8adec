"""Nested cross-validation: how good is what a search finds, told by rows that the search never saw.

Varma & Simon, "Bias in error estimation when using cross-validation for model selection", BMC Bioinformatics 7:91
(2006), doi:10.1186/1471-2105-7-91; Cawley & Talbot, JMLR 11:2079-2107 (2010).
"""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any, ClassVar

from runtree.contract.errors import ConfigError, RunFailedError, unknown
from runtree.contract.folds import Fold
from runtree.contract.protocols import Tuner
from runtree.contract.run import Run
from runtree.contract.search import Dimension, Observation, SearchResult
from runtree.contract.types import Evaluation, Metric
from runtree.evaluators.cross_validation import Tally
from runtree.evaluators.splitting import Splitting

log = logging.getLogger(__name__)

Told = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Search:
    """How candidates are proposed, how many, and by which folds each is scored."""

    tuner: Tuner
    splitting: Splitting
    candidates: int

    def best(self, run: Run, rows: "Rows", told: Told = lambda tried, score, best: None) -> SearchResult:
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
        return SearchResult(dict(best), score, tried)

    def _score(self, run: Run, rows: "Rows", values: Mapping[str, Any]) -> tuple[float, Exception | None]:
        """Return the mean of the objective over the folds, NaN and the reason where a candidate cannot be fitted."""
        metric, _ = run.objective
        folds = [_with(fold, values) for fold in self.splitting.parts(run, rows)]
        try:
            found = [answered.answers.values([metric])[metric.name] for answered in run.fit_folds(folds)]
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


@dataclass(frozen=True)
class NestedCrossValidation:
    """Searches the algorithm's own space anew in each outer fold, by inner folds of the rows that are learnt from.

    The outer scores estimate the whole of "search, then fit". The model that is kept has the parameters that the same
    search over all of these rows chose.

    Parameters
    ----------
    tuner, tuners
        Who proposes the candidates: the name of one of `tuners`.
    candidates
        How many are tried in each search; a grid may end earlier.
    inner_folds
        By which each candidate is scored.
    kind, folds, repeats, gap, max_train_size
        Of the outer folds, as `cross_validation` has them; the inner ones are of the same kind.
    """

    tuner: str = "random"
    tuners: Mapping[str, Tuner] = field(default_factory=dict)
    candidates: int = 20
    inner_folds: int = 5
    kind: str = "auto"
    folds: int = 5
    repeats: int = 1
    gap: int = 0
    max_train_size: int | None = None
    holds_out: ClassVar[bool] = False
    reports: ClassVar[bool] = True

    @property
    def outer(self) -> Splitting:
        """Return how rows are parted into those that are searched with and those that judge."""
        return Splitting(self.kind, self.folds, self.repeats, self.gap, self.max_train_size)

    @property
    def search(self) -> Search:
        """Return how each search is done."""
        if self.tuner not in self.tuners:
            raise unknown("tuner at evaluator.tuner:", self.tuner, self.tuners, error=ConfigError)
        if self.candidates < 1:
            raise ConfigError(f"evaluator.candidates: {self.candidates} is less than 1")
        where = "evaluator.inner_folds"
        inner = Splitting(self.kind, self.inner_folds, 1, self.gap, self.max_train_size, where)
        return Search(self.tuners[self.tuner], inner, self.candidates)

    def choose(self, run: Run) -> SearchResult:
        """Search with all rows but those of the test part."""
        self.outer.checked(run)
        searched(run)
        return self.search.best(run, run.split.train, reporter(run, 0))

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Search and fit in each outer fold, and score that; score the run's model on the other parts."""
        steps = run.search_result.tried if run.search_result else 0
        tally = Tally(run, metrics, steps)
        if "validation" not in run.scored_splits:
            return tally.evaluation()
        found: list[dict[str, Any]] = []
        for fold in self.outer.parts(run, run.split.train):
            chosen = self.search.best(run, fold.train, reporter(run, tally.start + len(tally.scores)))
            tally.start += chosen.tried
            own = Fold(fold.train, fold.held_out, fold.number, fold.repeat, chosen.values)
            tally.take_all(run.fit_folds([own]))
            found.append(told(own, chosen, tally.scores[-1][run.objective[0].name]))
        return tally.evaluation(search=self._summary(run, found))

    def _summary(self, run: Run, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what `metrics.json` keeps of the searches.

        `optimism` is by how much the score that a search chose by was better than that of the outer fold, on average.
        """
        metric, direction = run.objective
        sign = 1.0 if direction == "maximize" else -1.0
        chosen = run.search_result
        return {
            "metric": metric.name,
            "direction": direction,
            "tuner": self.tuner,
            "candidates": self.candidates,
            "chosen": dict(chosen.values) if chosen else {},
            "inner": chosen.score if chosen else None,
            "optimism": sign * mean(one["inner"] - one["outer"] for one in found),
            "folds": list(found),
        }


def told(fold: Fold, chosen: SearchResult, outer: float) -> dict[str, Any]:
    """Return what one search chose, by which score, and what came of it on rows that it had not seen."""
    return {"fold": fold.number, "chosen": dict(chosen.values), "inner": chosen.score, "outer": outer}


def reporter(run: Run, before: int) -> Told:
    """Return who reports the candidates of a search; `before` counts the steps that were reported already.

    Their scores are no scores of the run's, so that no tuner gives the run up for them.
    """
    name = run.objective[0].name

    def report(tried: int, score: float, best: float) -> None:
        if not run.iterates:  # an algorithm that iterates has counted steps of its own
            run.report(before + tried, **{f"candidate_{name}": score, f"best_{name}": best})

    return report


# --- A search over an algorithm's space by folds of some rows: what a sweep does over runs, within one run.

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]
