"""Fixtures of the suites, also for a plugin's own tests: a tiny table, a run in this process, fake plugins."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtree.app import App
from runtree.app import train as run_app
from runtree.config.freeze import FrozenConfig, freeze
from runtree.config.hydra_engine import HydraEngine, force_open_parameters, parse_flags
from runtree.contract.types import Task
from runtree.training.active_run import ActiveRun

if TYPE_CHECKING:
    import pandas as pd

Case = Literal["binary", "multiclass", "regression"]

CASES: tuple[Case, ...] = ("binary", "multiclass", "regression")
LABELS: Mapping[str, tuple[str, ...]] = {"binary": ("yes", "no"), "multiclass": ("red", "green", "blue")}
TARGET = "outcome"
PLAIN = ("compute=cpu", "compute.threads=1", "seed=7")  # on a tiny table threads cost more than they save

# Without the stages after scoring, which take longer than a tiny run itself.
UNEXAMINED = tuple(f"++evaluator.{key}" for key in ("report=false", "baselines=none", "explain=none", "diagnose=none"))


def task_of(case: Case) -> Task:
    """Return the task of a case."""
    return "regression" if case == "regression" else "classification"


def cases_of(tasks: Iterable[str]) -> list[Case]:
    """Return the cases of some tasks."""
    return [case for case in CASES if task_of(case) in set(tasks)]


def tiny_table(case: Case = "binary", rows: int = 72, seed: int = 0) -> "pd.DataFrame":
    """Return a table with a learnable target: three numeric columns, a category, and the column `outcome`.

    The sorted order of the labels is not that of their codes; the first column has missing values.
    """
    import numpy as np
    import pandas as pd

    # a generator of its own: fixtures must not change the global state that a run seeds
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(rows, 3))
    place = generator.integers(0, 3, rows)
    # most of the signal and little noise: a few dozen rows have to be enough for any algorithm to beat a dummy
    signal = 2 * numbers[:, 0] - numbers[:, 1] + place + generator.normal(scale=0.2, size=rows)
    frame = pd.DataFrame(numbers, columns=["height", "weight", "noise"])
    frame["place"] = np.array(["north", "south", "west"])[place]
    # after the target is computed: the missing values hide a part of the signal, as in real tables
    frame.loc[generator.choice(rows, rows // 12, replace=False), "height"] = np.nan
    return frame.assign(**{TARGET: _outcome(signal, case)})


def _outcome(signal: Any, case: Case) -> Any:
    import numpy as np

    if case == "regression":
        return (signal - signal.min() + 1).round(6)  # positive, as Poisson and gamma regression require
    labels = np.array(LABELS[case])
    # ranks and not thresholds: the classes are equally frequent whatever the seed, so each split has all of them
    ranks = signal.argsort().argsort()
    return labels[ranks * len(labels) // len(signal)]


def numbers(case: Case) -> tuple[Any, Any]:
    """Return a tiny table as an algorithm gets it: numbers without missing values, and the target."""
    frame = tiny_table(case, rows=60)
    features = frame.drop(columns=[TARGET, "place"]).fillna(0.0)
    return features.to_numpy(), frame[TARGET].to_numpy()


def write_table(folder: Path, case: Case = "binary", **sizes: int) -> list[str]:
    """Write a tiny table to a file and return the overrides of a run that reads it."""
    file = folder / f"{case}.csv"
    tiny_table(case, **sizes).to_csv(file, index=False)
    return ["data=csv", f"data.path={quoted(file)}", f"data.target={TARGET}"]


def quoted(path: Path) -> str:
    """Return a path quoted for Hydra's override grammar."""
    return "'" + str(path).replace("'", "\\'") + "'"


def train(*overrides: str, folder: Path, app: App | None = None) -> ActiveRun:
    """Train in this process as ``runtree train`` does, with the run below `folder`, and return the run."""
    # last, so that no override of a suite can let its runs end up in the working directory
    flags = parse_flags([*overrides, f"outputs={quoted(folder)}"])
    return run_app(app or App(), flags).runs[0]


def compose(*overrides: str, app: App | None = None) -> FrozenConfig:
    """Return the config that a run with these overrides would have."""
    from omegaconf import OmegaConf

    app = app or App()
    engine = HydraEngine(app.folders, app.algorithms, app.allow_list(overrides))
    composed = engine.compose(force_open_parameters(overrides))
    # without Hydra's own node, as in the config that is frozen for a run
    return freeze(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]))


class FakePlugins:
    """Hooks without plugins: notifications are recorded in `calls`, other hooks return `results`.

    Parameters
    ----------
    results
        By the name of the hook: a list of items for a contribution, a value for a hook with a single result.
    """

    def __init__(self, **results: Any) -> None:
        self.results = results
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def moment(self, name: str, /, **arguments: Any) -> None:
        """Record the call."""
        self.calls.append((name, arguments))

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield the items of a hook."""
        return iter([("fake", item) for item in self.results.get(name, ())])

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Return the result of a hook."""
        return self.results.get(name)
