"""The `decision` block: whether chances are calibrated, and from which chance on a row is of the second class."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError

METHODS = ("sigmoid", "isotonic", "temperature")
COST = "cost"
Number = float | int


@dataclass(frozen=True)
class Cost:
    """What a wrong answer costs, in any unit: a row that is taken for the second class, and one that is missed."""

    false_positive: Number | None = None
    false_negative: Number | None = None


@dataclass(frozen=True)
class DecisionOptions:
    """All of the block; see docs/diagnosis.md."""

    calibrate: str | None = None
    threshold: str | Number | None = None
    cost: Cost = field(default_factory=Cost)

    @property
    def asked(self) -> bool:
        """Whether the model is changed at all."""
        return self.calibrate is not None or self.threshold is not None

    @property
    def learns(self) -> bool:
        """Whether something of it is learnt from rows that the model did not see."""
        return self.calibrate is not None or isinstance(self.threshold, str)


def decision_options(node: Mapping[str, Any]) -> DecisionOptions:
    """Read a `decision` node.

    Raises
    ------
    ConfigError
        An unknown key, a value of the wrong type, or one that cannot be.
    """
    return read_block(DecisionOptions, node, "decision", {"cost": Cost}, _check)


def _check(options: DecisionOptions) -> None:
    threshold, cost = options.threshold, options.cost
    if options.calibrate is not None and options.calibrate not in METHODS:
        raise ConfigError(f"decision.calibrate: {options.calibrate!r} is not one of {', '.join(METHODS)}")
    if isinstance(threshold, bool) or (isinstance(threshold, (int, float)) and not 0 < threshold < 1):
        raise ConfigError(
            f"decision.threshold: {threshold} is no chance between 0 and 1", "or name a metric, or type cost"
        )
    told = [value for value in (cost.false_positive, cost.false_negative) if value is not None]
    if threshold == COST and (len(told) < 2 or min(told) < 0 or not sum(told)):
        raise ConfigError(
            "decision.threshold=cost needs what both errors cost",
            "type: decision.cost.false_positive=1 decision.cost.false_negative=5",
        )
    if told and threshold != COST:
        raise ConfigError("decision.cost: nobody asks what errors cost", "type: decision.threshold=cost")
