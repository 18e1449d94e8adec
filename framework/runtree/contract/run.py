"""A read-only look at nested configuration, by key or by attribute, without copying it."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from runtree.contract.errors import RuntreeError
from runtree.contract.folds import FoldResult, FoldRunner
from runtree.contract.search import Dimension, SearchResult
from runtree.contract.types import SPLITS, Direction, Evaluation, Metric, Split, SplitName, Table


class FrozenMapping(Mapping[str, Any]):
    """Wrap a nested dict: ``view["a"]["b"]`` and ``view.a.b`` read the same value, and nothing can be assigned."""

    __slots__ = ("_content",)

    def __init__(self, content: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_content", content)

    def __getitem__(self, key: str) -> Any:
        """Return a value; a nested mapping comes as a view, a list as a tuple."""
        return _seen(self._content[key])

    def __getattr__(self, key: str) -> Any:
        """Return a value by attribute."""
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the config has no key '{key}' here; it has: {', '.join(self._content)}") from None

    def __setattr__(self, key: str, value: object) -> None:
        """Refuse: a run's config is read-only."""
        raise AttributeError(f"a run's config is read-only: '{key}' cannot be set")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._content)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._content)

    def __repr__(self) -> str:
        """Show the content."""
        return f"FrozenMapping({self._content!r})"

    def __reduce__(self) -> tuple[type["FrozenMapping"], tuple[Mapping[str, Any]]]:
        """Cross to another process as the content."""
        return FrozenMapping, (self._content,)

    def to_dict(self) -> dict[str, Any]:
        """Return the nested dict itself, to be dumped or copied, not changed."""
        return dict(self._content)


def _seen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return FrozenMapping(value)
    if isinstance(value, list):
        return tuple(_seen(item) for item in value)
    return value


# --- Slots: attributes that are filled once, by the stage that owns them.

Value = TypeVar("Value")


class SlotError(RuntreeError):
    """A stage read a slot that no stage before it filled, or filled one twice."""


@dataclass(frozen=True)
class Deferred:
    """What a slot holds until somebody reads it."""

    make: Callable[[], Any]


class Slot(Generic[Value]):
    """An attribute of a run that is set once; reading it empty names the stage that fills it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, run: None, owner: type) -> "Slot[Value]": ...
    @overload
    def __get__(self, run: object, owner: type) -> Value: ...
    def __get__(self, run: object | None, owner: type) -> "Slot[Value] | Value":
        """Return what the slot holds."""
        if run is None:
            return self
        try:
            value: Value = run.__dict__[self.name]
            if isinstance(value, Deferred):
                value = run.__dict__[self.name] = value.make()
        except KeyError:
            raise SlotError(
                f"run.{self.name} is empty: the stage '{self.stage}' fills it",
                f"let your stage stand after it: Stage(…, after='{self.stage}')",
            ) from None
        return value

    def __set__(self, run: object, value: Value) -> None:
        """Fill the slot."""
        if self.name in run.__dict__:
            raise SlotError(f"run.{self.name} is filled already: only the stage '{self.stage}' may fill it, once")
        run.__dict__[self.name] = value


# --- `Run`: the board that a stage reads from and writes to. A slot is filled once, by the stage that owns it.

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.protocols import Hooks, TargetResolver


class Pruned(BaseException):
    """A tuner gave a run up. No `Exception`: an algorithm that catches those must not go on."""

    def __init__(self, step: int) -> None:
        super().__init__(f"pruned at step {step}")
        self.step = step


def call_uncached(kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
    """Remember nothing."""
    return make()


def _together(first: "pd.DataFrame", second: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat([first, second], ignore_index=True)


class Run:
    """One walk through the lifecycle with one resolved config.

    Attributes
    ----------
    config
        The resolved config: ``run.config.algorithm.name`` or ``run.config["algorithm"]["name"]``. Read-only.
    folder
        The run's own folder. A plugin's stage may write files of its own into it.
    catalogue
        Every metric by name, built-in and contributed.
    trust
        Which names in the config may be resolved to code.
    folds, details
        The scores of each fold, where the evaluator has folds; what else it found.
    slots
        How many processes the run may work in at once; 1 in a sweep, where other runs have the other slots.
    metadata
        What was found rather than asked: the device, the classes, sizes. Kept in `data.json` and `environment.json`.
    scored_splits
        The parts that are scored. A run of a sweep scores the test part only where it is kept.
    preprocess_key
        What two runs have in common whose fitted preprocessing is the same, or None.
    data, split, model, predictions, metrics
        Slots, filled by the stages load, split, fit, evaluate and evaluate.
    estimator, plan, evaluator, objective
        Slots too, filled by the stage check: the algorithm, unfitted, how it is fitted, who scores it, and the metric
        that runs are ranked by with its direction.
    space
        Returns what the algorithm's own `space` declares, less what was typed: ``run.space()``. Set by the stage check.
    fit_folds
        Fits copies of the run's pipeline on rows that you choose, and asks them about others: a slot, filled by the
        stage fit. See `runtree.contract.folds`.
    search_result
        What an evaluator that searches chose before the fit, or None.
    fingerprint
        The config's.
    overrides
        What was typed for the run.
    prunable
        Whether somebody listens who may give the run up for what it reports.
    validated
        Whether a sweep tried beforehand all that differs between its runs: the algorithm's fit looks at its parameters.
    refit
        Fits a fresh copy of the run's pipeline on other rows, under the stop rules of the run:
        ``refit(features, target)``. Set by the stage fit.
    test_access
        How often the rows of the test part were scored, this time included: `rows` (a hash), `count`, `configurations`;
        empty until they are.
    fit_summary
        How the fit ended: `iterations`, `unit`, `reason`; empty where nothing iterates. Set by the stage fit.
    stage_seconds
        How long each stage took that is done.
    failed_gates
        A sentence for each gate that the run did not pass. Set by the stage evaluate.
    """

    data = Slot[Table]("load")
    estimator = Slot[Any]("check")
    plan = Slot[Any]("check")
    evaluator = Slot[Any]("check")
    objective = Slot[tuple[Metric, Direction]]("check")
    split = Slot[Split]("split")
    fit_folds = Slot[FoldRunner]("fit")
    model = Slot[Any]("fit")
    predictions = Slot["pd.DataFrame"]("score")
    metrics = Slot[Mapping[str, Mapping[str, float]]]("score")

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        hooks: "Hooks",
        trust: "TargetResolver",
        catalogue: Mapping[str, Metric] | None = None,
        journal: Callable[[Mapping[str, Any]], None] | None = None,
        cached: Callable[[str, Hashable, Callable[[], Any]], Any] = call_uncached,
        given_up: Callable[[int, Mapping[str, float]], bool] = lambda step, metrics: False,
        fingerprint: str = "",
        prunable: bool = False,
        overrides: Sequence[str] = (),
        fold_journal: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.config = FrozenMapping(config)
        self.folder = folder
        self.hooks = hooks
        self.catalogue = catalogue or {}
        self.trust = trust
        self.folds: tuple[Mapping[str, Any], ...] = ()
        self.details: Mapping[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.preprocess_key: Hashable = None
        self.scored_splits: tuple[SplitName, ...] = SPLITS
        self.fingerprint = fingerprint
        self.prunable = prunable
        self.overrides = tuple(overrides)
        self.slots = 1
        self.validated = False
        self.space: Callable[[], Sequence[Dimension]] = tuple
        self.search_result: SearchResult | None = None
        self.refit: Callable[..., Any] | None = None
        self.fit_summary: Mapping[str, Any] = {}
        self.test_access: Mapping[str, Any] = {}
        self.failed_gates: tuple[str, ...] = ()
        self.stage_seconds: dict[str, float] = {}
        self._journal = journal
        self._fold_journal = fold_journal
        self._cached = cached
        self._given_up = given_up

    @property
    def seed(self) -> int:
        """The one seed from which all randomness of the run comes."""
        return int(self.config["seed"])

    @property
    def device(self) -> str:
        """Where the run computes, as found: cpu, cuda:0, mps."""
        return str(self.metadata.get("device", "cpu"))

    def is_set(self, slot: str) -> bool:
        """Tell whether a slot has been filled yet."""
        return slot in self.__dict__

    def add_evaluation(self, found: Evaluation) -> None:
        """Take what an evaluator found; parts that are scored later join those that were scored first."""
        made = found.predictions
        predictions = Deferred(made) if callable(made) else Deferred(lambda: made)
        self.details = {**self.details, **found.details}
        if not self.is_set("metrics"):
            self.metrics, self.folds = found.metrics, found.folds
            self.__dict__["predictions"] = predictions
            return
        first = self.predictions
        self.__dict__["metrics"] = {**self.metrics, **found.metrics}
        self.__dict__["predictions"] = Deferred(lambda: _together(first, predictions.make()))

    def select(self, name: str) -> "tuple[pd.DataFrame, pd.Series[Any]]":
        """Return features and target of the train, validation or test part."""
        rows = self.split.rows(name)
        return self.data.features.iloc[rows], self.data.target.iloc[rows]

    def cached(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` made for an earlier run of this process with the same `key`, else make it.

        In a sweep one process does many runs: the table is read once. What is recalled must not be changed.
        """
        return self._cached(kind, key, make)

    def use_search_result(self, chosen: SearchResult, estimator: Any, plan: Any) -> None:
        """Take the algorithm that a search chose in place of the one that was asked for. The stage fit does."""
        self.search_result = chosen
        self.__dict__["estimator"], self.__dict__["plan"] = estimator, plan

    def record_fold(self, found: FoldResult, scores: Mapping[str, float]) -> dict[str, Any]:
        """Record a fold's scores, which reach `folds.jsonl` at once, and return them as `Evaluation.folds` holds them.

        How long the fit took stands in `folds.jsonl` alone: `metrics.json` is the same each time.
        """
        line = found.fold.line(scores)
        if self._fold_journal is not None:
            self._fold_journal({**line, "fit_seconds": round(found.seconds, 6)})
        return line

    def report(self, step: int, **metrics: float) -> None:
        """Record the metrics of one iteration; they reach `history.jsonl`, the hook `run_iterated` and the tuner.

        Raises
        ------
        Pruned
            Where the tuner gives the run up.
        """
        values = {name: float(value) for name, value in metrics.items()}
        if self._journal is not None:
            self._journal({"step": int(step), **values})
        self.hooks.moment("run_iterated", run=self, step=step, metrics=metrics)
        if self._given_up(int(step), values):
            raise Pruned(int(step))


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    `run` is called with the `Run` and fills what it has to fill; `after` or `before` names another stage.
    """

    name: str
    run: "Callable[[Run], None]"
    after: str | None = None
    before: str | None = None
