"""`ActiveRun`: the run as runtree itself sees it, with the plan, hooks and bookkeeping that plugins do not need."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import Pruned
from runtree.contract.folds import FoldResult
from runtree.contract.protocols import Hooks, TargetResolver
from runtree.contract.run import Deferred, Run, Slot
from runtree.contract.search import SearchResult
from runtree.contract.types import Evaluation, Finding, Metric
from runtree.records.layout import RunFolder
from runtree.records.user_code import SourceFile
from runtree.records.writer import append_line
from runtree.training.contributors import Contributors
from runtree.training.fit_plan import FitPlan

if TYPE_CHECKING:
    import pandas as pd


def call_uncached(kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
    """Compute a value each time: the cache of a run that shares nothing."""
    return make()


@dataclass(frozen=True)
class RunOptions:
    """How the caller takes part in a run; `ActiveRun` reads it where it is needed.

    Attributes
    ----------
    overrides, flags, fingerprint
        The overrides typed, the flags of Hydra that the config was composed by, and its fingerprint.
    number, attempt
        Which run of a sweep it is, and which session and attempt of it; None outside of one.
    cached
        Called by `Run.cached`: a cache that outlives the run, such as that of a sweep's worker.
    should_prune
        Called by `Run.report` with step and metrics; returns whether the run is pruned.
    prunable
        Whether `should_prune` may return True: then the fit reports its iterations even where that costs time.
    validated
        Whether the sweep has validated the parameters already, so that the stage check need not.
    on_iteration
        Called with each line of the history.
    slots
        The number of processes the run may use. A run of a sweep has 1: its other slots do other runs.
    prediction_bytes
        How many bytes the validation predictions of a sweep's run may take that is not kept; 0: none are written.
    saves
        Whether the run's model may be saved: not that of a run in a sweep which keeps none.
    """

    overrides: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    fingerprint: str = ""
    number: int | None = None
    attempt: str | None = None
    cached: Callable[[str, Hashable, Callable[[], Any]], Any] = call_uncached
    should_prune: Callable[[int, Mapping[str, float]], bool] = lambda step, metrics: False
    prunable: bool = False
    validated: bool = False
    on_iteration: "Callable[[ActiveRun, Mapping[str, Any]], None]" = lambda run, line: None
    slots: int = 1
    prediction_bytes: int = 0
    saves: bool = True


class ActiveRun(Run):
    """A run with its internals.

    Attributes
    ----------
    hooks, trust, options
        The plugins, the targets that a config may name, and the caller's part.
    catalogue
        Every metric by name, built-in and contributed.
    records
        Whether iterations and folds are written to the run's folder.
    estimator, plan, evaluator
        Slots of the stage check: the unfitted algorithm, how it is fitted, and the evaluator.
    refit
        Fits a copy of the run's pipeline on other rows under the same stop criteria: ``refit(features, target)``.
    folds, details
        The scores of each fold and what else the evaluator adds to `metrics.json`.
    test_access
        How often the test split was scored, this run included: `rows` (a hash), `count`, `configurations`; empty
        until it is scored.
    fit_summary
        `iterations`, `unit` and stop `reason` of the fit, unless nothing iterates; `refit`: the rows of a second one.
    table_findings
        What the cheap checks of the table found before the fit.
    undefined
        Why a metric has no value: reasons by name, by split. Such metrics are not in `metrics`.
    failed_gates
        One sentence for each quality gate that the run failed.
    pruned
        The decision of the tuner to end the run, once it is made.
    stage_seconds
        The duration of each finished stage.
    sources
        The modules of the user's own that the config names, as they were when the run began.
    contributors
        The plugins, and what they registered.
    """

    estimator = Slot[Any]("check")
    plan = Slot[FitPlan]("check")
    evaluator = Slot[Any]("check")

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        hooks: Hooks,
        trust: TargetResolver,
        catalogue: Mapping[str, Metric],
        options: RunOptions | None = None,
        *,
        records: bool = False,
    ) -> None:
        self.options = options or RunOptions()
        super().__init__(config, folder, self.options.overrides)
        self.hooks = hooks
        self.trust = trust
        self.catalogue = catalogue
        self.records = records
        self.refit: Callable[..., Any] | None = None
        self.folds: tuple[Mapping[str, Any], ...] = ()
        self.details: Mapping[str, Any] = {}
        self.table_findings: tuple[Finding, ...] = ()
        self.undefined: dict[str, dict[str, str]] = {}
        self.test_access: Mapping[str, Any] = {}
        self.fit_summary: Mapping[str, Any] = {}
        self.failed_gates: tuple[str, ...] = ()
        self.pruned: Pruned | None = None
        self.stage_seconds: dict[str, float] = {}
        self.sources: tuple[SourceFile, ...] = ()
        self.contributors = Contributors()

    @property
    def iterates(self) -> bool:
        """Whether the algorithm reports its own iterations."""
        return self.plan.steps

    def cached(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return a value of the caller's cache."""
        return self.options.cached(kind, key, make)

    def named(self, error: BaseException) -> BaseException:
        """Return an error with the plugin in whose code it was raised; any other one as it is."""
        return self.contributors.named(error, self.config.to_dict())

    def record_fold(self, result: FoldResult, scores: Mapping[str, float]) -> dict[str, Any]:
        """Append the scores of a fold to `folds.jsonl`.

        The duration of the fit is written there alone: `metrics.json` is equal for equal configs.
        """
        line = result.fold.line(scores)
        if self.records:
            append_line(RunFolder(self.folder).folds, {**line, "fit_seconds": round(result.seconds, 6)})
        return line

    def report(self, step: int, **metrics: float) -> None:
        """Report one iteration to the history, the hooks and the tuner, in this order."""
        if self.pruned is not None:  # foreign code has swallowed the exception
            raise self.pruned
        values = {name: float(value) for name, value in metrics.items()}
        if self.records:
            # the file first: a run that is pruned or killed at this step has its last iteration in the history
            line = {"step": int(step), **values}
            append_line(RunFolder(self.folder).history, line)
            self.options.on_iteration(self, line)
        self.hooks.moment("run_iterated", run=self, step=step, metrics=metrics)
        # last, because pruning leaves the fit by an exception: history and trackers know the step by then
        if self.options.should_prune(int(step), values):
            # remembered, because code between here and the stage may wrap or swallow the exception
            self.pruned = Pruned(int(step))
            raise self.pruned

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Take the evaluator's metrics and predictions; splits scored later are added to those scored first."""
        given = evaluation.predictions
        # deferred: building the table of predictions costs more than scoring it, and most runs of a sweep never need it
        predictions = Deferred(given) if callable(given) else Deferred(lambda: given)
        self.details = {**self.details, **evaluation.details}
        if not self.is_set("metrics"):
            self.metrics, self.folds = evaluation.metrics, evaluation.folds
            self.__dict__["predictions"] = predictions
            return
        # the test split of a sweep's best run: the slots are filled already, so they are replaced below the descriptor
        first = self.predictions
        self.__dict__["metrics"] = {**self.metrics, **evaluation.metrics}
        self.__dict__["predictions"] = Deferred(lambda: _concatenate(first, predictions.make()))

    def use_refitted(self, model: Any, facts: Mapping[str, Any]) -> None:
        """Replace the model by one that was fitted on more rows; `facts` say on which."""
        # below the descriptor, which refuses a second value. Rows that were prepared for the first model are not for it
        self.__dict__["model"] = model
        self.preprocess_key = None if self.preprocess_key is None else (self.preprocess_key, "refit")
        self.fit_summary = {**self.fit_summary, "refit": dict(facts)}

    @property
    def is_refitted(self) -> bool:
        """Whether the model was fitted on the validation split, too, after that was scored."""
        return "refit" in self.fit_summary

    def use_search_result(self, result: SearchResult, estimator: Any, plan: FitPlan) -> None:
        """Replace the configured algorithm by the one that a search chose."""
        self.search_result = result
        # the stage check has filled these slots, and a slot refuses a second value: so they are replaced below the
        # descriptor
        self.__dict__["estimator"], self.__dict__["plan"] = estimator, plan


def _concatenate(first: "pd.DataFrame", second: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat([first, second], ignore_index=True)
