"""`Run`: the board that a stage reads from and writes to. A slot is filled once, by the stage that owns it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from runtree.contract.errors import RuntreeError
from runtree.contract.types import Metric, Split, Table
from runtree.contract.view import View

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.protocols import Hooks, Trust

Value = TypeVar("Value")


class SlotError(RuntreeError):
    """A stage read a slot that no stage before it filled, or filled one twice."""


class Slot(Generic[Value]):
    """An attribute of `Run` that is set once; reading it empty names the stage that fills it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, run: None, owner: type) -> "Slot[Value]": ...
    @overload
    def __get__(self, run: "Run", owner: type) -> Value: ...
    def __get__(self, run: "Run | None", owner: type) -> "Slot[Value] | Value":
        """Return what the slot holds."""
        if run is None:
            return self
        try:
            value: Value = run.__dict__[self.name]
        except KeyError:
            raise SlotError(
                f"run.{self.name} is empty: the stage '{self.stage}' fills it",
                f"let your stage stand after it: Stage(…, after='{self.stage}')",
            ) from None
        return value

    def __set__(self, run: "Run", value: Value) -> None:
        """Fill the slot."""
        if self.name in run.__dict__:
            raise SlotError(f"run.{self.name} is filled already: only the stage '{self.stage}' may fill it, once")
        run.__dict__[self.name] = value


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
    folds
        The scores of each fold, where the evaluator has folds.
    facts
        What was found rather than asked: the device, the classes, sizes. Kept in `data.json` and `environment.json`.
    data, split, model, predictions, metrics
        Slots, filled by the stages load, split, fit, evaluate and evaluate.
    """

    data = Slot[Table]("load")
    split = Slot[Split]("split")
    model = Slot[Any]("fit")
    predictions = Slot["pd.DataFrame"]("evaluate")
    metrics = Slot[Mapping[str, Mapping[str, float]]]("evaluate")

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        hooks: "Hooks",
        trust: "Trust",
        catalogue: Mapping[str, Metric] | None = None,
        journal: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.config = View(config)
        self.folder = folder
        self.hooks = hooks
        self.catalogue = catalogue or {}
        self.trust = trust
        self.folds: tuple[Mapping[str, float], ...] = ()
        self.facts: dict[str, Any] = {}
        self._journal = journal

    @property
    def seed(self) -> int:
        """The one seed from which all randomness of the run comes."""
        return int(self.config["seed"])

    @property
    def device(self) -> str:
        """Where the run computes, as found: cpu, cuda:0, mps."""
        return str(self.facts.get("device", "cpu"))

    def filled(self, slot: str) -> bool:
        """Tell whether a slot has been filled yet."""
        return slot in self.__dict__

    def part(self, name: str) -> "tuple[pd.DataFrame, pd.Series[Any]]":
        """Return features and target of the train, validation or test part."""
        rows = self.split.rows(name)
        return self.data.features.iloc[rows], self.data.target.iloc[rows]

    def report(self, step: int, **metrics: float) -> None:
        """Record the metrics of one iteration; they reach `history.jsonl` and the hook `run_iterated`."""
        if self._journal is not None:
            self._journal({"step": int(step), **{name: float(value) for name, value in metrics.items()}})
        self.hooks.moment("run_iterated", run=self, step=step, metrics=metrics)
