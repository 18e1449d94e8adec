"""Cross-validation folds (`run.fit_folds`): fitted in this process, or as jobs of a worker pool where that saves time.

Where a fold is fitted does not change its scores: every fold starts with the run's seed, in a session of its own with
the same number of threads, even if the folds are fitted one after the other. So the choice may depend on the clock.
"""

import logging
import pickle
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.config.resources import read_resources
from runtree.contract.errors import RunFailedError, RuntreeError, first_line, raise_if_ours
from runtree.contract.folds import Fold, FoldResult
from runtree.contract.predictions import Predictions
from runtree.records.layout import RunFolder
from runtree.training.active_run import ActiveRun
from runtree.training.fold_context import FoldContext, build_variant, fit_fold, make_fold_context, share_threads
from runtree.workers.executor import Channel, Executor, Job, JobDied, JobFunction, JobReturned, describe_exit

log = logging.getLogger(__name__)

MIN_SECONDS_SAVED = 4.0  # below that, starting workers costs more than it saves: they import pandas and scikit-learn
GRACE_SECONDS = 2.0  # a fold that is cancelled has no state to save
MAX_ATTEMPTS = 2


class PipelineFoldRunner:
    """Fits the folds of one run; see `runtree.contract.folds.FoldRunner`.

    Attributes
    ----------
    expected_seconds
        How long the fit of a fold will take, as far as that is known.
    """

    def __init__(self, run: ActiveRun) -> None:
        self._run = run
        self._context: FoldContext | None = None
        self._executor: Executor | None = None
        self._seconds_spent = 0.0
        self._algorithm_changed = False
        self._variant: tuple[Mapping[str, Any], tuple[Any, Any]] = ({}, (None, None))
        self.expected_seconds: float | None = None

    def __call__(self, folds: Iterable[Fold]) -> Iterator[FoldResult]:
        # lazily, fold by fold: a run that is pruned after the second fold must not have fitted the third
        if self._run.options.slots == 1:
            yield from map(self._fit_here, folds)
            return
        remaining = list(folds)
        # the first fold is fitted here unless the fit of the run has shown its duration; the decision is repeated for
        # the remaining folds each time
        while remaining and not self._saves_time(len(remaining)):
            yield self._fit_here(remaining.pop(0))
        if remaining:
            yield from self._fit_on_workers(remaining)

    def _saves_time(self, count: int) -> bool:
        """Return whether `count` folds are worth workers, which then stay for the next call: a search makes many."""
        if count == 1 or self._executor is not None:
            return count > 1
        # time spent so far is counted as well: many short searches, none worth workers alone, may be worth them
        # together
        saved = (self.expected_seconds or 0.0) * count * (1 - 1 / min(self._run.options.slots, count))
        return self._seconds_spent + saved > MIN_SECONDS_SAVED

    def _fit_here(self, fold: Fold) -> FoldResult:
        context, variant = self._get_context(), self._get_variant(fold.values)
        predictions, seconds = fit_fold(context.with_algorithm(*variant) if variant else context, fold)
        self._seconds_spent, self.expected_seconds = self._seconds_spent + seconds, seconds
        return FoldResult(fold, predictions, seconds)

    def _fit_on_workers(self, folds: Sequence[Fold]) -> Iterator[FoldResult]:
        """Yield results in the order of `folds`; a fold whose worker died is fitted once more, by another worker."""
        executor = self._executor = self._executor or self._start_workers(len(folds))
        jobs = [self._make_job(number, fold) for number, fold in enumerate(folds)]
        queue, running, attempts = deque(jobs), set[int](), Counter[int]()
        outcomes: dict[int, _FoldOutcome] = {}
        try:
            # results are yielded in the order of the folds, whichever ends first: the mean over folds depends on the
            # order of its sum
            for number, fold in enumerate(folds):
                while number not in outcomes:
                    # the queue is filled up before each wait, so that no worker is idle while an early fold is still
                    # awaited
                    while queue and len(running) < executor.slots:
                        executor.submit(job := queue.popleft())
                        running.add(job.id)
                    for event in executor.wait():
                        # not an end; the callback of a fold sends no reports
                        if not isinstance(event, JobReturned | JobDied):
                            continue
                        running.remove(event.job)
                        if isinstance(event, JobReturned):
                            outcomes[event.job] = event.result
                            continue
                        attempts[event.job] += 1
                        error = _death_error(folds[event.job], event, attempts[event.job])
                        if error is not None:
                            outcomes[event.job] = _FoldOutcome(error=error)
                        else:
                            # in front: its result is awaited first, since folds are yielded in order
                            queue.appendleft(jobs[event.job])
                # popped: the predictions of a large fold need not stay in memory
                yield _to_result(fold, outcomes.pop(number))
        except (Exception, GeneratorExit):
            # A search passes over a candidate that fails, and calls again: the slots have to be free by then
            for number in running:
                executor.terminate(number)
            while running:
                running -= {event.job for event in executor.wait() if isinstance(event, JobReturned | JobDied)}
            raise

    def _start_workers(self, count: int) -> Executor:
        import cloudpickle  # a plugin's metric may be a lambda, which pickle refuses

        from runtree.workers.process_executor import ProcessExecutor  # psutil and sockets: most runs start no worker

        context = self._get_context()
        return ProcessExecutor(
            min(self._run.options.slots, count),
            "runtree.training.fold_runner:make_fold_function",
            cloudpickle.dumps(context),
            threads=getattr(context.compute, "threads", None),
            grace=GRACE_SECONDS,
        )

    def _make_job(self, number: int, fold: Fold) -> Job:
        import cloudpickle

        variant = self._get_variant(fold.values)
        if variant is None and self._algorithm_changed:  # the workers were started with the algorithm before the search
            run = self._get_context().run
            variant = run.estimator, run.plan
        memory = read_resources(self._run.config.to_dict()["compute"]).bytes
        payload = cloudpickle.dumps((fold, variant))
        return Job(number, payload, memory=memory, log=RunFolder(self._run.folder).log)

    def _get_context(self) -> FoldContext:
        self._context = self._context or make_fold_context(self._run)
        return self._context

    def _get_variant(self, values: Mapping[str, Any]) -> tuple[Any, Any] | None:
        """Return algorithm and fit plan for config values of a fold, built once for all folds of a candidate."""
        if not values:
            return None
        # the folds of one candidate come one after another, so remembering the last variant is enough
        if self._variant[0] != values:
            algorithm, plan = build_variant(self._run, values)
            threads = self._run.config.compute.get("threads")
            share = getattr(self._get_context().compute, "threads", threads)
            self._variant = (values, (share_threads(algorithm, threads, share), plan))
        return self._variant[1]

    def reset_algorithm(self) -> None:
        """Read the run's algorithm again: a search has chosen another."""
        # the workers stay: they hold the old algorithm, and each job brings the new one along
        self._context, self._algorithm_changed = None, True

    def close(self) -> None:
        """End the workers, if there are any."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None


# --- in the worker


@dataclass(frozen=True)
class _FoldOutcome:
    """Predictions or an error, and the warnings of the fit."""

    predictions: Predictions | None = None
    seconds: float = 0.0
    warned: tuple[warnings.WarningMessage, ...] = ()
    error: Exception | None = None


def make_fold_function(pickled: bytes) -> JobFunction:
    """Load the context once, in the fork server: the workers share the pages of its table."""
    context: FoldContext = pickle.loads(pickled)

    def fit(payload: bytes, channel: Channel) -> _FoldOutcome:
        fold, variant = pickle.loads(payload)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")  # the driver's own filters decide which are shown
            try:
                predictions, seconds = fit_fold(context.with_algorithm(*variant) if variant else context, fold)
            except BaseException as error:
                raise_if_ours(error)
                return _FoldOutcome(warned=_picklable(warned), error=_portable_error(error, context.run))
        return _FoldOutcome(predictions, seconds, _picklable(warned))

    return fit


def _picklable(warned: list[warnings.WarningMessage]) -> tuple[warnings.WarningMessage, ...]:
    """Return warnings as text: the message may be an object of any class, and `source` any object."""
    return tuple(warnings.WarningMessage(str(w.message), w.category, w.filename, w.lineno) for w in warned)


def _portable_error(error: BaseException, run: ActiveRun) -> Exception:
    """Return an error that the driver can unpickle, with the traceback of this process as its cause."""
    trace = "".join(traceback.format_exception(error))
    error = run.named(error)  # only here are the functions known
    if not isinstance(error, Exception):
        error = RunFailedError(f"the algorithm called sys.exit({first_line(error)})")
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # an exception class with a constructor of its own, say
        copy = RunFailedError(f"{type(error).__name__}: {first_line(error)}")
    # runtree's own errors are for the user and need no traceback; any other one needs that of the worker
    if not isinstance(copy, RuntreeError):
        copy.__cause__ = RuntimeError(f"in the worker of the fold:\n{trace}")
    return copy if isinstance(copy, Exception) else error


# --- in the driver


def _to_result(fold: Fold, outcome: _FoldOutcome) -> FoldResult:
    # warned here again, so that the driver's filters and its log apply to folds in workers as to folds in this process
    for w in outcome.warned:
        warnings.warn_explicit(str(w.message), w.category, w.filename, w.lineno)
    if outcome.predictions is None:
        raise outcome.error or AssertionError("a fold without predictions has an error")
    return FoldResult(fold, outcome.predictions, outcome.seconds)


def _death_error(fold: Fold, died: JobDied, attempts: int) -> RunFailedError | None:
    """Return the error for a fold whose worker died, None if it is to be fitted once more."""
    if died.cause == "memory":  # it would exceed the limit again
        return RunFailedError(
            f"fold {fold.number}: its worker held {died.peak / 2**20:,.0f} MiB, more than compute.memory allows",
            "raise compute.memory, or fit the folds in one process: compute.slots=1",
        )
    if attempts < MAX_ATTEMPTS:
        log.warning("fold %d: %s; it is fitted once more", fold.number, describe_exit(died))
        return None
    return RunFailedError(
        f"fold {fold.number}: {describe_exit(died)}, {attempts} times",
        "if memory is short, fit one fold at a time: compute.slots=1",
    )
