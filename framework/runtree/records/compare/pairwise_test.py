"""Two configurations compared: how their runs pair, and by which test that is judged.

Runs pair where seed, data and split are the same. Fold scores are compared fold by fold; several pairs seed by seed;
one pair row by row, on what both answered. `docs/statistics.md` says why, and where each test is from.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Metric
from runtree.records.compare.run_data import MissingDataError, RunData

if TYPE_CHECKING:
    from runtree.statistics.comparison import Comparison

RESAMPLES = 2000
GROUPED = "rows of one group were taken as independent, so p is too small: compare by folds or seeds"
Pair = tuple[RunData, RunData]


@dataclass(frozen=True)
class PairwiseTest:
    """What came of it: one - other in the metric's own unit, or why nothing did."""

    comparison: "Comparison | None"
    over: str = ""
    why: str = ""

    @property
    def p(self) -> float:
        """Return the p value; NaN where there is none."""
        return math.nan if self.comparison is None else self.comparison.p


def run_pairwise_test(
    one: Sequence[RunData], other: Sequence[RunData], metrics: Mapping[str, Metric], level: float
) -> PairwiseTest:
    """Compare two configurations by the strongest test that their runs allow."""
    pairs = pair_runs(one, other)
    if not pairs:
        return PairwiseTest(None, why="no two of their runs have the same seed, data and split")
    if pairs[0][0].measure.part == "train":
        return PairwiseTest(None, why="scores on the rows that a model was fitted on say nothing of others")
    if all(mine.folds and len(mine.folds) == len(others.folds) for mine, others in pairs):
        return _over_folds(pairs, level)
    return _over_seeds(pairs, level) if len(pairs) > 1 else _over_rows(pairs[0], metrics, level)


def pair_runs(one: Sequence[RunData], other: Sequence[RunData]) -> list[Pair]:
    """Return the runs that have the same seed, data and split, which must be known."""
    known = {_key(run): run for run in other if None not in run.place}
    return [(run, known[key]) for run in one if (key := _key(run)) in known]


def _key(run: RunData) -> tuple[Any, ...]:
    return repr(run.record.config.get("seed")), *run.place


def _over_folds(pairs: Sequence[Pair], level: float) -> PairwiseTest:
    from runtree.statistics.paired_test import corrected_t

    differences = [a - b for mine, others in pairs for a, b in zip(mine.folds, others.folds, strict=True)]
    share = pairs[0][0].share
    if share is None:
        return PairwiseTest(None, why="nothing tells how many folds there were")
    return PairwiseTest(corrected_t(differences, share, level), "folds")


def _over_seeds(pairs: Sequence[Pair], level: float) -> PairwiseTest:
    from runtree.statistics.paired_test import corrected_t, paired_t

    differences = [mine.score - others.score for mine, others in pairs]
    if len({mine.place for mine, _ in pairs}) == 1:  # the same rows each time: the seed is all that varies
        return PairwiseTest(paired_t(differences, level), "seeds on one split")
    share = pairs[0][0].share
    if share is None:
        return PairwiseTest(
            None, why=f"{pairs[0][0].record.id} does not tell the sizes of its parts: there is no data.json"
        )
    return PairwiseTest(corrected_t(differences, share, level), "seeds")


def _over_rows(pair: Pair, metrics: Mapping[str, Metric], level: float) -> PairwiseTest:
    try:
        (one, rows), (other, others) = (run.answers() for run in pair)
    except MissingDataError as error:
        return PairwiseTest(None, why=str(error))
    if len(rows) != len(others) or (rows != others).any():
        return PairwiseTest(None, why="their predictions are of other rows")
    name = pair[0].measure.metric
    metric = metrics.get(name)
    if metric is None:
        return PairwiseTest(None, why=f"nobody offers the metric {name} any more")
    from runtree.statistics.paired_test import compare_predictions

    try:
        found = compare_predictions(one, other, metric, RESAMPLES, level, seed=0)
    except ValueError as error:
        return PairwiseTest(None, why=str(error))
    grouped = pair[0].record.config.get("data.group") is not None
    return PairwiseTest(replace(found, note="; ".join(filter(None, [found.note, GROUPED if grouped else ""]))), "rows")


# --- How good a configuration is, and how sure that is.

if TYPE_CHECKING:
    from runtree.statistics.comparison import Comparison


@dataclass(frozen=True)
class Dispersion:
    """Mean and standard deviation over runs, and an interval; `over` says what it rests on."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    over: str
    why: str = ""


def measure_dispersion(own: Sequence[RunData], metrics: Mapping[str, Metric], level: float) -> Dispersion:
    """Return how a configuration did.

    The interval is one over folds, else over seeds: Student's t, its variance corrected for train parts that overlap
    (Nadeau & Bengio 2003). Of one run without folds it is the bootstrap of its predictions.
    """
    from statistics import fmean, stdev

    scores = [run.score for run in own]
    low, high, over, why = _interval(own, scores, metrics, level)
    return Dispersion(len(own), fmean(scores), stdev(scores) if len(scores) > 1 else None, low, high, over, why)


def _interval(
    own: Sequence[RunData], scores: Sequence[float], metrics: Mapping[str, Metric], level: float
) -> tuple[float | None, float | None, str, str]:
    from runtree.statistics.paired_test import corrected_t, paired_t

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


def _of_rows(run: RunData, metrics: Mapping[str, Metric], level: float) -> tuple[float | None, float | None, str, str]:
    from runtree.statistics.bootstrap import bootstrap

    metric = metrics.get(run.measure.metric)
    if metric is None or run.measure.part == "train":
        return None, None, "", ""
    try:
        answers, _ = run.answers()
    except MissingDataError as error:
        return None, None, "", str(error)
    found = bootstrap(answers, [metric], RESAMPLES, level, seed=0).get(metric.name)
    if found is None or not found.known:
        return None, None, "", f"resamples of {run.record.id} do not vary, or {metric.name} is not defined on them"
    return found.low, found.high, "rows", ""
