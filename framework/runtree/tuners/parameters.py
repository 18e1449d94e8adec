"""Converts dimensions to Optuna's distributions, and suggestions to exact values of the config."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Dimension, Values
from runtree.tuners.grid import label, nth

Raw = int | float


@dataclass(frozen=True)
class OptunaParameter:
    """A dimension with its name and distribution in Optuna.

    Optuna works with raw values: the position in a finite set, a number, or with a reverse log scale 1 - x.
    """

    name: str
    dimension: Dimension

    @cached_property
    def distribution(self) -> BaseDistribution:
        """Return the distribution of raw values."""
        domain = self.dimension.domain
        if isinstance(domain, Choice):
            # positions, as Optuna admits only None, bool, int, float and str as choices, and treats 1 and True as the
            # same
            return CategoricalDistribution(range(domain.size))
        if domain.scale == "linear" and domain.size is not None:
            return IntDistribution(0, domain.size - 1)  # by position: adding up steps would accumulate rounding errors
        if domain.scale == "log" and domain.integer and domain.step in (None, 1):
            return IntDistribution(int(domain.low), int(domain.high), log=True)
        if domain.scale == "reverse_log":
            # Optuna has no reverse log scale: 1 - x on a log scale is one
            return FloatDistribution(1 - domain.high, 1 - domain.low, log=True)
        return FloatDistribution(domain.low, domain.high, log=domain.scale == "log")

    @cached_property
    def labels(self) -> dict[str, int]:
        """Return the position of each value of a choice; 1, 1.0, true and "1" are different."""
        domain = self.dimension.domain
        values = domain.values if isinstance(domain, Choice) else ()
        # reversed, so that of equal values the first position wins
        return {label(value): position for position, value in reversed(list(enumerate(values)))}

    def suggest(self, trial: Trial) -> Any:
        """Let the sampler choose, and return the value for the config."""
        own = self.distribution
        if isinstance(own, CategoricalDistribution):
            return self.value(trial.suggest_categorical(self.name, own.choices))  # type: ignore[arg-type]
        if isinstance(own, IntDistribution):
            return self.value(trial.suggest_int(self.name, own.low, own.high, log=own.log))
        assert isinstance(own, FloatDistribution)
        return self.value(trial.suggest_float(self.name, own.low, own.high, log=own.log))

    def value(self, raw: Raw) -> Any:
        """Return the value for the config from a raw value."""
        domain = self.dimension.domain
        if isinstance(domain, Choice):
            return copy.deepcopy(domain.values[int(raw)])
        if domain.scale == "linear" and domain.size is not None:
            return nth(domain, int(raw))
        number = 1 - raw if domain.scale == "reverse_log" else raw
        if domain.size is not None:  # the nearest value of the grid
            return nth(domain, round((number - domain.low) / (domain.step or 1)))
        # exp(log(x)) may miss the end of the range by a rounding error, which the algorithm would refuse
        return float(min(max(number, domain.low), domain.high))

    def raw(self, value: Any) -> Raw | None:
        """Return the raw value from a value of the config, None if it is outside of the domain."""
        domain = self.dimension.domain
        if isinstance(domain, Choice):
            return self.labels.get(label(value))
        if isinstance(value, bool) or not isinstance(value, int | float) or not domain.low <= value <= domain.high:
            return None
        if domain.scale == "linear" and domain.size is not None:
            return round((value - domain.low) / (domain.step or 1))
        own = self.distribution
        assert isinstance(own, IntDistribution | FloatDistribution)
        number = 1 - value if domain.scale == "reverse_log" else value
        return min(max(number, own.low), own.high)  # 1 - (1 - x) may lie outside by a rounding error


def make_parameters(space: Sequence[Dimension]) -> list[OptunaParameter]:
    """Return a parameter for each dimension, named by its path; a path that occurs twice is numbered.

    Raises
    ------
    ConfigError
        Optuna has no distribution for a dimension.
    """
    paths = [dimension.path for dimension in space]
    parameters = []
    for position, dimension in enumerate(space):
        # Optuna identifies parameters by name, and one name cannot have two distributions in a study
        name = dimension.path if paths.count(dimension.path) == 1 else f"{dimension.path} ({position})"
        parameters.append(OptunaParameter(name, dimension))
        _check(parameters[-1])
    return parameters


def _check(parameter: OptunaParameter) -> None:
    domain = parameter.dimension.domain
    if domain.size == 0:
        raise ConfigError(f"{parameter.dimension.path}: there is no value to choose from", "list at least one")
    try:
        parameter.distribution  # noqa: B018  so that an error shows before the first run
    except ValueError as error:
        raise ConfigError(
            f"{parameter.dimension.path}: {parameter.dimension.text or domain} cannot be searched: {error}",
            "a log scale needs numbers above 0, a reverse log scale below 1, and a first end below the second",
        ) from None


def raw_values(parameters: Sequence[OptunaParameter], chosen: Values) -> dict[str, Raw] | None:
    """Return raw values by parameter name, None if one lies outside of the space."""
    raw: dict[str, Raw] = {}
    seen: dict[str, Any] = {}
    for parameter in parameters:
        path = parameter.dimension.path
        if path in seen or path not in chosen or not parameter.dimension.holds(seen):
            continue
        number = parameter.raw(chosen[path])
        if number is None:
            return None
        raw[parameter.name], seen[path] = number, chosen[path]
    return raw
