"""A search space that is a function of Python: it asks a trial for values, and returns what they set in the config.

The function runs in the process of the sweep alone; a run gets a plain config, as in any sweep. The ledger keeps the
parameters of each trial with their ranges, so a sweep is resumed by calling the same function again, and a function
that has changed is found out by what it makes of the recorded values.
"""

import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from runtree.config.space.dimensions import dimension_text, parse_dimension
from runtree.contract.errors import ConfigError, RequestError, RunFailedError, RuntreeError, describe_error
from runtree.contract.protocols import SuggestingTuner
from runtree.contract.search import Choice, Dimension, Interval, Observation, Proposal, Suggest, Values
from runtree.contract.types import Direction
from runtree.records.writer import jsonable
from runtree.sweeps.overrides import check_searchable
from runtree.sweeps.state import SweepState, Trial

SUGGESTED = "suggested"  # in the memo of a proposal: name → [range, value]
RANDOM_PROBES = 10  # trials of the preflight, beside those with all values at one end
WIDE_RATIO = 100  # positive values that span more are drawn on a log scale

SpaceFunction = Callable[["SpaceTrial"], Mapping[str, Any]]


class SpaceTrial:
    """The argument of a space function; its `suggest_` methods are those of Optuna's trials.

    Attributes
    ----------
    number
        The number of the trial.
    algorithm
        Where the sweep names several (``algorithm=svc,ridge``): the one of this trial; else empty.
    """

    def __init__(self, suggest: Suggest, number: int = 0, algorithm: str = "") -> None:
        self.number, self.algorithm = number, algorithm
        self._suggest = suggest
        self._suggested: dict[str, tuple[Dimension, Any]] = {}

    @property
    def params(self) -> dict[str, Any]:
        """The values suggested so far, by name."""
        return {name: value for name, (_, value) in self._suggested.items()}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from `low` to `high`, both included; with `step` one of ``low + n * step``."""
        return float(self._value(name, _interval(float(low), float(high), step, log, integer=False)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from `low` to `high`, both included."""
        if int(low) != low or int(high) != high:
            raise ConfigError(f"space: {name}: {low} to {high} are no whole numbers", "for others: suggest_float")
        return int(self._value(name, _interval(int(low), int(high), None if step == 1 else step, log, integer=True)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of `choices`: values of any type that YAML has, options of a group too."""
        return self._value(name, Choice(tuple(choices)))

    def _value(self, name: str, domain: Choice | Interval) -> Any:
        _check_domain(name, domain)
        if name in self._suggested:
            former, value = self._suggested[name]
            if former.domain != domain:
                raise ConfigError(f"space: {name}: two ranges in one trial", "give the second another name")
            return value
        # as it is read back from the ledger, which also refuses what cannot be written there
        dimension = Dimension(name, domain, text=dimension_text(Dimension(name, domain)))
        self._suggested[name] = dimension, (value := self._suggest(dimension))
        return value

    def to_memo(self) -> dict[str, Any]:
        """Return ranges and values as JSON."""
        return {name: [dimension.text, value] for name, (dimension, value) in self._suggested.items()}


def _interval(low: float, high: float, step: float | None, log: bool, integer: bool) -> Interval:
    interval = Interval(low, high, integer, "log" if log else "linear", step)
    # the last value on the grid: a range that is written and read again ends there
    return replace(interval, high=interval.values[-1]) if step is not None and step > 0 and low <= high else interval


def _check_domain(name: str, domain: Choice | Interval) -> None:
    if isinstance(domain, Choice):
        if not domain.values:
            raise ConfigError(f"space: {name}: there is nothing to choose from")
        return
    if not (math.isfinite(domain.low) and math.isfinite(domain.high)) or domain.low > domain.high:
        raise ConfigError(f"space: {name}: {domain.low} to {domain.high} is no range", "write the low end first")
    if domain.step is not None and (domain.step <= 0 or domain.scale == "log"):
        raise ConfigError(f"space: {name}: step={domain.step} is not possible", "one above 0, and none with log=True")
    if domain.scale == "log" and domain.low <= 0:
        raise ConfigError(f"space: {name}: a log scale needs a low end above 0, not {domain.low}", "leave out log=True")


@dataclass(frozen=True)
class FunctionSpace:
    """A space function, and what is checked of the values that it returns.

    Attributes
    ----------
    check
        Raises RuntreeError for a config path that does not exist.
    groups
        Every config group: the function may choose an option, as in ``{"algorithm": "ridge"}``.
    """

    function: SpaceFunction
    check: Callable[[Values], None]
    groups: frozenset[str] = frozenset()
    algorithm: str = ""

    def values(self, trial: SpaceTrial) -> dict[str, Any]:
        """Return what the function sets in a trial, by config path.

        Raises
        ------
        RunFailedError
            The function raised something.
        ConfigError
            It returned what is no mapping of config paths to values.
        """
        try:
            returned = self.function(trial)
        except RuntreeError:
            raise
        except Exception as error:
            place = f"space: {function_name(self.function)} failed in trial {trial.number}"
            raise RunFailedError(f"{place}: {describe_error(error)}") from error
        if not isinstance(returned, Mapping) or not all(isinstance(path, str) for path in returned):
            raise ConfigError(
                f"space: {function_name(self.function)} returned {returned!r:.60}, no mapping of config paths",
                'return one: {"algorithm.C": trial.suggest_float("C", 1e-3, 10, log=True)}',
            )
        values: dict[str, Any] = jsonable(dict(returned))
        for path in values:
            check_searchable(path)
        self.check(values)
        return values

    def probe(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (text, values) of trials to check before the first run: both ends of all ranges, and some between."""
        suggests: list[Suggest] = [partial(_end, 0), partial(_end, -1), *map(_random_suggest, range(RANDOM_PROBES))]
        for suggest in suggests:
            values = self.values(SpaceTrial(suggest, algorithm=self.algorithm))
            yield ", ".join(f"{path}={value}" for path, value in values.items()), values


def _end(place: int, dimension: Dimension) -> Any:
    domain = dimension.domain
    return domain.values[place] if isinstance(domain, Choice) else (domain.low, domain.high)[place]


def _random_suggest(seed: int) -> Suggest:
    generator = random.Random(seed)

    def suggest(dimension: Dimension) -> Any:
        domain = dimension.domain
        if domain.size is not None:
            return generator.choice(domain.values)
        assert isinstance(domain, Interval)
        share = generator.random()
        if domain.scale == "log":
            return float(min(domain.high, domain.low * (domain.high / domain.low) ** share))
        return domain.low + share * (domain.high - domain.low)

    return suggest


class FunctionTuner:
    """Lets a tuner suggest the values of a function space.

    The tuner knows parameters by their names, the sweep knows what the function made of them, by config path.
    """

    own_space = True

    def __init__(self, tuner: SuggestingTuner, space: FunctionSpace) -> None:
        self.tuner, self.space, self.prunes = tuner, space, tuner.prunes

    def begin(self, space: Sequence[Dimension], directions: Sequence[Direction], seed: int) -> None:
        """Start a search; the function declares the space."""
        self.tuner.begin((), directions, seed)

    def ask(self, number: int) -> Proposal:
        """Return the values of the function for the suggestions of the tuner."""
        trials: list[SpaceTrial] = []

        def choose(suggest: Suggest) -> Values:
            trials.append(SpaceTrial(suggest, number, self.space.algorithm))
            return self.space.values(trials[-1])

        proposal = self.tuner.suggest(number, choose)
        return replace(proposal, memo={**proposal.memo, SUGGESTED: trials[-1].to_memo()})

    def tell(self, observation: Observation) -> None:
        """Pass a result on, by the names of the parameters."""
        dimensions, values = _read_memo(observation.memo)
        self.tuner.tell(replace(observation, values=values, dimensions=dimensions))

    def report(self, number: int, step: int, value: float) -> bool:
        """Pass an intermediate value on, and return whether to prune."""
        return self.tuner.report(number, step, value)

    def check_same(self, trial: Trial) -> None:
        """Refuse a function that makes something else of the recorded suggestions of a trial.

        Raises
        ------
        RequestError
            With the first difference.
        """
        recorded = trial.memo.get(SUGGESTED)
        if recorded is None:  # the line of the ledger is damaged
            return

        def suggest(dimension: Dimension) -> Any:
            former, value = recorded.get(dimension.path, (None, None))
            if former != dimension.text:
                raise _changed(trial, f"{dimension.path}: {former or 'none'} → {dimension.text}")
            return value

        now = self.space.values(SpaceTrial(suggest, trial.key[1], self.space.algorithm))
        for path in {**trial.values, **now}:
            if now.get(path) != trial.values.get(path):
                raise _changed(trial, f"{path}: {trial.values.get(path)} → {now.get(path)}")


def _changed(trial: Trial, difference: str) -> RequestError:
    return RequestError(
        f"space: this is not the function that the sweep began with, trial {trial.key[1]} differs",
        difference,
        "begin a new sweep, or change it back; sweep.yaml has its source",
    )


def _read_memo(memo: Mapping[str, Any]) -> tuple[tuple[Dimension, ...], dict[str, Any]]:
    """Return the parameters of a trial and their values, none if the ledger has lost them."""
    suggested = memo.get(SUGGESTED) or {}
    dimensions = tuple(parse_dimension(name, text, {}) for name, (text, _) in suggested.items())
    return dimensions, {name: value for name, (_, value) in suggested.items()}


def function_name(function: SpaceFunction) -> str:
    """Return ``module.name`` of a function."""
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', None) or '__main__'}.{name}"


def describe_function(function: SpaceFunction) -> dict[str, str]:
    """Return name and source for `sweep.yaml`."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or built in
        source = ""
    return {"function": function_name(function), "source": source}


def observed_space(state: SweepState, name: str) -> tuple[Dimension, ...]:
    """Return dimensions that hold what the trials of a function space had, for the plots."""
    seen: dict[str, list[Any]] = {}
    for trial in state.trials.values():
        for path, value in trial.values.items() if trial.key[0] == name else ():
            seen.setdefault(path, []).append(value)
    return tuple(Dimension(path, _observed_domain(values)) for path, values in seen.items())


def _observed_domain(values: Sequence[Any]) -> Choice | Interval:
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return Choice(tuple({repr(value): value for value in values}.values()))
    low, high = min(values), max(values)
    integer = all(isinstance(value, int) for value in values)
    return Interval(low, high, integer, "log" if 0 < low * WIDE_RATIO < high else "linear")
