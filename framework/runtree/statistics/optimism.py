"""By how much the best of many configurations looks better than it is: it is best by luck too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.answers import Answers
from runtree.contract.types import Direction, Metric
from runtree.statistics.draws import draw_groups, draw_rows
from runtree.statistics.scorers import scorer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Optimism:
    """The winner of a selection.

    Attributes
    ----------
    best
        Its position among the configurations.
    value
        Its score as found, the one it was chosen by.
    corrected
        What to expect of it on new rows.
    low, high
        Confidence limits of `corrected`; NaN where the method gives none.
    """

    best: int
    value: float
    corrected: float
    low: float = np.nan
    high: float = np.nan

    @property
    def bias(self) -> float:
        """By how much the score found is off."""
        return abs(self.value - self.corrected)


def tibshirani(fold_scores: Sequence[Sequence[float]], direction: Direction) -> Optimism:
    """Correct the winner of a cross-validation by how much better the best of each single fold is than it, there.

    Tibshirani & Tibshirani 2009, doi:10.1214/08-AOAS224. It needs fold scores alone, and corrects a little too much
    where configurations are much alike.

    Parameters
    ----------
    fold_scores
        Of shape (configurations, folds), of the same folds.
    """
    sign = 1.0 if direction == "minimize" else -1.0
    errors = sign * np.asarray(fold_scores, dtype=float)
    best = int(errors.mean(1).argmin())
    bias = float((errors[best] - errors.min(0)).mean())
    value = float(errors[best].mean())
    return Optimism(best, sign * value, sign * (value + bias))


def bbc(losses: Array, resamples: int, level: float, seed: int, groups: Array | None = None) -> Optimism:
    """Correct the winner by choosing again on each resample of the rows, and scoring on the rows that it lacks.

    Bootstrap bias corrected cross-validation: Tsamardinos, Greasidou & Borboudakis 2018,
    doi:10.1007/s10994-018-5714-4. Nothing is fitted again.

    Parameters
    ----------
    losses
        Of shape (rows, configurations): the loss of each on rows that it was not fitted on; less is better.
    groups
        What each row belongs to: whole groups are drawn.
    """

    def scored(counts: Array) -> Array:
        mean: Array = (counts @ losses).T / counts.sum(1)
        return mean

    return _chosen(np.asarray(losses).mean(0), _drawn(len(losses), resamples, seed, groups), scored, 1.0, level)


def bbc_of_answers(
    models: Sequence[Answers], metric: Metric, resamples: int, level: float, seed: int, groups: Array | None = None
) -> Optimism:
    """Correct the winner by any metric, from what the configurations answered about the same rows, out of fold."""
    scorers = [scorer(model, metric) for model in models]
    values = np.array([model.values([metric])[metric.name] for model in models])
    sign = 1.0 if metric.direction == "minimize" else -1.0
    blocks = _drawn(len(models[0].y_true), resamples, seed, groups)
    return _chosen(values, blocks, lambda counts: np.stack([score(counts) for score in scorers]), sign, level)


def _drawn(rows: int, resamples: int, seed: int, groups: Array | None) -> Iterator[Array]:
    return draw_rows(rows, resamples, seed) if groups is None else draw_groups(groups, resamples, seed)


def _chosen(values: Array, blocks: Iterator[Array], scored: Any, sign: float, level: float) -> Optimism:
    """Choose on the rows drawn, score on those that are not; a resample that draws every row tells nothing."""
    best, outside = int(np.nanargmin(sign * values)), []
    for counts in blocks:
        counts = counts[(counts == 0).any(1)]
        inside = sign * scored(counts)
        chosen = np.where(np.isnan(inside), np.inf, inside).argmin(0)
        outside.append(scored((counts == 0).astype(np.int64))[chosen, np.arange(len(counts))])
    found = np.concatenate(outside)
    found = found[~np.isnan(found)]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Optimism(best, float(values[best]), float(found.mean()), float(low), float(high))
