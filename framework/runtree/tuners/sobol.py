"""A sampler of a Sobol sequence: points that fill the space more evenly than random ones."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

PARAMETERS = "parameters"  # the attribute of the study that holds the names of all parameters


class Sobol(BaseSampler):
    """Gives trial `number` the point with that number, which has a coordinate for each parameter.

    Optuna's QMCSampler draws the first point at random, and so any parameter that was absent from it because of a
    condition. It also counts its points in the study, so a restored one would start from the beginning.

    Parameters
    ----------
    scramble
        Scramble the sequence by the seed (Owen 1998); otherwise all seeds give the same points.
    """

    def __init__(self, seed: int | None = None, scramble: bool = True) -> None:
        self.seed = seed
        self.scramble = scramble
        self._engine: Any = None
        self._point: tuple[int, dict[str, float]] = (-1, {})

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return no parameters: all of them are for `sample_independent`."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return no values."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the value at the parameter's coordinate."""
        # one point for all parameters of a trial: a point drawn for each would not be evenly spread
        if self._point[0] != trial.number:
            self._point = (trial.number, self._next(study.user_attrs[PARAMETERS], trial.number))
        return place(self._point[1][param_name], param_distribution)

    def _next(self, names: Sequence[str], number: int) -> dict[str, float]:
        from scipy.stats.qmc import Sobol as Sequence

        if self._engine is None:
            # of all parameters, also those that a condition leaves out: the dimension of a sequence is fixed, and each
            # parameter keeps its coordinate
            self._engine = Sequence(len(names), scramble=self.scramble, rng=np.random.default_rng(self.seed))
        # the engine only goes forward, and a resumed or reordered sweep may ask for an earlier number
        if self._engine.num_generated > number:
            self._engine.reset()
        if self._engine.num_generated < number:
            self._engine.fast_forward(number - self._engine.num_generated)
        return dict(zip(names, self._engine.random(1)[0].tolist(), strict=True))


def place(share: float, distribution: BaseDistribution) -> Any:
    """Return the quantile of a distribution at `share`, in [0, 1)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    half = 0.5 if isinstance(distribution, IntDistribution) else 0.0  # each integer has the same share, also the ends
    low, high = distribution.low - half, distribution.high + half
    if distribution.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    whole = math.floor(value + 0.5) if half else value
    # rounding may reach high + 1 for a share next to 1, and miss an end on a log scale
    return min(max(whole, distribution.low), distribution.high)
