"""The `fit` block: when an algorithm that iterates stops. A key that is null is left to the algorithm."""

import inspect
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from runtree.config.build import build, check_arguments
from runtree.config.catalogue import for_task
from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError
from runtree.contract.iteration import Stepper
from runtree.contract.protocols import TargetResolver
from runtree.contract.types import Task


@dataclass(frozen=True)
class Tolerance:
    """The metric improves by less than `min_change` in `checks` consecutive checks."""

    metric: str = "train_loss"
    min_change: float | int | None = None
    checks: int | None = None


@dataclass(frozen=True)
class Patience:
    """A monitored metric does not improve by more than `min_delta` in `checks` consecutive checks."""

    metric: str | None = None
    checks: int | None = None
    min_delta: float | int = 0.0
    restore_best: bool = True


@dataclass(frozen=True)
class CheckpointOptions:
    """A checkpoint every `every` iterations or every `minutes`; the last and the `keep` best ones are kept."""

    every: int | None = None
    minutes: float | int | None = None
    keep: int = 1


@dataclass(frozen=True)
class FitOptions:
    """The whole block; see docs/training.md."""

    max_iterations: int | None = None
    max_seconds: float | int | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    patience: Patience = field(default_factory=Patience)
    divergence: float | int | None = None
    validation_fraction: float | None = None
    every: int | None = None
    history: bool | None = None
    metrics: str | list[str] = "auto"
    checkpoint: CheckpointOptions = field(default_factory=CheckpointOptions)
    refit: bool = False

    def requested(self) -> dict[str, Any]:
        """Return the keys that are set and that an algorithm has to honour."""
        options = {
            "max_iterations": self.max_iterations,
            "max_seconds": self.max_seconds,
            "tolerance": self.tolerance.min_change,
            "patience": self.patience.checks,
            "divergence": self.divergence,
            "checkpoint": self.checkpoint.every or self.checkpoint.minutes,
        }
        return {key: value for key, value in options.items() if value is not None}


NESTED_BLOCKS = {"tolerance": Tolerance, "patience": Patience, "checkpoint": CheckpointOptions}
LEAST = {
    "max_iterations": 1,
    "every": 1,
    "tolerance.checks": 1,
    "patience.checks": 1,
    "checkpoint.every": 1,
    "checkpoint.keep": 0,
    "tolerance.min_change": 0,
    "patience.min_delta": 0,
}
ABOVE = {"max_seconds": 0, "checkpoint.minutes": 0, "divergence": 1, "validation_fraction": 0}


def fit_options(node: Mapping[str, Any]) -> FitOptions:
    """Read a `fit` node.

    Raises
    ------
    ConfigError
        An unknown key, a value of the wrong type, or one that cannot be.
    """
    return read_block(FitOptions, node, "fit", NESTED_BLOCKS, _check_bounds)


def _check_bounds(options: FitOptions) -> None:
    for path, low in LEAST.items():
        value = _value(options, path)
        if value is not None and value < low:
            raise ConfigError(f"fit.{path}: {value} is less than {low}")
    for path, low in ABOVE.items():
        value = _value(options, path)
        if value is not None and value <= low:
            raise ConfigError(f"fit.{path}: {value} is not more than {low}")
    if options.validation_fraction is not None and options.validation_fraction >= 1:
        raise ConfigError(f"fit.validation_fraction: {options.validation_fraction} leaves no row to learn from")


def _value(options: Any, path: str) -> Any:
    for name in path.split("."):
        options = getattr(options, name)
    return options


# --- The `fit` block for one algorithm: what it does itself, and what is monitored step by step.

STEP = "step"  # in `honours`: not a parameter of the algorithm; runtree's callback honours the key


@dataclass(frozen=True)
class IterationSpec:
    """How an algorithm iterates, according to `iterations` in its config.

    Attributes
    ----------
    unit
        The name of one iteration: epoch, tree.
    honours
        The keys of `fit` that it honours → "step", or the parameter that takes the value.
    history
        Whether the fit is monitored by default; false if that would cost more than the fit.
    every
        Iterations between two checks.
    tolerance, patience, validation_fraction
        Defaults for keys of `fit` that are null; values may differ by task.
    target
        The stepper that fits it step by step; None: its own `fit`.
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
class FitPlan:
    """How one algorithm is fitted: the options with the algorithm's defaults filled in, and its stepper."""

    options: FitOptions
    iterations: IterationSpec
    steps: bool = False
    stepper: Stepper | None = None

    @property
    def every(self) -> int:
        """The number of iterations between two checks."""
        return self.options.every or self.iterations.every

    @property
    def bound(self) -> str | None:
        """The parameter that limits the iterations."""
        return self.iterations.honours.get("max_iterations")


def resolve_fit_options(config: Mapping[str, Any], task: Task) -> tuple[FitOptions, IterationSpec, dict[str, Any]]:
    """Return the options, how the algorithm iterates, and its node with the parameters that `fit` sets.

    Raises
    ------
    ConfigError
        A key that the algorithm cannot honour.
    """
    node = dict(config["algorithm"])
    options, iterations = fit_options(config.get("fit") or {}), read_iteration_spec(node, task)
    for key, value in options.requested().items():
        # refused rather than ignored: a limit that has no effect is found only when the fit does not end
        parameter = iterations.honours.get(key)
        if parameter is None:
            raise _not_honoured(key, str(node.get("name", "?")), iterations)
        if parameter != STEP:
            node[parameter] = value
    # an algorithm that stops by its own tolerance has no parameter for the number of checks
    if iterations.honours.get("tolerance", STEP) != STEP and options.tolerance.checks is not None:
        raise ConfigError(f"fit.tolerance.checks: algorithm={node.get('name')} supports only min_change")
    return options, iterations, node


def read_iteration_spec(node: Mapping[str, Any], task: Task) -> IterationSpec:
    """Read an algorithm's `iterations`; without it, no key of `fit` is honoured."""
    own = for_task(node.get("iterations") or {}, task, "algorithm.iterations")
    # through JSON, because a node is a dict, which the cache cannot hash
    return _iterations(json.dumps(own, sort_keys=True, default=str))


@lru_cache(maxsize=64)
def _iterations(text: str) -> IterationSpec:
    own = json.loads(text)
    own["target"] = own.pop("_target_", None)
    check_arguments(IterationSpec, own, "algorithm.iterations")
    return IterationSpec(**own)


def _not_honoured(key: str, name: str, iterations: IterationSpec) -> ConfigError:
    known = ", ".join(iterations.honours)
    hint = f"it honours: {known}" if known else "it does not iterate, and honours no key of fit"
    return ConfigError(f"fit.{key}: algorithm={name} cannot honour it", hint)


def make_fit_plan(
    options: FitOptions, iterations: IterationSpec, algorithm: Any, prunes: bool, trust: TargetResolver
) -> FitPlan:
    """Decide whether the fit is monitored, and whether a stepper does it.

    `prunes`: whether a tuner may prune the run.

    Raises
    ------
    ConfigError
        A key needs steps, and the algorithm has none with these parameters.
    """
    stepper = build({"_target_": iterations.target}, "algorithm.iterations", trust) if iterations.target else None
    reason = stepper.refuses(algorithm) if stepper else None if takes_report(algorithm) else "it has no steps"
    stepwise = [f"fit.{key}" for key in options.requested() if iterations.honours.get(key) == STEP]
    needed = [*stepwise, *(["fit.history"] if options.history else [])]
    if reason and needed:
        raise ConfigError(f"{needed[0]}: {type(algorithm).__name__} cannot be monitored: {reason}")
    # pruning needs steps, so a tuner that prunes turns them on even where `history` is false by default
    by_default = options.history is not False and (iterations.history or prunes)
    # defaults are filled in only for a monitored fit: an algorithm that runs its own loop has its own criteria
    if reason is not None or not (needed or by_default):
        return FitPlan(options, iterations)
    return FitPlan(_with_defaults(options, iterations), iterations, steps=True, stepper=stepper)


def takes_report(algorithm: Any) -> bool:
    """Return whether an algorithm reports its iterations itself."""
    return "report" in fit_parameters(algorithm)


def fit_parameters(algorithm: Any) -> Collection[str]:
    """Return the names of the parameters of an algorithm's `fit`."""
    # the function and not the bound method: the cache would keep each algorithm alive, and never find it again
    return _parameter_names(getattr(algorithm.fit, "__func__", algorithm.fit))


@lru_cache(maxsize=64)  # inspecting a signature takes longer than fitting a small model
def _parameter_names(function: Any) -> Collection[str]:
    return tuple(inspect.signature(function).parameters)


def _with_defaults(options: FitOptions, iterations: IterationSpec) -> FitOptions:
    """Return the options with the algorithm's defaults for keys that are null."""
    tolerance, patience, fraction = options.tolerance, options.patience, options.validation_fraction
    if tolerance.min_change is None and iterations.tolerance.get("min_change") is not None:
        tolerance = _own(Tolerance, iterations.tolerance, "tolerance")
    if patience.checks is None and iterations.patience.get("checks") is not None:
        patience = _own(Patience, iterations.patience, "patience")
        # patience needs rows to monitor, so the default of one brings the default of the other
        fraction = fraction or iterations.validation_fraction
    return replace(options, tolerance=tolerance, patience=patience, validation_fraction=fraction)


def _own(kind: Any, node: Mapping[str, Any], name: str) -> Any:
    check_arguments(kind, node, f"algorithm.iterations.{name}")
    return kind(**node)
