"""When a fit stops: counters over what is told at each check. They know neither data nor models, nor files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.contract.errors import ConfigError, DivergedError
from runtree.contract.types import Direction

DEFAULT_DIVERGENCE_FACTOR = 1000.0  # a train loss so many times the first one, where fit.divergence says nothing


def value_of(metrics: Mapping[str, float], name: str, key: str) -> float:
    """Return one of the metrics told, or say which there are."""
    if name not in metrics:
        told = ", ".join(name for name in metrics if name not in ("seconds", "learning_rate"))
        raise ConfigError(f"{key}: '{name}' is not told by this fit", f"told are: {told}")
    return metrics[name]


@dataclass
class NoImprovement:
    """Counts checks in which the best value so far improves by less than `least`.

    Parameters
    ----------
    metric, direction
        What is looked at, and whether more or less is better.
    least
        The improvement that counts: `best before - value` (mirrored for maximize).
    checks
        How many in a row end the fit.
    strict
        Whether an improvement of just `least` is too small: with `least` 0, whether standing still is.
    """

    metric: str
    direction: Direction
    least: float
    checks: int
    strict: bool = False
    best: float = math.inf
    count: int = 0

    def met(self, value: float) -> bool:
        """Take the value of a check, and tell whether the fit is to end."""
        value = -value if self.direction == "maximize" else value
        gain = self.best - value
        improved = gain > self.least if self.strict else gain >= self.least
        self.count = 0 if improved else self.count + 1
        if improved or not self.strict:
            self.best = min(self.best, value)
        return self.count >= self.checks

    @property
    def improved(self) -> bool:
        """Tell whether the last check was an improvement."""
        return self.count == 0


@dataclass
class Divergence:
    """Raises where a loss is no number, or is more than `factor` times what it was at `first`."""

    factor: float
    first: float | None = None

    def watch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Look at the losses of a check."""
        for name in ("train_loss", "validation_loss"):
            if name in metrics and not math.isfinite(metrics[name]):
                raise DivergedError(f"diverged at iteration {step}: {name} is {metrics[name]}", ADVICE)
        loss = metrics.get("train_loss")
        if loss is None:
            return
        if self.first is None:
            self.first = abs(loss)
        if self.first > 0 and loss > self.factor * self.first:
            raise DivergedError(
                f"diverged at iteration {step}: train_loss is {loss:.4g}, more than {self.factor:g} times what it was",
                ADVICE,
            )


ADVICE = "lower the learning rate, clip gradients, or scale the columns: preprocess=standard"


@dataclass
class StopRules:
    """All rules of one fit; the first that is met names the reason."""

    max_seconds: float | None = None
    tolerance: NoImprovement | None = None
    patience: NoImprovement | None = None
    divergence: Divergence = field(default_factory=lambda: Divergence(DEFAULT_DIVERGENCE_FACTOR))

    def check(self, step: int, metrics: Mapping[str, float], seconds: float) -> str | None:
        """Take a check's metrics, and return why the fit ends, or None."""
        self.divergence.watch(step, metrics)
        reasons = [
            name
            for name, rule in (("tolerance", self.tolerance), ("patience", self.patience))
            if rule is not None and rule.met(value_of(metrics, rule.metric, f"fit.{name}.metric"))
        ]
        if self.max_seconds is not None and seconds >= self.max_seconds:
            reasons.append("max_seconds")
        return reasons[0] if reasons else None

    def state(self) -> dict[str, Any]:
        """Return what the rules have counted, for a checkpoint."""
        counted = {
            name: [rule.best if math.isfinite(rule.best) else None, rule.count]
            for name, rule in (("tolerance", self.tolerance), ("patience", self.patience))
            if rule is not None
        }
        return {**counted, "first": self.divergence.first}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what was counted before."""
        for name, rule in (("tolerance", self.tolerance), ("patience", self.patience)):
            if rule is not None and name in state:
                best, rule.count = state[name]
                rule.best = math.inf if best is None else best
        self.divergence.first = state.get("first")
