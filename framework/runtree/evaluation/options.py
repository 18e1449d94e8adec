"""Options of the evaluation: the keys of the group `evaluator` that change neither the model nor its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError


@dataclass(frozen=True)
class IntervalOptions:
    """Bootstrap intervals of the test metrics: their confidence level, and the number of resamples; 0 for none."""

    level: float = 0.95
    resamples: int = 2000


@dataclass(frozen=True)
class GateOptions:
    """The quality gate: bounds such as ``test.f1 >= 0.9``, and a champion to compare with."""

    metrics: list[str] = field(default_factory=list)
    run: str | int | None = None  # the beginning of an id may be a number


@dataclass(frozen=True)
class FairnessOptions:
    """Columns whose groups are compared, the metrics to compare, and the largest difference that is allowed."""

    columns: list[str] = field(default_factory=list)
    metrics: str | list[str] = "auto"
    max_gap: float | int | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """All options of the evaluation; `conf/evaluator/_evaluation_.yaml` explains them."""

    intervals: IntervalOptions = field(default_factory=IntervalOptions)
    baselines: Literal["auto", "none"] | str | list[str] = "auto"
    benchmark: GateOptions = field(default_factory=GateOptions)
    diagnose: Literal["none", "quick", "full"] = "quick"
    explain: Literal["none", "auto", "full"] = "auto"
    fairness: FairnessOptions = field(default_factory=FairnessOptions)
    strict: bool = False
    report: bool = True


BLOCKS: Mapping[str, type] = {"intervals": IntervalOptions, "benchmark": GateOptions, "fairness": FairnessOptions}


def read_evaluation_options(node: Mapping[str, Any]) -> EvaluationOptions:
    """Read the options from an `evaluator` node, whose other keys belong to the evaluator itself.

    Raises
    ------
    ConfigError
        A block has an unknown key, or a value has the wrong type or is out of range.
    """
    # the evaluator's node holds both kinds of keys, so that a user types `evaluator.` for all of them
    own = {option.name: node[option.name] for option in fields(EvaluationOptions) if option.name in node}
    return read_block(EvaluationOptions, own, "evaluator", BLOCKS, _check)


def _check(options: EvaluationOptions) -> None:
    if not 0 < options.intervals.level < 1:
        raise ConfigError(f"evaluator.intervals.level must be between 0 and 1, got {options.intervals.level}")
    if options.intervals.resamples < 0:
        raise ConfigError(f"evaluator.intervals.resamples must not be negative, got {options.intervals.resamples}")
