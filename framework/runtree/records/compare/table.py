"""The request of a comparison, its result, and the choice of the best or the cheapest configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

from runtree.contract.errors import RequestError, unknown
from runtree.contract.types import Metric, RunRecord
from runtree.records.cleanup import disk_usage
from runtree.records.compare.comparability import Mismatch
from runtree.records.compare.configurations import RankingMetric
from runtree.records.compare.pairwise_test import Dispersion, PairwiseTest
from runtree.records.layout import RunFolder
from runtree.records.query import record_value, resolve_name

Correction = Literal["holm", "bh", "none"]


@dataclass(frozen=True)
class CompareRequest:
    """Which runs to compare, by which metric, against which baseline, and how to test."""

    words: tuple[str, ...] = ()
    metric: str | None = None
    baseline: str | None = None
    where: tuple[str, ...] = ()
    alpha: float = 0.05
    correction: Correction = "holm"
    most: int | None = 20
    force: bool = False


@dataclass(frozen=True)
class KnownMetrics:
    """The direction of each metric, and the metrics that can be computed."""

    directions: Mapping[str, str]
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class ComparisonRow:
    """One configuration and its tests.

    Attributes
    ----------
    followers
        Config keys that follow the seed, and the seed: they differ within the configuration.
    repeated
        Number of older runs with the seed and the split of another, which are left out.
    best, baseline
        The tests against the best configuration (None for that one) and against the baseline.
    p, p_baseline
        Their p values, corrected for several tests.
    tied
        Whether it does not differ significantly from the best; None if that could not be tested.
    """

    rank: int
    records: tuple[RunRecord, ...]
    followers: frozenset[str]
    repeated: int
    spread: Dispersion
    best: PairwiseTest | None
    baseline: PairwiseTest | None
    p: float | None
    p_baseline: float | None
    tied: bool | None
    is_baseline: bool

    @property
    def leader(self) -> bool:
        """Return whether it is the best."""
        return self.best is None

    @cached_property
    def fit_seconds(self) -> float | None:
        """Return the mean seconds of a fit."""
        return _mean([record.stages.get("fit") for record in self.records])

    @cached_property
    def bytes(self) -> float | None:
        """Return the mean bytes of the models that were kept."""
        kept = [RunFolder(record.folder).model for record in self.records]
        sizes = [disk_usage(path) for path in kept if path.is_dir()]
        return fmean(sizes) if sizes else None

    def top(self, measure: RankingMetric) -> RunRecord:
        """Return the run with the best score; of those with a model if there are any, as a sweep keeps few models."""
        kept = [record for record in self.records if RunFolder(record.folder).model.is_dir()]
        return max(
            kept or self.records, key=lambda record: measure.sign * float(record.metrics[measure.part][measure.metric])
        )


@dataclass(frozen=True)
class ComparisonTable:
    """The result of a comparison.

    Attributes
    ----------
    lines
        The configurations that are shown, out of `total`.
    runs, unfinished, unscored
        The number of runs that are compared, that are left out because they are not completed, and because they lack
        the metric.
    obstacles
        Why the runs are not comparable, if the user forced the comparison.
    test_looks
        How often the test set was used; None if the metric is of another split, or it was never counted.
    """

    request: CompareRequest
    measure: RankingMetric
    lines: tuple[ComparisonRow, ...]
    total: int
    runs: int
    unfinished: int
    unscored: int
    obstacles: tuple[Mismatch, ...]
    test_looks: Mapping[str, Any] | None


Cost = Callable[[ComparisonRow], float | None]
COSTS: Mapping[str, Cost] = {
    "fit_seconds": lambda line: line.fit_seconds,
    "size": lambda line: line.bytes,
    "seconds": lambda line: _mean([record.seconds for record in line.records]),
}


@dataclass(frozen=True)
class CostChoice:
    """The configuration that was chosen and its run with the best score; and its cost, if `by` names one."""

    line: ComparisonRow
    run: RunRecord
    tied: int
    by: str | None = None
    cost: float | None = None
    cost_of_best: float | None = None


def choose_configuration(table: ComparisonTable, by: str | None, known: KnownMetrics) -> CostChoice:
    """Return the best configuration, or, if `by` names a cost, the cheapest of those that are tied with it.

    Raises
    ------
    RequestError
        The cost is unknown, or no tied configuration has it.
    """
    tied = [line for line in table.lines if line.tied]
    best = tied[0]
    if by is None:
        return CostChoice(best, best.top(table.measure), len(tied))
    cost, sign = parse_cost(by, table, known)
    candidates = [(sign * value, line.rank, line) for line in tied if (value := cost(line)) is not None]
    if not candidates:
        raise RequestError(
            f"--by: no tied configuration has {by}",
            "models that were not kept have no size: keep them with tuner.keep=all",
        )
    line = min(candidates, key=lambda candidate: candidate[:2])[2]
    return CostChoice(line, line.top(table.measure), len(tied), by, cost(line), cost(best))


def parse_cost(by: str, table: ComparisonTable, known: KnownMetrics) -> tuple[Cost, int]:
    """Return the cost that `by` names, and 1 if a smaller one is better, else -1."""
    if by in COSTS:
        return COSTS[by], 1
    records = [record for line in table.lines for record in line.records]
    metrics = {f"{part}.{name}" for record in records for part, scores in record.metrics.items() for name in scores}
    try:
        full = resolve_name(by, metrics)
    except RequestError:
        raise unknown("cost", by, {*COSTS, *metrics}) from None
    sign = 1 if known.directions.get(full.partition(".")[2], "maximize") == "minimize" else -1
    return (lambda line: _mean([record_value(record, full) for record in line.records])), sign


def _mean(values: Sequence[Any]) -> float | None:
    """Return the mean of the numbers among some values, None if there are none."""
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return fmean(numbers) if numbers else None
