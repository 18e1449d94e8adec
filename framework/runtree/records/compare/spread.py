"""How good a configuration is, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtree.contract.types import Metric
from runtree.records.compare.duel import RESAMPLES
from runtree.records.compare.evidence import Evidence, Unreadable

if TYPE_CHECKING:
    from runtree.statistics.comparison import Comparison


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over runs, and an interval; `over` says what it rests on."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    over: str
    why: str = ""


def spread(own: Sequence[Evidence], metrics: Mapping[str, Metric], level: float) -> Spread:
    """Return how a configuration did.

    The interval is one over folds, else over seeds: Student's t, its variance corrected for train parts that overlap
    (Nadeau & Bengio 2003). Of one run without folds it is the bootstrap of its predictions.
    """
    from statistics import fmean, stdev

    scores = [run.score for run in own]
    low, high, over, why = _interval(own, scores, metrics, level)
    return Spread(len(own), fmean(scores), stdev(scores) if len(scores) > 1 else None, low, high, over, why)


def _interval(
    own: Sequence[Evidence], scores: Sequence[float], metrics: Mapping[str, Metric], level: float
) -> tuple[float | None, float | None, str, str]:
    from runtree.statistics.paired import corrected_t, paired_t

    share = own[0].share
    if all(run.folds for run in own) and share is not None:
        return *_limits(corrected_t([value for run in own for value in run.folds], share, level)), "folds", ""
    if len(own) == 1:
        return _of_rows(own[0], metrics, level)
    if len({run.place for run in own}) == 1 or share is None:
        return *_limits(paired_t(scores, level)), "seeds", ""
    return *_limits(corrected_t(scores, share, level)), "seeds", ""


def _limits(found: "Comparison") -> tuple[float | None, float | None]:
    known = math.isfinite(found.low) and found.low < found.high  # equal scores tell nothing of others
    return (found.low, found.high) if known else (None, None)


def _of_rows(run: Evidence, metrics: Mapping[str, Metric], level: float) -> tuple[float | None, float | None, str, str]:
    from runtree.statistics.bootstrap import bootstrap

    metric = metrics.get(run.measure.metric)
    if metric is None or run.measure.part == "train":
        return None, None, "", ""
    try:
        answers, _ = run.answers()
    except Unreadable as error:
        return None, None, "", str(error)
    found = bootstrap(answers, [metric], RESAMPLES, level, seed=0).get(metric.name)
    if found is None or not found.known:
        return None, None, "", f"resamples of {run.record.id} do not vary, or {metric.name} is not defined on them"
    return found.low, found.high, "rows", ""
