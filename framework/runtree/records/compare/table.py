"""What came of a comparison: a line for each configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from runtree.contract.types import RunRecord
from runtree.records.compare.duel import Duel
from runtree.records.compare.measure import Measure
from runtree.records.compare.obstacles import Obstacle
from runtree.records.compare.request import Request
from runtree.records.compare.spread import Spread
from runtree.records.folder import RunFolder
from runtree.records.removal import size


@dataclass(frozen=True)
class Line:
    """One configuration: its runs, how good it is, and what came of comparing it.

    `p` and `p_baseline` are corrected; `tied` is None where nothing could be tested.
    """

    rank: int
    records: tuple[RunRecord, ...]
    followers: frozenset[str]
    repeated: int
    spread: Spread
    best: Duel | None
    baseline: Duel | None
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
        sizes = [size(path) for path in kept if path.is_dir()]
        return fmean(sizes) if sizes else None

    def top(self, measure: Measure) -> RunRecord:
        """Return the run with the best score."""
        return max(self.records, key=lambda record: measure.sign * float(record.metrics[measure.part][measure.metric]))


@dataclass(frozen=True)
class Table:
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

    request: Request
    measure: Measure
    lines: tuple[Line, ...]
    total: int
    runs: int
    unfinished: int
    unscored: int
    obstacles: tuple[Obstacle, ...]
    test_looks: Mapping[str, Any] | None
