"""The `fit` block: when an algorithm that iterates stops. What is null is left to the algorithm."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError


@dataclass(frozen=True)
class Tolerance:
    """The error improves by less than `min_change`, `checks` checks in a row."""

    metric: str = "train_loss"
    min_change: float | int | None = None
    checks: int | None = None


@dataclass(frozen=True)
class Patience:
    """A metric of the rows that are watched does not improve by more than `min_delta` in `checks` checks in a row."""

    metric: str | None = None
    checks: int | None = None
    min_delta: float | int = 0.0
    restore_best: bool = True


@dataclass(frozen=True)
class Checkpoint:
    """How often the state is kept: each `every` iterations, or each `minutes`; the best `keep` and the last stay."""

    every: int | None = None
    minutes: float | int | None = None
    keep: int = 1


@dataclass(frozen=True)
class FitOptions:
    """All of the block; see docs/training.md."""

    max_iterations: int | None = None
    max_seconds: float | int | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    patience: Patience = field(default_factory=Patience)
    divergence: float | int | None = None
    validation_fraction: float | None = None
    every: int | None = None
    history: bool | None = None
    metrics: str | list[str] = "auto"
    checkpoint: Checkpoint = field(default_factory=Checkpoint)

    def asked(self) -> dict[str, Any]:
        """Return what is asked of the algorithm, by key."""
        found = {
            "max_iterations": self.max_iterations,
            "max_seconds": self.max_seconds,
            "tolerance": self.tolerance.min_change,
            "patience": self.patience.checks,
            "divergence": self.divergence,
            "checkpoint": self.checkpoint.every or self.checkpoint.minutes,
        }
        return {key: value for key, value in found.items() if value is not None}


PARTS = {"tolerance": Tolerance, "patience": Patience, "checkpoint": Checkpoint}
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
    return read_block(FitOptions, node, "fit", PARTS, _check_bounds)


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
