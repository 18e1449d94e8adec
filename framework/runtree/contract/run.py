"""`Run`: the board that a stage reads from and writes to. A slot is filled once, by the stage that owns it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.folds import Answered, EachFold
from runtree.contract.search import Chosen, Dimension
from runtree.contract.slots import Deferred, Slot
from runtree.contract.types import PARTS, Direction, Evaluation, Metric, Part, Split, Table
from runtree.contract.view import View

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.protocols import Hooks, TargetResolver


class Pruned(BaseException):
    """A tuner gave a run up. No `Exception`: an algorithm that catches those must not go on."""

    def __init__(self, step: int) -> None:
        super().__init__(f"pruned at step {step}")
        self.step = step


def make_anew(kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
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
    facts
        What was found rather than asked: the device, the classes, sizes. Kept in `data.json` and `environment.json`.
    parts
        The parts that are scored. A run of a sweep scores the test part only where it is kept.
    preprocessed
        What two runs have in common whose fitted preprocessing is the same, or None.
    data, split, model, predictions, metrics
        Slots, filled by the stages load, split, fit, evaluate and evaluate.
    estimator, plan, evaluator, objective
        Slots too, filled by the stage check: the algorithm, unfitted, how it is fitted, who scores it, and the metric
        that runs are ranked by with its direction.
    space
        Returns what the algorithm's own `space` declares, less what was typed: ``run.space()``. Set by the stage check.
    each_fold
        Fits copies of the run's pipeline on rows that you choose, and asks them about others: a slot, filled by the
        stage fit. See `runtree.contract.folds`.
    chosen
        What an evaluator that searches chose before the fit, or None.
    fingerprint
        The config's.
    overrides
        What was typed for the run.
    prunes
        Whether somebody listens who may give the run up for what it reports.
    probed
        Whether a sweep tried beforehand all that differs between its runs: the algorithm's fit looks at its parameters.
    refit
        Fits a fresh copy of the run's pipeline on other rows, under the stop rules of the run:
        ``refit(features, target)``. Set by the stage fit.
    test_looks
        How often the rows of the test part were scored, this time included: `rows` (a hash), `count`, `configurations`;
        empty until they are.
    ending
        How the fit ended: `iterations`, `unit`, `reason`; empty where nothing iterates. Set by the stage fit.
    seconds
        How long each stage took that is done.
    missed
        A sentence for each gate that the run did not pass. Set by the stage evaluate.
    """

    data = Slot[Table]("load")
    estimator = Slot[Any]("check")
    plan = Slot[Any]("check")
    evaluator = Slot[Any]("check")
    objective = Slot[tuple[Metric, Direction]]("check")
    split = Slot[Split]("split")
    each_fold = Slot[EachFold]("fit")
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
        recall: Callable[[str, Hashable, Callable[[], Any]], Any] = make_anew,
        given_up: Callable[[int, Mapping[str, float]], bool] = lambda step, metrics: False,
        fingerprint: str = "",
        prunes: bool = False,
        overrides: Sequence[str] = (),
        fold_journal: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.config = View(config)
        self.folder = folder
        self.hooks = hooks
        self.catalogue = catalogue or {}
        self.trust = trust
        self.folds: tuple[Mapping[str, Any], ...] = ()
        self.details: Mapping[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.preprocessed: Hashable = None
        self.parts: tuple[Part, ...] = PARTS
        self.fingerprint = fingerprint
        self.prunes = prunes
        self.overrides = tuple(overrides)
        self.slots = 1
        self.probed = False
        self.space: Callable[[], Sequence[Dimension]] = tuple
        self.chosen: Chosen | None = None
        self.refit: Callable[..., Any] | None = None
        self.ending: Mapping[str, Any] = {}
        self.test_looks: Mapping[str, Any] = {}
        self.missed: tuple[str, ...] = ()
        self.seconds: dict[str, float] = {}
        self._journal = journal
        self._fold_journal = fold_journal
        self._recall = recall
        self._given_up = given_up

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

    def add(self, found: Evaluation) -> None:
        """Take what an evaluator found; parts that are scored later join those that were scored first."""
        made = found.predictions
        predictions = Deferred(made) if callable(made) else Deferred(lambda: made)
        self.details = {**self.details, **found.details}
        if not self.filled("metrics"):
            self.metrics, self.folds = found.metrics, found.folds
            self.__dict__["predictions"] = predictions
            return
        first = self.predictions
        self.__dict__["metrics"] = {**self.metrics, **found.metrics}
        self.__dict__["predictions"] = Deferred(lambda: _together(first, predictions.make()))

    def part(self, name: str) -> "tuple[pd.DataFrame, pd.Series[Any]]":
        """Return features and target of the train, validation or test part."""
        rows = self.split.rows(name)
        return self.data.features.iloc[rows], self.data.target.iloc[rows]

    def recall(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` made for an earlier run of this process with the same `key`, else make it.

        In a sweep one process does many runs: the table is read once. What is recalled must not be changed.
        """
        return self._recall(kind, key, make)

    def choose(self, chosen: Chosen, estimator: Any, plan: Any) -> None:
        """Take the algorithm that a search chose in place of the one that was asked for. The stage fit does."""
        self.chosen = chosen
        self.__dict__["estimator"], self.__dict__["plan"] = estimator, plan

    def record_fold(self, found: Answered, scores: Mapping[str, float]) -> dict[str, Any]:
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
