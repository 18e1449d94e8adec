"""What a run is examined for: keys of the group `evaluator` that change neither the model nor its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError


@dataclass(frozen=True)
class IntervalOptions:
    """Bootstrap intervals of each test metric: how likely each holds the true value, and from how many resamples."""

    level: float = 0.95
    resamples: int = 2000


@dataclass(frozen=True)
class GateOptions:
    """What a run must come to: bounds such as ``test.f1 >= 0.9``, and a run that it must beat."""

    metrics: list[str] = field(default_factory=list)
    run: str | int | None = None  # the beginning of an id may be a number


@dataclass(frozen=True)
class FairnessOptions:
    """Columns whose groups are to be served alike, by which metrics, and by how much these may differ."""

    columns: list[str] = field(default_factory=list)
    metrics: str | list[str] = "auto"
    max_gap: float | int | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """All of them; `conf/evaluator/_examination_.yaml` says what each is."""

    intervals: IntervalOptions = field(default_factory=IntervalOptions)
    baselines: str | list[str] = "auto"
    benchmark: GateOptions = field(default_factory=GateOptions)
    diagnose: str = "quick"
    explain: str = "auto"
    fairness: FairnessOptions = field(default_factory=FairnessOptions)
    report: bool = True


BLOCKS: Mapping[str, type] = {"intervals": IntervalOptions, "benchmark": GateOptions, "fairness": FairnessOptions}
CHOICES: Mapping[str, tuple[str, ...]] = {"diagnose": ("none", "quick", "full"), "explain": ("none", "auto", "full")}
KEYS = tuple(one.name for one in fields(EvaluationOptions))


def read_evaluation_options(node: Mapping[str, Any]) -> EvaluationOptions:
    """Read them from an `evaluator` node.

    Raises
    ------
    ConfigError
        An unknown key of a block, a value of the wrong type, or one that cannot be.
    """
    own = {key: node[key] for key in KEYS if key in node}
    return read_block(EvaluationOptions, own, "evaluator", BLOCKS, _check)


def _check(options: EvaluationOptions) -> None:
    if not 0 < options.intervals.level < 1:
        raise ConfigError(f"evaluator.intervals.level: {options.intervals.level} is no share between 0 and 1")
    if options.intervals.resamples < 0:
        raise ConfigError(f"evaluator.intervals.resamples: {options.intervals.resamples} is less than 0")
    for name, known in CHOICES.items():
        value = getattr(options, name)
        if value not in known:
            raise ConfigError(f"evaluator.{name}: {value!r} is not one of {', '.join(known)}")
