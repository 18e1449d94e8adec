"""The stop criteria of a fit. They see metrics only: neither data, nor models, nor files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.contract.errors import ConfigError, DivergedError
from runtree.contract.types import Direction

# a train loss this many times the first one has diverged, where `fit.divergence` is not set
DEFAULT_DIVERGENCE_FACTOR = 1000.0
ADVICE = "lower the learning rate, clip gradients, or scale the columns: preprocess=standard"


def value_of(metrics: Mapping[str, float], name: str, key: str) -> float:
    """Return a reported metric; `key` is the config key that names it, for the error."""
    # found at the first check and not before the fit: an algorithm reports losses that are known only while it runs
    if name not in metrics:
        reported = ", ".join(name for name in metrics if name not in ("seconds", "learning_rate"))
        raise ConfigError(f"{key}: '{name}' is not reported by this fit", f"reported are: {reported}")
    return metrics[name]


@dataclass
class NoImprovement:
    """Counts consecutive checks without an improvement of more than `least`; serves `tolerance` and `patience`.

    Parameters
    ----------
    metric, direction
        The metric, and whether it is to be maximized or minimized.
    least
        The smallest improvement that counts: ``best - value`` for a metric to minimize.
    checks
        The number of consecutive checks without improvement that ends the fit.
    strict
        Whether an improvement of exactly `least` is too small. With `least` 0: whether an equal value is none.
    """

    metric: str
    direction: Direction
    least: float
    checks: int
    strict: bool = False
    best: float = math.inf  # negated for a metric to maximize, so that less is better in all comparisons
    count: int = 0

    def met(self, value: float) -> bool:
        """Take the value of a check, and return whether the fit should end."""
        value = -value if self.direction == "maximize" else value
        gain = self.best - value
        improved = gain > self.least if self.strict else gain >= self.least
        self.count = 0 if improved else self.count + 1
        # patience (strict) measures from the best value that counted, so that many small steps can add up to an
        # improvement; tolerance measures the change between checks, so that the best value moves with every small step
        if improved or not self.strict:
            self.best = min(self.best, value)
        return self.count >= self.checks

    @property
    def improved(self) -> bool:
        """Whether the last check was an improvement."""
        return self.count == 0


@dataclass
class Divergence:
    """Raises DivergedError if a loss is not finite, or exceeds `factor` times `first`, the first loss."""

    factor: float
    first: float | None = None

    def watch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Examine the losses of a check."""
        # both losses must be finite, but only the train loss is compared with the first: a validation loss may rise
        # without divergence
        for name in ("train_loss", "validation_loss"):
            if name in metrics and not math.isfinite(metrics[name]):
                raise DivergedError(f"diverged at iteration {step}: {name} is {metrics[name]}", ADVICE)
        loss = metrics.get("train_loss")
        if loss is None:
            return
        # the absolute value: a loss such as a log likelihood of densities may be negative
        if self.first is None:
            self.first = abs(loss)
        # a first loss of 0 gives no scale: any later loss would be infinitely many times as large
        if self.first > 0 and loss > self.factor * self.first:
            raise DivergedError(
                f"diverged at iteration {step}: train_loss is {loss:.4g}, more than {self.factor:g} times the first",
                ADVICE,
            )


@dataclass
class StopRules:
    """All stop criteria of one fit; the first that is met gives the reason."""

    max_seconds: float | None = None
    tolerance: NoImprovement | None = None
    patience: NoImprovement | None = None
    divergence: Divergence = field(default_factory=lambda: Divergence(DEFAULT_DIVERGENCE_FACTOR))

    def check(self, step: int, metrics: Mapping[str, float], seconds: float) -> str | None:
        """Take the metrics of a check, and return the reason to stop, or None."""
        # first, because the criteria compare values, and NaN compares as false
        self.divergence.watch(step, metrics)
        # every criterion sees every check: one that is skipped would count wrongly in a resumed fit
        reasons = [
            name
            for name, rule in (("tolerance", self.tolerance), ("patience", self.patience))
            if rule is not None and rule.met(value_of(metrics, rule.metric, f"fit.{name}.metric"))
        ]
        # checked here, between iterations: an iteration is never cut off, so the model is a whole one
        if self.max_seconds is not None and seconds >= self.max_seconds:
            reasons.append("max_seconds")
        return reasons[0] if reasons else None

    def state(self) -> dict[str, Any]:
        """Return the counters as JSON, for a checkpoint; JSON has no infinity, so that "no value yet" is null."""
        counters = {
            name: [rule.best if math.isfinite(rule.best) else None, rule.count]
            for name, rule in (("tolerance", self.tolerance), ("patience", self.patience))
            if rule is not None
        }
        return {**counters, "first": self.divergence.first}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the counters of a checkpoint."""
        for name, rule in (("tolerance", self.tolerance), ("patience", self.patience)):
            if rule is not None and name in state:
                best, rule.count = state[name]
                rule.best = math.inf if best is None else best
        self.divergence.first = state.get("first")
