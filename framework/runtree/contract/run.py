"""`Run`: the interface of one run for stages, evaluators and hooks.

The stages fill it in order: each slot is set once, by the stage that owns it, and can only be read afterwards.
runtree's own internals are on the subclass `runtree.training.active_run.ActiveRun`.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from runtree.contract.errors import RuntreeError
from runtree.contract.folds import FoldResult, FoldRunner
from runtree.contract.search import Dimension, SearchResult
from runtree.contract.settings import check_settings
from runtree.contract.types import SPLITS, Direction, Metric, Split, SplitName, Table
from runtree.contract.validation import check_name, check_type

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Value = TypeVar("Value")


# a view and not a deep copy: the configs of a sweep's runs share most of their nested dicts
class FrozenMapping(Mapping[str, Any]):
    """A read-only view of a nested dict: ``config["a"]["b"]`` and ``config.a.b`` read the same value."""

    __slots__ = ("_content",)

    def __init__(self, content: Mapping[str, Any]) -> None:
        # `self._content = …` would call the __setattr__ below, which refuses
        object.__setattr__(self, "_content", content)

    def __getitem__(self, key: str) -> Any:
        """Return a value; a nested mapping comes as a FrozenMapping, a list as a tuple."""
        return _freeze(self._content[key])

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the config has no key '{key}' here; it has: {', '.join(self._content)}") from None

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"a run's config is read-only: '{key}' cannot be set")

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return f"FrozenMapping({self._content!r})"

    def __reduce__(self) -> tuple[type["FrozenMapping"], tuple[Mapping[str, Any]]]:
        # `__getattr__` would intercept pickle's own lookups, and `__setattr__` refuses to restore a state
        return FrozenMapping, (self._content,)

    def to_dict(self) -> dict[str, Any]:
        """Return the nested dict itself, not a deep copy: read or copy it, do not change it."""
        return dict(self._content)


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return FrozenMapping(value)
    if isinstance(value, list):
        # a list could be changed in place, and all stages and plugins read the same config
        return tuple(_freeze(item) for item in value)
    return value


class SlotError(RuntreeError):
    """A stage read a slot that is not filled yet, or filled one twice."""


@dataclass(frozen=True)
class Deferred:
    """The content of a slot that is computed on first access."""

    make: Callable[[], Any]


# A descriptor with __set__ takes precedence over the instance's __dict__, so each read comes through __get__, which can
# compute a deferred value or raise an error that names the stage.
class Slot(Generic[Value]):
    """An attribute that is set once; reading it too early raises an error that names the stage which sets it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, run: None, owner: type) -> "Slot[Value]": ...
    @overload
    def __get__(self, run: object, owner: type) -> Value: ...
    def __get__(self, run: object | None, owner: type) -> "Slot[Value] | Value":
        if run is None:
            return self
        try:
            value: Value = run.__dict__[self.name]
        except KeyError:
            raise SlotError(
                f"run.{self.name} is empty: the stage '{self.stage}' fills it",
                f"place your stage after it: Stage(…, after='{self.stage}')",
            ) from None
        # outside the `try`: a KeyError of the function itself is not an empty slot
        if isinstance(value, Deferred):
            value = run.__dict__[self.name] = value.make()
        return value

    def __set__(self, run: object, value: Value) -> None:
        if self.name in run.__dict__:
            raise SlotError(f"run.{self.name} is filled already: only the stage '{self.stage}' may fill it, once")
        run.__dict__[self.name] = value


class Run:
    """One run of the lifecycle with one resolved config.

    Attributes
    ----------
    config
        The resolved config, read-only: ``run.config.algorithm.name`` or ``run.config["algorithm"]["name"]``.
    folder
        The run's own folder. A plugin's stage may write files of its own into it.
    overrides
        The overrides typed for the run.
    metadata
        Facts found at run time: the device, the kind of split, library versions. Written to `data.json` and
        `environment.json`.
    scored_splits
        The splits that are scored. A run of a sweep scores the test split only if it is kept.
    preprocess_key
        Equal for two runs whose fitted preprocessing is the same; None if nothing is known of it.
    search_result
        The parameters that an evaluator with a search chose before the fit, or None.
    space
        Returns the search space that the algorithm declares, without the overrides typed: ``run.space()``.
    data, split, model, predictions, metrics
        Slots of the stages load, split, fit, score and score.
    objective
        Slot of the stage check: the metric that runs are ranked by, and its direction.
    fit_folds
        Slot of the stage fit: fits copies of the run's pipeline on given rows, see `runtree.contract.folds`.
    """

    data = Slot[Table]("load")
    objective = Slot[tuple[Metric, Direction]]("check")
    split = Slot[Split]("split")
    fit_folds = Slot[FoldRunner]("fit")
    model = Slot[Any]("fit")
    predictions = Slot["pd.DataFrame"]("score")
    metrics = Slot[Mapping[str, Mapping[str, float]]]("score")

    def __init__(self, config: Mapping[str, Any], folder: Path, overrides: Sequence[str] = ()) -> None:
        self.config = FrozenMapping(config)
        self.folder = folder
        self.overrides = tuple(overrides)
        self.metadata: dict[str, Any] = {}
        self.scored_splits: tuple[SplitName, ...] = SPLITS
        self.preprocess_key: Hashable = None
        self.search_result: SearchResult | None = None
        self.space: Callable[[], Sequence[Dimension]] = tuple

    @property
    def seed(self) -> int:
        """The seed of all randomness in the run."""
        return int(self.config["seed"])

    @property
    def device(self) -> str:
        """The device the run computes on: cpu, cuda:0, mps."""
        return str(self.metadata.get("device", "cpu"))

    @property
    def iterates(self) -> bool:
        """Whether the algorithm reports its own iterations, so that nothing else may report steps."""
        return False

    def is_set(self, slot: str) -> bool:
        """Return whether a slot has been filled."""
        return slot in self.__dict__

    def select(self, split: str) -> "tuple[pd.DataFrame, pd.Series[Any]]":
        """Return features and target of the train, validation or test split."""
        rows = self.split.rows(split)
        return self.data.features.iloc[rows], self.data.target.iloc[rows]

    def cached(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value that an earlier run of this process made for the same `kind` and `key`, else make it.

        A sweep's worker does many runs: it reads the table once. A cached value must not be changed.
        """
        return make()

    def record_fold(self, result: FoldResult, scores: Mapping[str, float]) -> dict[str, Any]:
        """Append the scores of a fold to `folds.jsonl`, and return them as `Evaluation.folds` holds them."""
        return result.fold.line(scores)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let foreign code read tables, row numbers and scores: what it writes into them stays its own."""
        own = {name: self.__dict__[name] for name in ("data", "split", "predictions", "metrics") if self.is_set(name)}
        # copied where they are read, which is seldom
        self.__dict__ |= {name: Deferred(partial(_lend, own, name)) for name in own}
        try:
            yield
        finally:
            self.__dict__ |= own

    def report(self, step: int, **metrics: float) -> None:
        """Report the metrics of one iteration to `history.jsonl`, the hook `run_iterated` and the tuner.

        Raises
        ------
        Pruned
            The tuner prunes the run.
        """


TABLES = ("features", "target", "groups", "times", "aside")  # of `Table`


def _lend(own: dict[str, Any], slot: str) -> Any:
    """Return a copy of the content of a slot."""
    if isinstance(own[slot], Deferred):
        own[slot] = own[slot].make()
    value = own[slot]
    if isinstance(value, Table):
        tables: dict[str, Any] = {name: getattr(value, name) for name in TABLES}
        copies: dict[str, Any] = {name: None if one is None else _copy_table(one) for name, one in tables.items()}
        return replace(value, **copies)
    if isinstance(value, Split):
        rows: dict[str, Any] = {name: read_only(value.rows(name)) for name in SPLITS}
        return replace(value, **rows)
    if isinstance(value, Mapping):
        return {split: dict(scores) for split, scores in value.items()}
    return _copy_table(value)


def _copy_table(table: Any) -> Any:
    import pandas as pd

    # from version 3 on, a write into a shallow copy copies first
    return table.copy(deep=int(pd.__version__.partition(".")[0]) < 3)


def read_only(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return a view of an array that cannot be written to."""
    view = values.view()
    view.setflags(write=False)
    return view


@contextmanager
def lent_arguments(arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of a hook, as foreign code may have them: it cannot change the run, its record or scores."""
    run = arguments.get("run")
    with run.lent() if isinstance(run, Run) else nullcontext():
        # a stage and an error are not written anywhere, and may hold what cannot be copied
        kept = ("run", "stage", "error")
        yield {name: value if name in kept else deepcopy(value) for name, value in arguments.items()}


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Parameters
    ----------
    run
        Called with the `Run`; fills the slots of the stage.
    after, before
        The name of another stage to stand right after or right before.
    settings
        Keywords of `run` with their default values; each is a config key ``stages.<name>.<key>``.
        ``stages.<name>.enabled=false`` leaves the stage out.
    """

    name: str
    run: Callable[..., None]
    after: str | None = None
    before: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("stage", self.name)
        owner = f"stage '{self.name}'"
        check_type(owner, "run", self.run, callable(self.run), "a function")
        check_settings(owner, self.run, self.settings)
        for key in ("after", "before"):
            value = getattr(self, key)
            check_type(owner, key, value, value is None or isinstance(value, str), "the name of a stage")
