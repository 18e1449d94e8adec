"""Frozen dataclasses that pass between rooms and plugins.

Those that a plugin contributes refuse what they cannot be, so that the mistake shows where it is made.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runtree.contract.settings import check_settings
from runtree.contract.validation import (
    check_dimension,
    check_name,
    check_one_of,
    check_path,
    check_tasks,
    check_type,
    key_paths,
)

# pandas takes half a second to import, and every command imports this module
if TYPE_CHECKING:
    import click
    import numpy as np
    import pandas as pd

    from runtree.contract.predictions import Predictions


Task = Literal["classification", "regression"]
Direction = Literal["maximize", "minimize"]
SplitName = Literal["train", "validation", "test"]

TASKS: tuple[Task, ...] = ("classification", "regression")
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
WHOLE_GROUPS = ("group", "stratified_group", "predefined")  # strategies that divide no group of `data.group`


@dataclass(frozen=True)
class AlgorithmOption:
    """An option of the config group `algorithm`, contributed by a plugin.

    Parameters
    ----------
    name
        The name of the option: ``algorithm=<name>``.
    target
        Dotted path of an estimator class with scikit-learn's ``fit``/``predict``, or a mapping
        task → dotted path if each task has its own class.
    defaults
        Constructor arguments; each becomes a config key ``algorithm.<key>``. A value that differs by task is
        a mapping with the tasks as keys. Interpolations such as ``${seed}`` and ``${compute.threads}`` work.
    space
        Ranges for tuners in Hydra's sweep grammar, keyed by the path below ``algorithm``.
    tasks
        The tasks that it supports.
    summary
        One sentence for `runtree list` and `describe`; without it the first of the class's docstring.
    help
        A sentence for each key of `defaults` that needs one, beside what the class's docstring says of it.
    """

    name: str
    target: str | Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[Task, ...] = TASKS
    summary: str = ""
    help: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("algorithm", self.name)
        owner = f"algorithm '{self.name}'"
        check_tasks(owner, self.tasks, TASKS)
        targets = self.target if isinstance(self.target, Mapping) else {TASKS[0]: self.target}
        check_type(owner, "target", self.target, bool(targets), "a dotted path, or one for each task")
        for task, target in targets.items():
            check_one_of(owner, "the task in `target`", task, TASKS)
            check_path(owner, "target", target)
        for key in ("defaults", "space"):
            given = getattr(self, key)
            named = isinstance(given, Mapping) and all(isinstance(name, str) for name in given)
            check_type(owner, key, given, named, "a mapping with texts as keys")
        for key, declared in self.space.items():
            check_dimension(owner, key, declared, self.defaults)
        check_type(owner, "summary", self.summary, isinstance(self.summary, str), "a text")
        named = isinstance(self.help, Mapping) and all(isinstance(text, str) for text in self.help.values())
        check_type(owner, "help", self.help, named, "a mapping from keys to texts")
        for key in self.help:
            check_one_of(owner, "a key of `help`", key, key_paths(self.defaults))


@dataclass(frozen=True)
class Metric:
    """A measure of the quality of predictions.

    Parameters
    ----------
    function
        ``function(y_true, y_pred)`` where `needs` is "prediction"; ``function(y_true, y_score)`` where it is
        "probability": shape (rows,) with the probability of the positive class for two classes, else (rows, classes).
        For classification `y_true` and `y_pred` hold class codes 0 … classes-1, and a function with a parameter
        `labels` also gets ``labels=range(classes)``, so that a split in which a class is missing is scored in the same
        way. The arrays of a plugin's metric are read-only.
    direction
        "maximize" or "minimize".
    tasks
        The tasks it is defined for.
    default
        Whether it is computed when `evaluator.metrics` is "auto".
    bounds
        The smallest and largest possible value: limits of an interval beyond them are cut.
    settings
        Keywords of the function with their default values; each is a config key ``metrics.<name>.<key>``. Scores by
        different settings are not compared.
    """

    name: str
    function: Callable[..., float]
    direction: Direction
    needs: Literal["prediction", "probability"] = "prediction"
    tasks: tuple[Task, ...] = TASKS
    default: bool = True
    bounds: tuple[float, float] = (-inf, inf)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("metric", self.name)
        owner = f"metric '{self.name}'"
        check_type(owner, "function", self.function, callable(self.function), "a function")
        check_settings(owner, self.function, self.settings)
        check_one_of(owner, "direction", self.direction, ("maximize", "minimize"))
        check_one_of(owner, "needs", self.needs, ("prediction", "probability"))
        check_tasks(owner, self.tasks, TASKS)
        check_type(owner, "default", self.default, isinstance(self.default, bool), "True or False")
        try:
            low, high = map(float, self.bounds)
        except (TypeError, ValueError):
            low, high = inf, -inf
        check_type(owner, "bounds", self.bounds, low < high, "the smallest and the largest value")


@dataclass(frozen=True)
class Command:
    """A command of the command line; `command` is a click command, or a function that makes it when it is needed."""

    name: str
    command: "click.Command | Callable[[], click.Command]"
    summary: str = ""

    def __post_init__(self) -> None:
        check_name("verb", self.name)
        owner = f"verb '{self.name}'"
        check_type(owner, "command", self.command, callable(self.command), "a click command, or a function")
        check_type(owner, "summary", self.summary, isinstance(self.summary, str), "a text")


@dataclass(frozen=True)
class Tracker:
    """A receiver of the events of runs and sweeps, active if the key `trackers` names it.

    Parameters
    ----------
    name
        The name in the config: ``trackers=[<name>]``.
    target
        Dotted name of a class, or a factory. It is called with the settings in ``tracking.<name>``, once for each run
        and each sweep, in the process that executes it. Those methods of the object that are named like moment hooks
        are called as these hooks are, with all arguments by name.
    automatic
        Called if `trackers` is "auto": returns whether the environment requests it.
    """

    name: str
    target: str | Callable[..., Any]
    automatic: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        check_name("tracker", self.name)
        owner = f"tracker '{self.name}'"
        if not callable(self.target):
            check_path(owner, "target", self.target)
        check_type(owner, "automatic", self.automatic, callable(self.automatic), "a function")


@dataclass(frozen=True)
class PluginIdentity:
    """A plugin of this environment.

    Attributes
    ----------
    distribution, version
        Of the package that it comes with; the name of its module and "?" if it comes with none.
    source
        A hash of its code where the version does not identify it: installed from a folder, or editable.
    packages
        The top-level modules of the distribution.
    hooks
        The moment and decision hooks that it implements.
    options
        The config options that it provides, as ``group=name``.
    problem
        "blocked", or why it cannot be used; empty: it takes part.
    """

    BLOCKED: ClassVar[str] = "blocked"

    name: str
    distribution: str
    version: str
    source: str = ""
    packages: frozenset[str] = frozenset()
    hooks: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def text(self) -> str:
        """Distribution and version."""
        return f"{self.distribution} {self.version}" + (f" (source {self.source})" if self.source else "")


@dataclass(frozen=True)
class Table:
    """The data of a run.

    `features` has one row per observation; `target` is aligned with it. `classes` holds the distinct labels of a
    classification, sorted, but with the positive one of two last; it is empty for a regression. `fingerprint` hashes
    the content of both, `reason` explains `task`; `groups` and `times` hold the column to split by, if there is one, as
    values that can be compared and sorted; `aside` the columns that are not features. `types` are the declared types of
    columns, by which later rows are read, too, and `notes` says of columns what may be meant otherwise than was read.
    `decided` holds of columns whose values left a choice the type, why, and the texts that do not fit.
    `sources` says where the rows came from: kind, name, rows, and of text files the separator and encoding found.
    `parts` holds for each row the split that `data.parts` puts it in; `given` the split or the fold that a column or
    a file gives it; `firsts` the position of the first row with the same features, where equal rows are to be in one
    split; `repeated` counts the rows that repeat an earlier one. `streamed` reads all rows in batches, where the table
    is larger than memory: then the other attributes are those of a sample. `sketch` has the hashes of columns and of
    blocks of rows by which a later table is compared with this one. `weights` are those of `data.weight`.
    """

    features: "pd.DataFrame"
    target: "pd.Series[Any]"
    task: Task
    classes: tuple[Any, ...]
    fingerprint: str
    name: str = ""
    reason: str = ""
    groups: "pd.Series[Any] | None" = None
    times: "pd.Series[Any] | None" = None
    aside: "pd.DataFrame | None" = None
    types: Mapping[str, str] = field(default_factory=dict)
    decided: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: tuple[Mapping[str, Any], ...] = ()
    parts: "pd.Series[Any] | None" = None
    given: "pd.Series[Any] | None" = None
    firsts: "np.ndarray[Any, Any] | None" = None
    repeated: int = 0
    streamed: Any = None
    sketch: Mapping[str, Any] = field(default_factory=dict)
    weights: "pd.Series[Any] | None" = None

    @property
    def positive(self) -> Any:
        """The positive class: of two classes the last, else None."""
        return self.classes[1] if len(self.classes) == 2 else None

    def numbers(self, rows: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the numbers that rows in memory, given by position, have in the whole table."""
        numbers: np.ndarray[Any, Any] = rows if self.streamed is None else self.streamed.sampled[rows]
        return numbers

    def find_rows(self, numbers: "np.ndarray[Any, Any]") -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
        """Return which of some rows of the whole table are in memory, as a mask, and the positions of those."""
        import numpy as np

        if self.streamed is None:
            return np.ones(len(numbers), dtype=bool), numbers
        sampled = self.streamed.sampled
        places = np.minimum(np.searchsorted(sampled, numbers), len(sampled) - 1)
        known = sampled[places] == numbers
        return known, places[known]


@dataclass(frozen=True)
class Split:
    """Row positions of each split (disjoint int64 arrays).

    `id` hashes them, `notes` says what is not as requested, `given` names those that `data.parts` gives. Of a table
    that is larger than memory the positions are those of the rows in memory, and `sides` has for each of all rows the
    place of its split in `SPLITS`, -1 for none, int8 of shape (rows,).
    """

    train: "np.ndarray[Any, Any]"
    validation: "np.ndarray[Any, Any]"
    test: "np.ndarray[Any, Any]"
    id: str
    notes: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    sides: "np.ndarray[Any, Any] | None" = None

    def numbers(self, part: str) -> "np.ndarray[Any, Any]":
        """Return the row numbers of a split in the whole table."""
        import numpy as np

        return self.rows(part) if self.sides is None else np.flatnonzero(self.sides == SPLITS.index(part))

    def count(self, part: str) -> int:
        """Return the number of rows of a split, those included that are not in memory."""
        return len(self.numbers(part))

    def rows(self, part: str) -> "np.ndarray[Any, Any]":
        """Return the row positions of a split."""
        if part not in SPLITS:
            raise KeyError(part)
        rows: np.ndarray[Any, Any] = getattr(self, part)
        return rows


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluator: metrics by split, predictions row by row, and scores fold by fold.

    `predictions` may be a function that makes the table, because most runs of a sweep never need it. `details` holds
    further content of `metrics.json`, plain JSON under names that are not names of splits. `validation` has the
    predictions on the validation split as they are, which a sweep keeps for tests of its runs; None: it keeps none.
    """

    metrics: Mapping[str, Mapping[str, float]]
    predictions: "pd.DataFrame | Callable[[], pd.DataFrame]"
    folds: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    validation: "Predictions | None" = None


@dataclass(frozen=True)
class RunRecord:
    """The content of `run.json`.

    Attributes
    ----------
    missed
        A sentence for each gate that the run failed.
    flags
        Flags and words of Hydra that the config was composed by, besides `overrides`: ``-cn NAME``, ``-cd FOLDER``.
    number, attempt
        Of a run of a sweep: which one it is, and ``SESSION.ATTEMPT``. A result is taken for a run only if both agree.
    """

    id: str
    experiment: str
    state: str
    reason: str | None
    started: str
    finished: str | None
    seconds: float | None
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    objective: Mapping[str, Any]
    fingerprints: Mapping[str, str]
    stages: Mapping[str, float]
    task: str | None
    error: Mapping[str, Any] | None
    folder: Path
    fit: Mapping[str, Any] = field(default_factory=dict)
    missed: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    number: int | None = None
    attempt: str | None = None
    plugins: Mapping[str, Any] = field(default_factory=dict)


# --- Findings about a model or a sweep, with advice.

Level = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """One sentence about an observation, and one of advice.

    Attributes
    ----------
    name
        A stable name of one or two words: ``overfitting``.
    level
        "good": nothing to do; "note": worth knowing; "warning": the numbers or the model deserve less trust.
    says
        The observation, with its figures.
    advice
        The next step, preferably an override to type; empty only if the level is "good".
    values
        The figures, for programs.
    """

    name: str
    level: Level
    says: str
    advice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as it is written to `evaluation.json`."""
        return asdict(self)
