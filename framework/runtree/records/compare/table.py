"""What is asked of a comparison, and what is known of metrics."""

from collections.abc import Callable, Mapping
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
class KnownMetrics:
    """What is known of metrics: which way each is better, and those that can be computed."""

    directions: Mapping[str, str]
    metrics: Mapping[str, Metric]


# --- What came of a comparison: a line for each configuration.


@dataclass(frozen=True)
class ComparisonRow:
    """One configuration: its runs, how good it is, and what came of comparing it.

    `p` and `p_baseline` are corrected; `tied` is None where nothing could be tested.
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
        """Tell whether it is the best."""
        return self.best is None

    @cached_property
    def fit_seconds(self) -> float | None:
        """Return the mean seconds of a fit."""
        told = [record.stages["fit"] for record in self.records if isinstance(record.stages.get("fit"), int | float)]
        return fmean(told) if told else None

    @cached_property
    def bytes(self) -> float | None:
        """Return the mean bytes of the models that were kept."""
        kept = [RunFolder(record.folder).model for record in self.records]
        sizes = [disk_usage(path) for path in kept if path.is_dir()]
        return fmean(sizes) if sizes else None

    def top(self, measure: RankingMetric) -> RunRecord:
        """Return the run with the best score."""
        return max(self.records, key=lambda record: measure.sign * float(record.metrics[measure.part][measure.metric]))


@dataclass(frozen=True)
class ComparisonTable:
    """All that is told of a comparison.

    Attributes
    ----------
    lines
        The configurations that are shown, of `total`.
    runs, unfinished, unscored
        How many runs are compared, were left out as they are not completed, and as they lack the metric.
    obstacles
        In what they do not compare, though they were forced to.
    test_looks
        How often the test part was looked at, where it is what they are compared by and somebody counted.
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


# --- The best configuration of a comparison, or the cheapest of those that are tied with it.

Cost = Callable[[ComparisonRow], float | None]
COSTS: Mapping[str, Cost] = {
    "fit_seconds": lambda line: line.fit_seconds,
    "size": lambda line: line.bytes,
    "seconds": lambda line: _mean([record.seconds for record in line.records]),
}


@dataclass(frozen=True)
class CostChoice:
    """The line that was chosen, by what, and its cost where cost decided; `run` is its run with the best score."""

    line: ComparisonRow
    run: RunRecord
    tied: int
    by: str | None = None
    cost: float | None = None
    cost_of_best: float | None = None


def choose_configuration(table: ComparisonTable, by: str | None, known: KnownMetrics) -> CostChoice:
    """Return the best line, or where `by` names a cost the cheapest of those that are tied with it.

    Raises
    ------
    RequestError
        A cost that nobody knows, or that none of the tied tells.
    """
    tied = [line for line in table.lines if line.tied]
    best = tied[0]
    if by is None:
        return CostChoice(best, best.top(table.measure), len(tied))
    cost, sign = parse_cost(by, table, known)
    told = [(sign * found, line.rank, line) for line in tied if (found := cost(line)) is not None]
    if not told:
        raise RequestError(
            f"--by: none of the tied tells its {by}",
            "models that were not kept have no size: keep them by tuner.keep=all",
        )
    line = min(told, key=lambda one: one[:2])[2]
    return CostChoice(line, line.top(table.measure), len(tied), by, cost(line), cost(best))


def parse_cost(by: str, table: ComparisonTable, known: KnownMetrics) -> tuple[Cost, int]:
    """Return what `by` names, and 1 where less of it is better, else -1."""
    if by in COSTS:
        return COSTS[by], 1
    metrics = {
        f"{part}.{name}" for line in table.lines for record in line.records for part in record.metrics
        for name in record.metrics[part]
    }  # fmt: skip
    try:
        name = resolve_name(by, metrics)
    except RequestError:
        raise unknown("cost", by, {*COSTS, *metrics}) from None
    less = known.directions.get(name.partition(".")[2], "maximize") == "minimize"
    return (lambda line: _mean([record_value(record, name) for record in line.records])), 1 if less else -1


def _mean(found: list[Any]) -> float | None:
    told = [float(one) for one in found if isinstance(one, int | float)]
    return sum(told) / len(told) if told else None
