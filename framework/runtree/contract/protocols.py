"""The kinds of thing that vary, a Protocol each. Nobody inherits from them; a class has the methods or has not."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from runtree.contract.search import Dimension, Observation, Proposal
from runtree.contract.types import Direction, Evaluation, Metric

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.run import Run


@runtime_checkable
class DataSource(Protocol):
    """Where rows come from. The keys of DESIGN's `data` group that every source has are not given to it.

    One whose rows name what lies elsewhere, such as files, may have ``fingerprint(table) -> str``: a hash of that.
    """

    def load(self) -> "pd.DataFrame":
        """Return all rows, features and target together."""
        ...


@runtime_checkable
class Algorithm(Protocol):
    """Anything with scikit-learn's `fit` and `predict`.

    An algorithm that iterates may take two more keywords in `fit`: ``report(step, **metrics)``, to be called once an
    iteration, and ``validation=(X, y)``, preprocessed rows it may watch but not learn from.
    """

    def fit(self, X: Any, y: Any) -> Any:
        """Learn from X of shape (rows, features) and y of shape (rows,); return self."""
        ...

    def predict(self, X: Any) -> Any:
        """Return a label or a number for each row."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Turns a fitted model and a split into metrics and predictions.

    One that searches has also ``choose(run) -> Chosen``: asked before the fit, it returns what of the algorithm's
    config is to be other than what was asked. `run.space()` is what it may choose from.
    """

    holds_out: bool  # whether it needs a validation part; else those rows are trained on

    def evaluate(self, run: "Run", metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's model."""
        ...


@runtime_checkable
class Compute(Protocol):
    """Where and with what a run works."""

    def describe(self) -> Mapping[str, Any]:
        """Say what was found: device, threads, names."""
        ...

    def session(self, seed: int) -> AbstractContextManager[None]:
        """Seed generators and limit threads for the time of a run."""
        ...


@runtime_checkable
class Tuner(Protocol):
    """Proposes what a sweep tries next and learns from what came of it.

    A tuner keeps no files and starts no threads. It is restored by `begin`, then `tell` for each proposal that a former
    process made, in the order of their numbers; from there on it proposes what it would have proposed had it lived on.
    """

    own_space: bool  # whether the `space` of algorithms is searched too, or only what the user names
    prunes: bool  # whether `report` may ever answer True

    def begin(self, space: Sequence[Dimension], directions: Sequence[Direction], seed: int) -> None:
        """Take the space and the directions of the objectives, and forget what was before.

        Raises
        ------
        ConfigError
            Where it cannot search this space, or has no use for several objectives.
        """
        ...

    def ask(self, number: int) -> Proposal | None:
        """Return proposal `number` (0, 1, 2 …, each asked once, in order), or None where nothing is left to try.

        It depends on the space, the seed, the number and what was told, and on nothing else.
        """
        ...

    def tell(self, observation: Observation) -> None:
        """Learn what came of a proposal; one that was not asked of this object is taken over whole."""
        ...

    def report(self, number: int, step: int, value: float) -> bool:
        """Take an intermediate objective of a running proposal, and answer whether it is to be pruned."""
        ...


class Hooks(Protocol):
    """What the rooms below may ask of the plugins, without knowing who they are."""

    def moment(self, name: str, **arguments: Any) -> None:
        """Tell every plugin that something happened; a plugin that fails is logged by name and passed over."""
        ...

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield (plugin name, item) for each item that plugins contribute through a hook."""
        ...

    def first(self, name: str, **arguments: Any) -> Any:
        """Return the first answer that is not None."""
        ...


class TargetResolver(Protocol):
    """Which code a config may name."""

    def resolve(self, target: str, path: str) -> Any:
        """Import what a `_target_` names, or refuse it; `path` is the config path for messages."""
        ...
