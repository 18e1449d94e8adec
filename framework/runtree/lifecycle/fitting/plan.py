"""What the `fit` block means to one algorithm: what it does itself, and what is watched step by step."""

import inspect
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from runtree.config.build import build, check_arguments
from runtree.config.catalogue import for_task
from runtree.contract.errors import ConfigError
from runtree.contract.iteration import Stepper
from runtree.contract.protocols import TargetResolver
from runtree.contract.types import Task
from runtree.lifecycle.fitting.options import FitOptions, Patience, Tolerance, fit_options

STEP = "step"  # in `honours`: no parameter of the algorithm's, the loop sees to it


@dataclass(frozen=True)
class Iterations:
    """What an algorithm's config says of how it iterates.

    Attributes
    ----------
    unit
        What one iteration is called: epoch, tree.
    honours
        The keys of `fit` that it honours: "step", or the parameter that the value is put into.
    history
        Whether it is watched unasked: where watching is cheap beside the fit.
    every
        Iterations between two checks.
    tolerance, patience, validation_fraction
        What holds where `fit` says nothing; values may differ by task.
    target
        Who fits it step by step; None: its own `fit`.
    """

    unit: str = "iteration"
    honours: Mapping[str, str] = field(default_factory=dict)
    history: bool = True
    every: int = 1
    tolerance: Mapping[str, Any] = field(default_factory=dict)
    patience: Mapping[str, Any] = field(default_factory=dict)
    validation_fraction: float | None = None
    target: str | Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Plan:
    """How one algorithm is fitted: the options, the algorithm's own filled in, and who does it step by step."""

    options: FitOptions
    iterations: Iterations
    steps: bool = False
    stepper: Stepper | None = None

    @property
    def every(self) -> int:
        """Return the count of iterations between two checks."""
        return self.options.every or self.iterations.every

    @property
    def bound(self) -> str | None:
        """Return the parameter that bounds the iterations."""
        return self.iterations.honours.get("max_iterations")


def settle(config: Mapping[str, Any], task: Task) -> tuple[FitOptions, Iterations, dict[str, Any]]:
    """Return the options, how the algorithm iterates, and its node with what `fit` puts into its parameters.

    Raises
    ------
    ConfigError
        A key that the algorithm cannot honour.
    """
    node = dict(config["algorithm"])
    options, iterations = fit_options(config.get("fit") or {}), read_iterations(node, task)
    for key, value in options.asked().items():
        place = iterations.honours.get(key)
        if place is None:
            raise _refused(key, str(node.get("name", "?")), iterations)
        if place != STEP:
            node[place] = value
    if iterations.honours.get("tolerance", STEP) != STEP and options.tolerance.checks is not None:
        raise ConfigError(f"fit.tolerance.checks: algorithm={node.get('name')} takes min_change alone")
    return options, iterations, node


def read_iterations(node: Mapping[str, Any], task: Task) -> Iterations:
    """Read an algorithm's `iterations`; one that has none honours nothing."""
    own = for_task(node.get("iterations") or {}, task, "algorithm.iterations")
    return _iterations(json.dumps(own, sort_keys=True, default=str))


@lru_cache(maxsize=64)
def _iterations(text: str) -> Iterations:
    own = json.loads(text)
    own["target"] = own.pop("_target_", None)
    check_arguments(Iterations, own, "algorithm.iterations")
    return Iterations(**own)


def _refused(key: str, name: str, iterations: Iterations) -> ConfigError:
    known = ", ".join(iterations.honours)
    told = f"it honours: {known}" if known else "it does not iterate, and honours no key of fit"
    return ConfigError(f"fit.{key}: algorithm={name} cannot honour it", told)


def make_plan(options: FitOptions, iterations: Iterations, algorithm: Any, prunes: bool, trust: TargetResolver) -> Plan:
    """Decide whether the fit is watched, and by whom it is done step by step.

    `prunes` tells that somebody may give the run up on its way.

    Raises
    ------
    ConfigError
        The steps are asked for, and the algorithm as it is configured has none.
    """
    stepper = build({"_target_": iterations.target}, "algorithm.iterations", trust) if iterations.target else None
    reason = stepper.refuses(algorithm) if stepper else None if takes_report(algorithm) else "it has no steps"
    stepwise = [f"fit.{key}" for key in options.asked() if iterations.honours.get(key) == STEP]
    wanted = [*stepwise, *(["fit.history"] if options.history else [])]
    if reason and wanted:
        raise ConfigError(f"{wanted[0]}: {type(algorithm).__name__} cannot be watched: {reason}")
    unasked = options.history is not False and (iterations.history or prunes)
    steps = reason is None and bool(wanted or unasked)
    return Plan(_filled(options, iterations) if steps else options, iterations, steps, stepper if steps else None)


def takes_report(algorithm: Any) -> bool:
    """Tell whether an algorithm reports its iterations itself."""
    return "report" in fit_takes(algorithm)


def fit_takes(algorithm: Any) -> Collection[str]:
    """Return the names of what an algorithm's `fit` takes."""
    return _taken(getattr(algorithm.fit, "__func__", algorithm.fit))


@lru_cache(maxsize=64)  # a signature takes longer to read than a small model to fit
def _taken(function: Any) -> Collection[str]:
    return tuple(inspect.signature(function).parameters)


def _filled(options: FitOptions, iterations: Iterations) -> FitOptions:
    """Return the options with the algorithm's own where they say nothing."""
    tolerance, patience, fraction = options.tolerance, options.patience, options.validation_fraction
    if tolerance.min_change is None and iterations.tolerance.get("min_change") is not None:
        tolerance = _own(Tolerance, iterations.tolerance, "tolerance")
    if patience.checks is None and iterations.patience.get("checks") is not None:
        patience = _own(Patience, iterations.patience, "patience")
        fraction = fraction or iterations.validation_fraction
    return replace(options, tolerance=tolerance, patience=patience, validation_fraction=fraction)


def _own(kind: Any, node: Mapping[str, Any], name: str) -> Any:
    check_arguments(kind, node, f"algorithm.iterations.{name}")
    return kind(**node)
