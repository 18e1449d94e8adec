"""Areas under ROC curves of several models on the same rows, and how they vary together."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def covariance_of_areas(scores: Array, positive: Array) -> tuple[Array, Array]:
    """Return areas of shape (models,) and their covariance of shape (models, models).

    DeLong, DeLong & Clarke-Pearson 1988, by midranks in n log n as in Sun & Xu 2014, doi:10.1109/LSP.2014.2337313.

    Parameters
    ----------
    scores
        Of shape (models, rows); higher for the positive class.
    positive
        Which rows are of the positive class, at least two of either.
    """
    from scipy.stats import rankdata

    above, below = scores[:, positive], scores[:, ~positive]
    m, n = above.shape[1], below.shape[1]
    together = rankdata(np.concatenate([above, below], axis=1), axis=1)
    won = (together[:, :m] - rankdata(above, axis=1)) / n  # by each positive row: the share of negative rows below it
    lost = 1 - (together[:, m:] - rankdata(below, axis=1)) / m
    return won.mean(1), np.atleast_2d(np.cov(won)) / m + np.atleast_2d(np.cov(lost)) / n
