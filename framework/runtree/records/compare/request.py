"""What is asked of a comparison, and what is known of metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runtree.contract.types import Metric

Correction = Literal["holm", "bh", "none"]


@dataclass(frozen=True)
class Request:
    """What is asked: the words that say which runs, the metric, the baseline, and how to test."""

    words: tuple[str, ...] = ()
    metric: str | None = None
    baseline: str | None = None
    where: tuple[str, ...] = ()
    alpha: float = 0.05
    correction: Correction = "holm"
    most: int | None = 20
    force: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of metrics: which way each is better, and those that can be computed."""

    directions: Mapping[str, str]
    metrics: Mapping[str, Metric]
