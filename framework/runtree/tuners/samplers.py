"""How a sampler is made from its settings, and what it cannot do."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler

from runtree.contract.errors import ConfigError, MissingError
from runtree.contract.search import Choice
from runtree.contract.types import Direction
from runtree.tuners.domain import Parameter

NEEDS = ((CmaEsSampler, "cmaes", "pip install cmaes"), (GPSampler, "torch", "pip install 'runtree[torch]'"))


def make_sampler(factory: Callable[..., Any], seed: int) -> BaseSampler:
    """Make a sampler with a seed.

    Raises
    ------
    ConfigError
        Where the settings are not the sampler's, or it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # what is chosen in YAML is chosen knowingly
            made = factory(seed=seed)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"tuner.sampler: {error}") from None
    if not isinstance(made, BaseSampler):
        raise ConfigError(f"tuner.sampler: {type(made).__name__} is not a sampler", "see: optuna.samplers")
    return made


def bare(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Return a factory without what a config wrapped it in."""
    # Hydra's own kind of partial asks at each call anew whether its target may be named: 0.3 ms
    return partial(factory.func, *factory.args, **factory.keywords) if isinstance(factory, partial) else factory


def derive(seed: int, number: int) -> int:
    """Return the seed of a proposal: 32 bits that have nothing to do with those of its neighbours."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=4).digest())


def check(sampler: BaseSampler, prunes: bool, found: Sequence[Parameter], directions: Sequence[Direction]) -> None:
    """Refuse what a sampler or a pruner cannot do, and a sampler whose package is missing."""
    name = type(sampler).__name__
    for kind, package, cure in NEEDS:
        if isinstance(sampler, kind) and find_spec(package) is None:
            raise MissingError(f"tuner.sampler: {name} needs the package '{package}', which is not there", cure)
    several = len(directions) > 1
    if several and prunes:
        raise ConfigError("tuner.pruner: runs of several objectives cannot be pruned", "type: tuner.pruner=null")
    if not isinstance(sampler, CmaEsSampler):
        return
    if several:
        raise ConfigError(
            f"tuner: {name} has one objective, not {len(directions)}", "possible: tuner=nsga, tuner=tpe, tuner=random"
        )
    if all(isinstance(each.dimension.domain, Choice) or each.distribution.single() for each in found):
        raise ConfigError(f"tuner: {name} searches numbers, and the space has none", "possible: tuner=tpe, tuner=grid")
