"""A Protocol for each kind of component. Classes need not inherit from them: having the methods is enough."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from runtree.contract.search import Dimension, Observation, Proposal, Suggest, Values
from runtree.contract.types import Direction, Evaluation, Metric, PluginIdentity

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.run import Run


# runtime_checkable, because objects are built from a config and their type is only known then; isinstance checks that
# the methods exist, not their signatures
@runtime_checkable
class DataSource(Protocol):
    """A source of rows. The keys of the group `data` that all sources share are not passed to its constructor.

    A source whose rows refer to other content, such as files, may have ``fingerprint(table) -> str``: a hash of it. One
    that reads text may take the keyword ``reading`` in `load`, a `runtree.tables.csv_files.Reading` with the keys
    `data.types` and `data.missing`, which it then applies to the words for a missing value; and it may have
    ``notes(table, reading)``: sentences about what may be meant otherwise than it was read.
    """

    def load(self) -> "pd.DataFrame":
        """Return all rows, features and target together."""
        ...


@runtime_checkable
class Algorithm(Protocol):
    """Anything with scikit-learn's `fit` and `predict`.

    An algorithm that iterates may take two more keywords in `fit`: ``report(step, **metrics)``, to be called after each
    iteration, and ``validation=(X, y)``, preprocessed rows that it may score but not learn from.
    """

    def fit(self, X: Any, y: Any) -> Any:
        """Fit to X of shape (rows, features) and y of shape (rows,); return self."""
        ...

    def predict(self, X: Any) -> Any:
        """Return a label or a number for each row."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Turns a fitted model and a split into metrics and predictions.

    An evaluator with a search also has ``choose(run) -> SearchResult``, called before the fit: it returns the keys of
    the algorithm's config to change, with their values. It chooses from `run.space()`. One with ``check(run)`` is asked
    once the rows are split, before anything is fitted: it raises a `ConfigError` or `DataError` if they do not do.
    """

    holds_out: bool  # whether it needs a validation split; otherwise those rows are trained on

    def evaluate(self, run: "Run", metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's model."""
        ...


@runtime_checkable
class Compute(Protocol):
    """The hardware of a run: device, threads, seeds."""

    def describe(self) -> Mapping[str, Any]:
        """Return the hardware that was found: device, threads, names."""
        ...

    def session(self, seed: int) -> AbstractContextManager[None]:
        """Seed generators and limit threads within the context."""
        ...


@runtime_checkable
class Tuner(Protocol):
    """Proposes the next configurations of a sweep and learns from their results.

    A tuner keeps no files and starts no threads. It is restored by `begin`, then `tell` for each proposal of an earlier
    process in the order of their numbers; from then on it proposes what an uninterrupted tuner would have proposed.

    One that tries every configuration, whatever the results, has ``exhaustive = True``: it takes no warm start, and
    nested cross-validation lets it end by itself.
    """

    own_space: bool  # whether the `space` of algorithms is searched too, or only the dimensions typed
    prunes: bool  # whether `report` may ever return True

    def begin(self, space: Sequence[Dimension], directions: Sequence[Direction], seed: int) -> None:
        """Start a search in a space with these directions of the objectives; earlier observations are dropped.

        Raises
        ------
        ConfigError
            It cannot search this space, or does not support several objectives.
        """
        ...

    def ask(self, number: int) -> Proposal | None:
        """Return proposal `number` (0, 1, 2 …, each requested once, in order), or None if the space is exhausted.

        It depends on the space, the seed, the number and the observations, and on nothing else.
        """
        ...

    def tell(self, observation: Observation) -> None:
        """Add an observation; its proposal may come from an earlier process."""
        ...

    def report(self, number: int, step: int, value: float) -> bool:
        """Add an intermediate objective of a running proposal; return whether to prune it."""
        ...


@runtime_checkable
class SuggestingTuner(Tuner, Protocol):
    """A tuner that also searches a space that is a function: it learns of each parameter when a value is asked for.

    It is begun with an empty space, and its observations name the parameters that their trial had.
    """

    def suggest(self, number: int, choose: Callable[[Suggest], Values]) -> Proposal:
        """Return proposal `number`, with the values that `choose` returns; it calls its argument for each parameter."""
        ...


class Hooks(Protocol):
    """The calls to plugins that lower rooms need, without importing the plugin manager."""

    @property
    def identities(self) -> Mapping[str, PluginIdentity]:
        """The installed plugins by name, those that are blocked or broken included; not runtree itself."""
        ...

    def moment(self, name: str, /, **arguments: Any) -> None:
        """Call a hook of every plugin; the failure of one is logged with its name, and the others are still called."""
        ...

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield (plugin name, item) for each item that plugins contribute through a hook."""
        ...

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Return the first result that is not None."""
        ...


class TargetResolver(Protocol):
    """Imports the code that a config names, if it is allowed."""

    def resolve(self, target: str, path: str) -> Any:
        """Import the target of a `_target_`, or refuse it; `path` is the config path for messages."""
        ...

    def authorize(self, node: Mapping[str, Any], path: str) -> None:
        """Refuse a node if a target or an argument in it is not allowed."""
        ...
