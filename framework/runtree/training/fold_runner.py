"""`run.fit_folds`: folds one after the other here, or in as many processes as there are slots where that pays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from runtree.contract.folds import Fold, FoldResult
from runtree.contract.run import Run
from runtree.training.fold_context import FoldContext, build_variant, fit_fold, make_fold_context, share_threads
from runtree.training.fold_pool import FoldPool, FoldTask

START = 4.0  # seconds of work to be saved before processes are started: each imports pandas and scikit-learn anew


class PipelineFoldRunner:
    """Fits the folds of one run; see `runtree.contract.folds.FoldRunner`.

    `expected` is how many seconds a fold will take, as far as that is known.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._bench: FoldContext | None = None
        self._crew: FoldPool | None = None
        self._spent = 0.0
        self._changed = False
        self._own: tuple[Mapping[str, Any], tuple[Any, Any]] = ({}, (None, None))
        self.expected: float | None = None

    def __call__(self, folds: Iterable[Fold]) -> Iterator[FoldResult]:
        """Yield what came of each fold, in their order."""
        if self._run.slots == 1:
            yield from map(self._here, folds)
            return
        left = list(folds)
        while left and not self._pays(len(left)):
            yield self._here(left.pop(0))
        if left:
            yield from self._there(left)

    def _pays(self, count: int) -> bool:
        """Tell whether `count` folds are worth the processes: the same values come of them either way."""
        if count == 1 or self._crew is not None:
            return count > 1
        saved = (self.expected or 0.0) * count * (1 - 1 / min(self._run.slots, count))
        return self._spent + saved > START

    def _here(self, fold: Fold) -> FoldResult:
        bench, own = self._benched(), self._variant(fold.values)
        found, seconds = fit_fold(bench.with_algorithm(*own) if own else bench, fold)
        self._spent, self.expected = self._spent + seconds, seconds
        return FoldResult(fold, found, seconds)

    def _there(self, folds: Sequence[Fold]) -> Iterator[FoldResult]:
        bench = self._benched()
        if self._crew is None:
            self._crew = FoldPool(bench, min(self._run.slots, len(folds)), getattr(bench.compute, "threads", None))
        base = (bench.run.estimator, bench.run.plan) if self._changed else None
        tasks = [FoldTask(fold, self._variant(fold.values) or base) for fold in folds]
        for fold, done in zip(folds, self._crew(tasks), strict=True):
            if done.answers is None:
                raise done.error or AssertionError("a fold without answers has an error")
            yield FoldResult(fold, done.answers, done.seconds)

    def _benched(self) -> FoldContext:
        self._bench = self._bench or make_fold_context(self._run)
        return self._bench

    def _variant(self, values: Mapping[str, Any]) -> tuple[Any, Any] | None:
        """Return the algorithm and the plan of a fold with values of its own; the folds of a candidate share them."""
        if not values:
            return None
        if self._own[0] != values:
            algorithm, plan = build_variant(self._run, values)
            asked = self._run.config.compute.get("threads")
            share = getattr(self._benched().compute, "threads", asked)
            self._own = (values, (share_threads(algorithm, asked, share), plan))
        return self._own[1]

    def follow(self) -> None:
        """Take what the run's algorithm is by now: a search has chosen another."""
        self._bench, self._changed = None, True

    def close(self) -> None:
        """End the processes, if there are any."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None
