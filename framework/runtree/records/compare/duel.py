"""Two configurations compared: how their runs pair, and by which test that is judged.

Runs pair where seed, data and split are the same. Fold scores are compared fold by fold; several pairs seed by seed;
one pair row by row, on what both answered. `docs/statistics.md` says why, and where each test is from.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Metric
from runtree.records.compare.evidence import Evidence, Unreadable

if TYPE_CHECKING:
    from runtree.statistics.comparison import Comparison

RESAMPLES = 2000
GROUPED = "rows of one group were taken as independent, so p is too small: compare by folds or seeds"
Pair = tuple[Evidence, Evidence]


@dataclass(frozen=True)
class Duel:
    """What came of it: one - other in the metric's own unit, or why nothing did."""

    comparison: "Comparison | None"
    over: str = ""
    why: str = ""

    @property
    def p(self) -> float:
        """Return the p value; NaN where there is none."""
        return math.nan if self.comparison is None else self.comparison.p


def duel(one: Sequence[Evidence], other: Sequence[Evidence], metrics: Mapping[str, Metric], level: float) -> Duel:
    """Compare two configurations by the strongest test that their runs allow."""
    pairs = paired(one, other)
    if not pairs:
        return Duel(None, why="no two of their runs have the same seed, data and split")
    if pairs[0][0].measure.part == "train":
        return Duel(None, why="scores on the rows that a model was fitted on say nothing of others")
    if all(mine.folds and len(mine.folds) == len(others.folds) for mine, others in pairs):
        return _over_folds(pairs, level)
    return _over_seeds(pairs, level) if len(pairs) > 1 else _over_rows(pairs[0], metrics, level)


def paired(one: Sequence[Evidence], other: Sequence[Evidence]) -> list[Pair]:
    """Return the runs that have the same seed, data and split, which must be known."""
    known = {_key(run): run for run in other if None not in run.place}
    return [(run, known[key]) for run in one if (key := _key(run)) in known]


def _key(run: Evidence) -> tuple[Any, ...]:
    return repr(run.record.config.get("seed")), *run.place


def _over_folds(pairs: Sequence[Pair], level: float) -> Duel:
    from runtree.statistics.paired import corrected_t

    differences = [a - b for mine, others in pairs for a, b in zip(mine.folds, others.folds, strict=True)]
    share = pairs[0][0].share
    if share is None:
        return Duel(None, why="nothing tells how many folds there were")
    return Duel(corrected_t(differences, share, level), "folds")


def _over_seeds(pairs: Sequence[Pair], level: float) -> Duel:
    from runtree.statistics.paired import corrected_t, paired_t

    differences = [mine.score - others.score for mine, others in pairs]
    if len({mine.place for mine, _ in pairs}) == 1:  # the same rows each time: the seed is all that varies
        return Duel(paired_t(differences, level), "seeds on one split")
    share = pairs[0][0].share
    if share is None:
        return Duel(None, why=f"{pairs[0][0].record.id} does not tell the sizes of its parts: there is no data.json")
    return Duel(corrected_t(differences, share, level), "seeds")


def _over_rows(pair: Pair, metrics: Mapping[str, Metric], level: float) -> Duel:
    try:
        (one, rows), (other, others) = (run.answers() for run in pair)
    except Unreadable as error:
        return Duel(None, why=str(error))
    if len(rows) != len(others) or (rows != others).any():
        return Duel(None, why="their predictions are of other rows")
    name = pair[0].measure.metric
    metric = metrics.get(name)
    if metric is None:
        return Duel(None, why=f"nobody offers the metric {name} any more")
    from runtree.statistics.answers import compare_answers

    try:
        found = compare_answers(one, other, metric, RESAMPLES, level, seed=0)
    except ValueError as error:
        return Duel(None, why=str(error))
    grouped = pair[0].record.config.get("data.group") is not None
    return Duel(replace(found, note="; ".join(filter(None, [found.note, GROUPED if grouped else ""]))), "rows")
