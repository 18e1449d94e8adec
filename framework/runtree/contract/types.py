"""The frozen things that travel between rooms and plugins."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import click
    import numpy as np
    import pandas as pd


Task = Literal["classification", "regression"]
Direction = Literal["maximize", "minimize"]
SplitName = Literal["train", "validation", "test"]

TASKS: tuple[Task, ...] = ("classification", "regression")
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class AlgorithmOption:
    """An option of the config group `algorithm`, contributed by a plugin.

    Parameters
    ----------
    name
        What a user types: ``algorithm=<name>``.
    target
        Dotted path of an estimator class with scikit-learn's ``fit``/``predict``, or a mapping
        task → dotted path where each task has a class of its own.
    defaults
        Constructor arguments; each becomes a config key ``algorithm.<key>``. A value that differs by task is
        a mapping with the tasks as keys. Interpolations such as ``${seed}`` and ``${compute.threads}`` work.
    space
        Ranges for tuners in Hydra's sweep grammar, keyed by the path below ``algorithm``.
    tasks
        What it can be fitted for.
    """

    name: str
    target: str | Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[Task, ...] = TASKS


@dataclass(frozen=True)
class Metric:
    """A number that tells how good predictions are.

    Parameters
    ----------
    function
        ``function(y_true, y_pred)`` where `needs` is "prediction"; ``function(y_true, y_score)`` where it is
        "probability": shape (rows,) with the chance of the second class for two classes, (rows, classes) for more.
        For classification `y_true` and `y_pred` hold class codes 0 … classes-1, and the function is also given
        ``labels=range(classes)``, so that a part in which a class is missing is scored alike.
    direction
        "maximize" or "minimize".
    tasks
        The tasks it is defined for.
    default
        Whether it is computed when `evaluator.metrics` is "auto".
    """

    name: str
    function: Callable[..., float]
    direction: Direction
    needs: Literal["prediction", "probability"] = "prediction"
    tasks: tuple[Task, ...] = TASKS
    default: bool = True


@dataclass(frozen=True)
class Command:
    """A verb of the command line; `command` is a click command, or a function that makes it when it is needed."""

    name: str
    command: "click.Command | Callable[[], click.Command]"
    summary: str = ""


@dataclass(frozen=True)
class Tracker:
    """Somebody who is told of runs and sweeps where `trackers` in the config names him.

    Parameters
    ----------
    name
        What a user types: ``trackers=[<name>]``.
    target
        Dotted name of a class, or what makes an object, called with the settings in ``tracking.<name>``: once a run,
        and once a sweep, in the process that works on it. Of the object's methods those that are named as moment hooks
        are called as these hooks are, with all of their arguments by name.
    automatic
        Asked where `trackers` is "auto": whether the environment asks for it.
    """

    name: str
    target: str | Callable[..., Any]
    automatic: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Table:
    """Rows and columns that a run works on.

    `features` has one row an observation; `target` is aligned with it. `classes` holds the sorted distinct labels
    of a classification, and is empty for a regression. `fingerprint` hashes the content of both, `reason` says why
    `task` is what it is; `groups` and `times` hold the column to split by, where there is one, `aside` the columns that
    nothing is learnt from.
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


@dataclass(frozen=True)
class Split:
    """Positions of the rows of each part (int64 arrays that share no row); `id` hashes them."""

    train: "np.ndarray[Any, Any]"
    validation: "np.ndarray[Any, Any]"
    test: "np.ndarray[Any, Any]"
    id: str

    def rows(self, part: str) -> "np.ndarray[Any, Any]":
        """Return the row positions of a part."""
        if part not in SPLITS:
            raise KeyError(part)
        rows: np.ndarray[Any, Any] = getattr(self, part)
        return rows


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator found: metrics by part, predictions row by row, and scores fold by fold.

    `predictions` may be a function that makes the table: of most runs of a sweep nobody asks for it. `details` holds
    what else is worth keeping in `metrics.json`, plain JSON by a name that is no part's.
    """

    metrics: Mapping[str, Mapping[str, float]]
    predictions: "pd.DataFrame | Callable[[], pd.DataFrame]"
    folds: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """All that `run.json` tells of a run; `missed` has a sentence for each gate that it did not pass."""

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


# --- What a look at a model, or at a sweep, found, and what to do next.

Level = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """One sentence about what was found, and one about what to do.

    Attributes
    ----------
    name
        A word or two, the same each time: ``overfitting``.
    level
        "good": nothing to do; "note": worth knowing; "warning": the numbers or the model deserve less trust.
    says
        What was found, with its figures.
    advice
        What to do next, best an override to type; empty only where the level is "good".
    values
        The figures behind it, for programs.
    """

    name: str
    level: Level
    says: str
    advice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as `evaluation.json` keeps it."""
        return asdict(self)
