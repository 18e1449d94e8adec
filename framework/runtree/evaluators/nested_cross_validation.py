"""Nested cross-validation: the score of "search, then fit" on rows that the search has not seen.

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

from runtree.contract.errors import ConfigError, DataError, RunFailedError, unknown
from runtree.contract.folds import Fold
from runtree.contract.protocols import Tuner
from runtree.contract.run import Run
from runtree.contract.search import Dimension, Observation, SearchResult
from runtree.contract.types import Evaluation, Metric
from runtree.evaluators.cross_validation import FoldScores
from runtree.evaluators.splitting import Splitting

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

DEFAULT_CANDIDATES = 20  # of a tuner that draws without end

OnCandidate = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Search:
    """A search over the algorithm's space: a tuner proposes `candidates`, and folds of the train rows score each.

    `candidates` is infinite for all that a finite tuner has.
    """

    tuner: Tuner
    splitting: Splitting
    candidates: float

    def best(self, run: Run, rows: "Rows", on_candidate: OnCandidate = lambda tried, score, best: None) -> SearchResult:
        """Return the candidate with the best mean over the folds of `rows`; of equally good ones the first.

        `on_candidate` is called with the number of candidates tried, the score of the last, and the best so far.

        Raises
        ------
        RunFailedError
            No candidate could be scored.
        """
        metric, direction = run.objective
        sign = 1.0 if direction == "maximize" else -1.0
        # the run's seed in each search: the candidates of an outer fold do not depend on the searches before it
        self.tuner.begin(search_space(run), [direction], run.seed)
        scores: dict[str, float] = {}  # a tuner may propose a candidate twice: it is fitted once
        best, score, tried, failure = None, math.nan, 0, None
        while tried < self.candidates and (proposal := self.tuner.ask(tried)) is not None:
            key = json.dumps(proposal.values, sort_keys=True, default=repr)
            if key not in scores:
                scores[key], error = self._score(run, rows, proposal.values)
                failure = failure or error
            value = scores[key]
            # the tuner gets failures, too: it must not propose around a candidate that cannot be fitted
            state, objectives = ("completed", (value,)) if math.isfinite(value) else ("failed", None)
            self.tuner.tell(Observation(tried, state, proposal.values, objectives))  # type: ignore[arg-type]
            # strictly better: of equal candidates the first wins, whatever the tuner proposes later
            if math.isfinite(value) and (best is None or sign * value > sign * score):
                best, score = proposal.values, value
            tried += 1
            on_candidate(tried, value, score)
        if best is None:
            raise RunFailedError(
                f"none of {tried} candidates could be scored by {metric.name}: {failure or 'the value is not finite'}"
            )
        return SearchResult(dict(best), score, tried)

    def _score(self, run: Run, rows: "Rows", values: Mapping[str, Any]) -> tuple[float, Exception | None]:
        """Return the mean of the objective over the folds; NaN and the error if a candidate cannot be fitted."""
        metric, _ = run.objective
        folds = [_with(fold, values) for fold in self.splitting.parts(run, rows)]
        try:
            values_by_fold = [result.predictions.values([metric])[metric.name] for result in run.fit_folds(folds)]
        except DataError:  # it is no value of a parameter that causes it
            raise
        # errors that a value of a parameter may cause. A bug in an algorithm (TypeError) and a full disk still end the
        # run
        except (RunFailedError, ValueError, ArithmeticError) as error:
            log.warning("candidate %s is skipped: %s", dict(values), error)
            return math.nan, error
        return sum(values_by_fold) / len(values_by_fold), None


def _with(fold: Fold, values: Mapping[str, Any]) -> Fold:
    return Fold(fold.train, fold.held_out, fold.number, fold.repeat, values)


def search_space(run: Run) -> Sequence[Dimension]:
    """Return the algorithm's own space without the keys that overrides set; an empty one is refused."""
    space = run.space()
    if not space:
        raise ConfigError(
            f"evaluator: algorithm={run.config.algorithm.get('name')} has no dimension left to search",
            "declare ranges in its `space`, drop an override of one, or type: evaluator=cross_validation",
        )
    return space


@dataclass(frozen=True)
class NestedCrossValidation:
    """Searches the algorithm's own space in each outer fold, by inner folds of its train rows.

    The outer scores estimate the procedure "search, then fit". The model that is saved has the parameters that the same
    search on all train rows chose.

    Parameters
    ----------
    tuner, tuners
        The name of the tuner that proposes candidates, one of `tuners`.
    candidates
        The number of candidates of each search; None: 20, or the whole of a grid.
    inner_folds
        The number of folds that score each candidate.
    kind, folds, repeats, gap, max_train_size
        As in `cross_validation`, for the outer folds; the inner folds are of the same kind.
    """

    tuner: str = "random"
    tuners: Mapping[str, Tuner] = field(default_factory=dict)
    candidates: int | None = None
    inner_folds: int = 5
    kind: str = "auto"
    folds: int = 5
    repeats: int = 1
    gap: int | str | None = None
    max_train_size: int | None = None
    holds_out: ClassVar[bool] = False
    reports: ClassVar[bool] = True

    @property
    def outer(self) -> Splitting:
        """The outer folds: their train rows are searched with, their held-out rows score the result."""
        return Splitting(self.kind, self.folds, self.repeats, self.gap, self.max_train_size)

    @property
    def search(self) -> Search:
        """The search of each outer fold."""
        if self.tuner not in self.tuners:
            raise unknown("tuner at evaluator.tuner:", self.tuner, self.tuners, error=ConfigError)
        if self.candidates is not None and self.candidates < 1:
            raise ConfigError(f"evaluator.candidates: {self.candidates} is less than 1")
        where = "evaluator.inner_folds"
        inner = Splitting(self.kind, self.inner_folds, 1, self.gap, self.max_train_size, where)
        # a grid that is cut is none: the last dimension varies fastest, so the first would keep its first values
        tuner = self.tuners[self.tuner]
        unset = math.inf if getattr(tuner, "exhaustive", False) else DEFAULT_CANDIDATES
        return Search(tuner, inner, unset if self.candidates is None else self.candidates)

    def check(self, run: Run) -> None:
        """Refuse folds that the rows do not allow, before anything is fitted."""
        for splitting in (self.outer, self.search.splitting):
            next(splitting.parts(run, run.split.train))

    def choose(self, run: Run) -> SearchResult:
        """Search on all rows outside the test split, for the model that is saved."""
        # both before the first fit: a kind of folds that does not fit the data, or an empty space, is refused at once
        self.outer.checked(run)
        search_space(run)
        search = self.search
        result = search.best(run, run.split.train, candidate_reporter(run, 0))
        is_cut = getattr(search.tuner, "exhaustive", False) and result.tried == self.candidates
        if is_cut and search.tuner.ask(result.tried) is not None:
            log.warning(
                "evaluator.candidates=%d: the grid has more candidates, and only its first were tried; "
                "for all of them: evaluator.candidates=null",
                self.candidates,
            )
        return result

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Search and fit in each outer fold and score the result; score the run's model on the other splits."""
        # the candidates of `choose` were reported as the first steps
        scores = FoldScores(run, metrics, run.search_result.tried if run.search_result else 0)
        if "validation" not in run.scored_splits:
            return scores.evaluation()
        entries: list[dict[str, Any]] = []
        for fold in self.outer.parts(run, run.split.train):
            steps = scores.start + len(scores.scores)
            # the search sees the train rows of the outer fold alone: its held-out rows must not influence the choice
            result = self.search.best(run, fold.train, candidate_reporter(run, steps))
            # the candidates were reported as steps; steps must rise, or a tuner could not distinguish them
            scores.start += result.tried
            scores.add_all(run.fit_folds([_with(fold, result.values)]))
            outer = scores.scores[-1][run.objective[0].name]
            entries.append({"fold": fold.number, "chosen": dict(result.values), "inner": result.score, "outer": outer})
        return scores.evaluation(search=self._summary(run, entries))

    def _summary(self, run: Run, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the entry `search` of `metrics.json`.

        `optimism` is the mean difference between the inner score, by which a search chose, and the outer score;
        positive if the inner score is better.
        """
        metric, direction = run.objective
        sign = 1.0 if direction == "maximize" else -1.0
        result = run.search_result
        return {
            "metric": metric.name,
            "direction": direction,
            "tuner": self.tuner,
            "candidates": result.tried if result else self.candidates,
            "chosen": dict(result.values) if result else {},
            "inner": result.score if result else None,
            "optimism": sign * mean(entry["inner"] - entry["outer"] for entry in entries),
            "folds": list(entries),
        }


def candidate_reporter(run: Run, before: int) -> OnCandidate:
    """Return a function that reports each candidate of a search as a step, after `before` steps reported already.

    The names differ from those of the run's metrics, so that no tuner prunes the run by the score of a candidate.
    """
    name = run.objective[0].name

    def report(tried: int, score: float, best: float) -> None:
        if not run.iterates:  # else the iterations are the steps
            run.report(before + tried, **{f"candidate_{name}": score, f"best_{name}": best})

    return report
