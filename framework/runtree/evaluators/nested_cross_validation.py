"""Nested cross-validation: how good is what a search finds, told by rows that the search never saw.

Varma & Simon, "Bias in error estimation when using cross-validation for model selection", BMC Bioinformatics 7:91
(2006), doi:10.1186/1471-2105-7-91; Cawley & Talbot, JMLR 11:2079-2107 (2010).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any, ClassVar

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.folds import Fold
from runtree.contract.protocols import Tuner
from runtree.contract.run import Run
from runtree.contract.search import Chosen
from runtree.contract.types import Evaluation, Metric
from runtree.evaluators.cross_validation import Tally
from runtree.evaluators.searching import Search, Told, searched
from runtree.evaluators.splitting import Splitting


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

    def choose(self, run: Run) -> Chosen:
        """Search with all rows but those of the test part."""
        self.outer.checked(run)
        searched(run)
        return self.search.best(run, run.split.train, reporter(run, 0))

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Search and fit in each outer fold, and score that; score the run's model on the other parts."""
        steps = run.chosen.tried if run.chosen else 0
        tally = Tally(run, metrics, steps)
        if "validation" not in run.parts:
            return tally.evaluation()
        found: list[dict[str, Any]] = []
        for fold in self.outer.parts(run, run.split.train):
            chosen = self.search.best(run, fold.train, reporter(run, tally.start + len(tally.scores)))
            tally.start += chosen.tried
            own = Fold(fold.train, fold.held_out, fold.number, fold.repeat, chosen.values)
            tally.take_all(run.each_fold([own]))
            found.append(told(own, chosen, tally.scores[-1][run.objective[0].name]))
        return tally.evaluation(search=self._summary(run, found))

    def _summary(self, run: Run, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what `metrics.json` keeps of the searches.

        `optimism` is by how much the score that a search chose by was better than that of the outer fold, on average.
        """
        metric, direction = run.objective
        sign = 1.0 if direction == "maximize" else -1.0
        chosen = run.chosen
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


def told(fold: Fold, chosen: Chosen, outer: float) -> dict[str, Any]:
    """Return what one search chose, by which score, and what came of it on rows that it had not seen."""
    return {"fold": fold.number, "chosen": dict(chosen.values), "inner": chosen.score, "outer": outer}


def reporter(run: Run, before: int) -> Told:
    """Return who reports the candidates of a search; `before` counts the steps that were reported already.

    Their scores are no scores of the run's, so that no tuner gives the run up for them.
    """
    name = run.objective[0].name

    def report(tried: int, score: float, best: float) -> None:
        if not run.plan.steps:  # an algorithm that iterates has counted steps of its own
            run.report(before + tried, **{f"candidate_{name}": score, f"best_{name}": best})

    return report
