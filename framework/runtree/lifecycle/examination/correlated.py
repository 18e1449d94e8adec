"""Columns of numbers that rise and fall together: the model can do without one of them as long as it has another."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

ALIKE = 0.8  # of Spearman's rank correlation, without its sign, on average within a group


def correlated(features: "pd.DataFrame") -> list[list[str]]:
    """Return groups of two or more columns whose ranks correlate, the largest first.

    Average linkage over 1 - |Spearman's rho|, cut at 0.2, as scikit-learn's example "Permutation Importance with
    Multicollinear or Correlated Features" clusters them.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    numbers = features.select_dtypes("number")
    ranks = numbers.rank().to_numpy(dtype=float)
    ranks = np.where(np.isnan(ranks), np.nanmean(ranks, axis=0, where=~np.isnan(ranks)) if len(ranks) else 0.0, ranks)
    varies = ranks.std(axis=0) > 0 if len(ranks) else np.zeros(0, dtype=bool)
    names = [str(name) for name, own in zip(numbers.columns, varies, strict=False) if own]
    if len(names) < 2:
        return []
    distance = 1 - np.abs(np.corrcoef(ranks[:, varies], rowvar=False))
    tree = linkage(squareform(np.clip(distance, 0, None), checks=False), method="average")
    labels = fcluster(tree, 1 - ALIKE, criterion="distance")
    groups = [[name for name, own in zip(names, labels, strict=True) if own == label] for label in sorted(set(labels))]
    return sorted((group for group in groups if len(group) > 1), key=len, reverse=True)
