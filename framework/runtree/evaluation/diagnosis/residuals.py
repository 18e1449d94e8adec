"""What is left of a quantity once it is predicted: nothing that a better model could have known, or a pattern."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, take_rows
from runtree.evaluation.diagnosis.columns import read_columns
from runtree.evaluation.diagnosis.suggestions import FLEXIBLE_ALGORITHM, TUNE_COMMAND, relax_override

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEVEL = 0.01
LEAST = 30  # rows of a bin
BINS = 10
SPREAD = 0.15  # rank correlation of error and prediction that is worth a word
TAILS = 3.0  # excess kurtosis: that of Laplace's distribution
NAMED = 2


def residual_patterns(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the bias, by prediction and by column, the spread, the tails, and in time the correlation of neighbours.

    Residuals are true - predicted, in units of the target.
    """
    import numpy as np

    part = context.reporting_split
    if part is None or context.run.data.classes or len(context.rows[part]) < LEAST:
        return None
    chosen = context.sample_rows(part)
    answers, rows = take_rows(context.predictions[part], chosen), context.rows[part][chosen]
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
        "columns": _by_column(context, rows, left),
        **_autocorrelation(context, rows, left),
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


def _by_column(context: EvaluationContext, rows: "Array", left: "Array") -> list[dict[str, Any]]:
    """Return the columns by whose values residuals differ most, p corrected by Holm."""
    from runtree.statistics.comparison import holm

    columns, _ = read_columns(context.run.data.features.iloc[rows])
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


def _autocorrelation(context: EvaluationContext, rows: "Array", left: "Array") -> dict[str, Any]:
    """Return the correlation of residuals that follow each other, where the table is split by time."""
    import numpy as np
    from scipy.stats import norm

    times = context.run.data.times
    if times is None or context.run.metadata.get("split") != "time":
        return {}
    ordered = left[times.iloc[rows].argsort(kind="stable").to_numpy()]
    found = float(np.corrcoef(ordered[:-1], ordered[1:])[0, 1])
    return {"neighbours": {"r": found, "p": float(2 * norm.sf(abs(found) * np.sqrt(len(left))))}}


# --- What patterns of residuals say about a regression, and what to do.


def residual_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Read the residuals; good where they show no pattern."""
    found = context.results.get("residuals")
    if not found:
        return
    told = [
        *_bias_finding(found),
        *_prediction_finding(context, found),
        *_column_findings(found),
        *_spread_finding(context, found),
    ]
    told += [*_tails_finding(context, found), *_autocorrelation_finding(found)]
    yield from told
    if not told:
        yield Finding("residuals", "good", f"no pattern in the residuals of {found['rows']:,} rows of {found['part']}")


def _bias_finding(found: Mapping[str, Any]) -> Iterator[Finding]:
    bias = found["bias"]
    if bias["p"] < LEVEL and abs(bias["value"]) > 0.05 * bias["sd"]:
        yield Finding(
            "bias",
            "note",
            f"predictions are {'too low' if bias['value'] > 0 else 'too high'} by {abs(bias['value']):.3g} on average "
            f"on {found['part']} (residuals scatter by {bias['sd']:.3g})",
            "are the parts alike? runtree check tells; a loss of the median predicts low where the target is skewed",
            dict(bias),
        )


def _prediction_finding(context: EvaluationContext, found: Mapping[str, Any]) -> Iterator[Finding]:
    bins, p = found["by_prediction"]["bins"], found["by_prediction"]["p"]
    if p >= LEVEL:
        return
    worst = max(bins, key=lambda one: abs(one["mean"]))
    side = "too low" if worst["mean"] > 0 else "too high"
    other = relax_override(context)
    yield Finding(
        "bias by prediction",
        "note",
        f"predictions from {worst['low']:.3g} to {worst['high']:.3g} are {side} by {abs(worst['mean']):.3g} on average "
        f"({worst['rows']} rows; p {p:.1g})",
        f"the model bends too little or too much: try {other or TUNE_COMMAND}",
        {"p": p, **worst},
    )


def _column_findings(found: Mapping[str, Any]) -> Iterator[Finding]:
    for one in [one for one in found["columns"] if one["p"] < LEVEL][:NAMED]:
        worst = max(one["bins"], key=lambda each: abs(each["mean"]))
        where = f"= {worst['level']}" if "level" in worst else f"from {worst['low']:.3g} to {worst['high']:.3g}"
        side = "too low" if worst["mean"] > 0 else "too high"
        yield Finding(
            "pattern by column",
            "note",
            f"what is left depends on {one['column']!r}: where it is {where}, predictions are {side} by "
            f"{abs(worst['mean']):.3g} on average (p {one['p']:.1g})",
            f"the model does not use {one['column']!r} as it should: try {FLEXIBLE_ALGORITHM}",
            {"column": one["column"], "p": one["p"], **worst},
        )


def _spread_finding(context: EvaluationContext, found: Mapping[str, Any]) -> Iterator[Finding]:
    spread = found["spread"]
    if spread["p"] >= LEVEL or abs(spread["rho"]) < SPREAD:
        return
    grows, target = spread["rho"] > 0, context.run.data.target
    advice = "an interval of one width for all rows is wrong: judge by metrics of relative error"
    if grows and float(target.min()) > 0:
        advice = "learn the logarithm of the target: algorithm=gamma, or a column of logarithms as data.target"
    elif grows and float(target.min()) == 0:
        advice = "a count or an amount? algorithm=poisson or algorithm=tweedie"
    yield Finding(
        "spread",
        "note",
        f"errors {'grow' if grows else 'shrink'} with the prediction (rank correlation {spread['rho']:.2f})",
        advice,
        dict(spread),
    )


def _tails_finding(context: EvaluationContext, found: Mapping[str, Any]) -> Iterator[Finding]:
    tails = found["tails"]
    if tails["p"] >= LEVEL or tails["excess_kurtosis"] < TAILS:
        return
    robust = "objective.metric=mae judges without letting a few rows decide"
    if context.run.config.algorithm.get("name") == "hist_gradient_boosting":
        robust += "; algorithm.loss=absolute_error learns so"
    elif context.run.config.algorithm.get("name") in ("linear", "ridge", "lasso", "elastic_net"):
        robust += "; algorithm=huber learns so"
    yield Finding(
        "tails",
        "note",
        f"a few errors are very large: {tails['share_beyond_3_sd']:.1%} beyond 3 standard deviations, excess kurtosis "
        f"{tails['excess_kurtosis']:.1f}",
        f"look at these rows; {robust}",
        dict(tails),
    )


def _autocorrelation_finding(found: Mapping[str, Any]) -> Iterator[Finding]:
    near = found.get("neighbours")
    if near and near["p"] < LEVEL and abs(near["r"]) > 0.1:
        yield Finding(
            "neighbours in time",
            "warning",
            f"residuals that follow each other are alike (correlation {near['r']:.2f})",
            "the past tells more than the model uses: add earlier values as columns; intervals are too narrow",
            dict(near),
        )
