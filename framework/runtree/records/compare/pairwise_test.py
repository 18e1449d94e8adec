"""Statistics of configurations: the test of two of them, and the mean and interval of one.

Runs are paired if seed, data and split are the same. Fold scores are compared fold by fold; several pairs seed by seed;
a single pair row by row, by its predictions. docs/statistics.md gives the reasons, and the source of each test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Metric
from runtree.records.compare.run_data import MissingDataError, RunData

if TYPE_CHECKING:
    from runtree.statistics.comparison import Comparison

RESAMPLES = 2000
GROUPED = "rows of one group were treated as independent, so p is too small: compare by folds or seeds"
Pair = tuple[RunData, RunData]
Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class PairwiseTest:
    """The comparison first - second in the unit of the metric, with its basis `over`; or `why` there is none."""

    comparison: "Comparison | None"
    over: str = ""
    why: str = ""

    @property
    def p(self) -> float:
        """Return the p value, NaN if there is no comparison."""
        return math.nan if self.comparison is None else self.comparison.p


def run_pairwise_test(
    first: Sequence[RunData], second: Sequence[RunData], metrics: Mapping[str, Metric], level: float
) -> PairwiseTest:
    """Compare two configurations by the most powerful test that their runs permit."""
    pairs = pair_runs(first, second)
    if not pairs:
        return PairwiseTest(None, why="no two of their runs have the same seed, data and split")
    if pairs[0][0].measure.part == "train":
        return PairwiseTest(None, why="training scores do not generalize to other rows")
    metric = metrics.get(pairs[0][0].measure.metric)
    if all(a.folds and len(a.folds) == len(b.folds) for a, b in pairs):
        return _within_bounds(_test_folds(pairs, level), metric)
    if len(pairs) > 1:
        return _within_bounds(_test_seeds(pairs, level), metric)
    return _test_rows(pairs[0], metrics, level)


def _within_bounds(test: PairwiseTest, metric: Metric | None) -> PairwiseTest:
    """Cut the limits of Student's interval to differences that two values of the metric can have."""
    from runtree.statistics.comparison import clip

    if test.comparison is None or metric is None:
        return test
    largest = metric.bounds[1] - metric.bounds[0]
    low, high = (clip(limit, (-largest, largest)) for limit in (test.comparison.low, test.comparison.high))
    return replace(test, comparison=replace(test.comparison, low=low, high=high))


def pair_runs(first: Sequence[RunData], second: Sequence[RunData]) -> list[Pair]:
    """Return the pairs of runs with the same seed, data and split. An unknown data or split makes no pair."""
    by_key = {_pair_key(run): run for run in second if None not in run.place}
    return [(run, by_key[key]) for run in first if (key := _pair_key(run)) in by_key]


def have_equal_scores(first: Sequence[RunData], second: Sequence[RunData]) -> bool:
    """Return whether each run of one configuration has exactly the score of its pair, and all have one."""
    pairs = pair_runs(first, second)
    return len(pairs) == len(first) == len(second) and all(a.score == b.score for a, b in pairs)


def _pair_key(run: RunData) -> tuple[Any, ...]:
    return repr(run.record.config.get("seed")), *run.place


def _test_folds(pairs: Sequence[Pair], level: float) -> PairwiseTest:
    from runtree.statistics.paired_test import corrected_t

    differences = [a - b for first, second in pairs for a, b in zip(first.folds, second.folds, strict=True)]
    ratio = pairs[0][0].test_train_ratio
    if ratio is None:
        return PairwiseTest(None, why="the number of folds is unknown")
    return PairwiseTest(corrected_t(differences, ratio, level), "folds")


def _test_seeds(pairs: Sequence[Pair], level: float) -> PairwiseTest:
    from runtree.statistics.paired_test import corrected_t, paired_t

    differences = [first.score - second.score for first, second in pairs]
    if len({first.place for first, _ in pairs}) == 1:  # the same rows each time: only the seed varies
        return PairwiseTest(paired_t(differences, level), "seeds on one split")
    # the training sets of different splits overlap, so the scores are not independent
    ratio = pairs[0][0].test_train_ratio
    if ratio is None:
        reason = f"the sizes of the splits of {pairs[0][0].record.id} are unknown: there is no data.json"
        return PairwiseTest(None, why=reason)
    return PairwiseTest(corrected_t(differences, ratio, level), "seeds")


def _test_rows(pair: Pair, metrics: Mapping[str, Metric], level: float) -> PairwiseTest:
    try:
        (first, first_rows), (second, second_rows) = (run.read_predictions() for run in pair)
    except MissingDataError as error:
        return PairwiseTest(None, why=str(error))
    if len(first_rows) != len(second_rows) or (first_rows != second_rows).any():
        return PairwiseTest(None, why="their predictions are of other rows")
    metric = metrics.get(pair[0].measure.metric)
    if metric is None:
        return PairwiseTest(None, why=f"metric {pair[0].measure.metric} is not registered (is a plugin missing?)")
    from runtree.statistics.paired_test import compare_predictions

    try:
        result = compare_predictions(first, second, metric, RESAMPLES, level, seed=0)
    except ValueError as error:
        return PairwiseTest(None, why=str(error))
    grouped = pair[0].record.config.get("data.group") is not None
    note = "; ".join(filter(None, [result.note, GROUPED if grouped else ""]))
    return PairwiseTest(replace(result, note=note), "rows")


@dataclass(frozen=True)
class Dispersion:
    """Mean and standard deviation over runs, and an interval with its basis `over`; or `why` there is none."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    over: str
    why: str = ""


def measure_dispersion(runs: Sequence[RunData], metrics: Mapping[str, Metric], level: float) -> Dispersion:
    """Return mean, standard deviation and interval of a configuration.

    The interval is over folds, else over seeds: Student's t, its variance corrected for training sets that overlap
    (Nadeau & Bengio 2003). For one run without folds it is the bootstrap of its predictions.
    """
    from runtree.statistics.paired_test import corrected_t, paired_t

    scores, metric = [run.score for run in runs], metrics.get(runs[0].measure.metric)
    ratio, why = runs[0].test_train_ratio, ""
    if all(run.folds for run in runs) and ratio is not None:
        scores_of_folds = [score for run in runs for score in run.folds]
        (limits, why), over = _limits(corrected_t(scores_of_folds, ratio, level), metric), "folds"
    elif len(runs) == 1:
        limits, over, why = _bootstrap_limits(runs[0], metrics, level)
    elif len({run.place for run in runs}) == 1 or ratio is None:
        (limits, why), over = _limits(paired_t(scores, level), metric), "seeds"
    else:
        (limits, why), over = _limits(corrected_t(scores, ratio, level), metric), "seeds"
    return Dispersion(len(runs), fmean(scores), stdev(scores) if len(scores) > 1 else None, *limits, over, why)


def _limits(result: "Comparison", metric: Metric | None) -> tuple[Limits, str]:
    """Return limits within the values of the metric; where there are none, the reason."""
    from runtree.statistics.comparison import clip

    is_known = math.isfinite(result.low) and result.low < result.high  # equal scores have no spread to infer from
    if not is_known:
        return (None, None), result.note or "all scores are the same: their spread is unknown"
    bounds = metric.bounds if metric else (-math.inf, math.inf)
    return (clip(result.low, bounds), clip(result.high, bounds)), ""


def _bootstrap_limits(run: RunData, metrics: Mapping[str, Metric], level: float) -> tuple[Limits, str, str]:
    from runtree.statistics.bootstrap import bootstrap

    metric = metrics.get(run.measure.metric)
    if metric is None or run.measure.part == "train":
        return (None, None), "", ""
    try:
        predictions, _ = run.read_predictions()
    except MissingDataError as error:
        return (None, None), "", str(error)
    if run.record.config.get("data.group") is not None:
        # the predictions do not say which rows belong together, and an interval over rows would be far too narrow
        reason = f"rows of one group of {run.record.id} are not independent: compare by folds or seeds"
        return (None, None), "", reason
    result = bootstrap(predictions, [metric], RESAMPLES, level, seed=0).get(metric.name)
    if result is None or not result.known:
        reason = result.reason if result else "the model predicts no probabilities"
        return (None, None), "", f"{metric.name} of {run.record.id} has no interval: {reason}"
    return (result.low, result.high), "rows", ""
