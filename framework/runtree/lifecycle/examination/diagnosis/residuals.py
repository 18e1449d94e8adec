"""What is left of a quantity once it is predicted: nothing that a better model could have known, or a pattern."""

from typing import TYPE_CHECKING, Any

from runtree.lifecycle.examination.diagnosis.columns import read_columns
from runtree.lifecycle.examination.diagnosis.level import reported, sample, take
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEVEL = 0.01
LEAST = 30  # rows of a bin
BINS = 10
SPREAD = 0.15  # rank correlation of error and prediction that is worth a word
TAILS = 3.0  # excess kurtosis: that of Laplace's distribution
NAMED = 2


def examine(subject: Subject) -> dict[str, Any] | None:
    """Return the bias, by prediction and by column, the spread, the tails, and in time the correlation of neighbours.

    Residuals are true - predicted, in units of the target.
    """
    import numpy as np

    part = reported(subject)
    if part is None or subject.run.data.classes or len(subject.rows[part]) < LEAST:
        return None
    chosen = sample(subject, part)
    answers, rows = take(subject.answers[part], chosen), subject.rows[part][chosen]
    left = answers.y_true - answers.y_pred
    if not np.ptp(left):
        return None
    bins, p = by_bin(left, answers.y_pred)
    return {
        "part": part,
        "rows": len(left),
        "bias": _bias(left),
        "by_prediction": {"bins": bins, "p": p},
        "spread": _spread(left, answers.y_pred),
        "tails": _tails(left),
        "columns": _by_column(subject, rows, left),
        **_neighbours(subject, rows, left),
    }


def _bias(left: "Array") -> dict[str, float]:
    from scipy.stats import ttest_1samp

    return {"value": float(left.mean()), "sd": float(left.std(ddof=1)), "p": float(ttest_1samp(left, 0.0).pvalue)}


def by_bin(left: "Array", by: "Array") -> tuple[list[dict[str, float]], float]:
    """Return the mean residual in bins of equal count, and how likely means so far apart are by chance.

    Welch's test of equal means (Welch 1951, doi:10.1093/biomet/38.3-4.330), for bins scatter unalike.
    """
    import numpy as np

    count = min(BINS, len(left) // LEAST)
    edges = np.unique(np.quantile(by, np.linspace(0, 1, count + 1)))
    own = np.searchsorted(edges[1:-1], by, side="right")
    groups = [(left[own == place], by[own == place]) for place in range(max(len(edges) - 1, 1))]
    groups = [(one, where) for one, where in groups if len(one) > 1]
    bins = [
        {"low": float(where.min()), "high": float(where.max()), "rows": len(one), "mean": float(one.mean())}
        for one, where in groups
    ]
    return bins, welch([one for one, _ in groups])


def welch(groups: "list[Array]") -> float:
    """Return the p value of Welch's test; 1 where there are no two groups that vary."""
    import numpy as np
    from scipy.stats import f

    groups = [one for one in groups if len(one) > 2 and np.ptp(one)]
    if len(groups) < 2:
        return 1.0
    k, sizes = len(groups), np.array([len(one) for one in groups])
    means, weights = np.array([one.mean() for one in groups]), sizes / np.array([one.var(ddof=1) for one in groups])
    middle = (weights * means).sum() / weights.sum()
    unequal = ((1 - weights / weights.sum()) ** 2 / (sizes - 1)).sum()
    between = (weights * (means - middle) ** 2).sum() / (k - 1)
    found = between / (1 + 2 * (k - 2) / (k**2 - 1) * unequal)
    return float(f.sf(found, k - 1, (k**2 - 1) / (3 * unequal)))


def _spread(left: "Array", predicted: "Array") -> dict[str, float]:
    """Return Spearman's correlation of the size of errors and the prediction."""
    import numpy as np
    from scipy.stats import spearmanr

    if not np.ptp(predicted):
        return {"rho": 0.0, "p": 1.0}
    found = spearmanr(np.abs(left), predicted)
    return {"rho": float(found.statistic), "p": float(found.pvalue)}


def _tails(left: "Array") -> dict[str, float]:
    import numpy as np
    from scipy.stats import kurtosis, kurtosistest, skew

    far = float((np.abs(left - np.median(left)) > 3 * left.std()).mean())
    return {
        "excess_kurtosis": float(kurtosis(left)),
        "p": float(kurtosistest(left, alternative="greater").pvalue),
        "skewness": float(skew(left)),
        "share_beyond_3_sd": far,
    }


def _by_column(subject: Subject, rows: "Array", left: "Array") -> list[dict[str, Any]]:
    """Return the columns by whose values residuals differ most, p corrected by Holm."""
    from runtree.statistics.corrections import holm

    columns, _ = read_columns(subject.run.data.features.iloc[rows])
    found: list[dict[str, Any]] = []
    bins: list[Any]
    for column in columns:
        known = ~column.missing
        if column.numeric:
            bins, p = _of_number(left[known], column.values[known])
        else:
            groups = [(level, left[column.values == code]) for code, level in enumerate(column.levels)]
            groups = [(level, one) for level, one in groups if len(one) >= LEAST]
            bins = [{"level": level, "rows": len(one), "mean": float(one.mean())} for level, one in groups]
            p = welch([one for _, one in groups])
        found.append({"column": column.name, "p": p, "bins": bins})
    ps = holm([one["p"] for one in found])
    return sorted(({**one, "p": p} for one, p in zip(found, ps, strict=True)), key=lambda one: one["p"])[:5]


def _of_number(left: "Array", by: "Array") -> tuple[list[dict[str, float]], float]:
    return by_bin(left, by) if len(left) >= 2 * LEAST else ([], 1.0)


def _neighbours(subject: Subject, rows: "Array", left: "Array") -> dict[str, Any]:
    """Return the correlation of residuals that follow each other, where the table is split by time."""
    import numpy as np
    from scipy.stats import norm

    times = subject.run.data.times
    if times is None or subject.run.facts.get("split") != "time":
        return {}
    ordered = left[times.iloc[rows].argsort(kind="stable").to_numpy()]
    found = float(np.corrcoef(ordered[:-1], ordered[1:])[0, 1])
    return {"neighbours": {"r": found, "p": float(2 * norm.sf(abs(found) * np.sqrt(len(left))))}}
