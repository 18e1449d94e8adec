"""Residuals of a regression: bias, patterns over prediction and columns, spread, tails, autocorrelation."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, take_rows
from runtree.evaluation.diagnosis.columns import read_columns
from runtree.evaluation.diagnosis.suggestions import FLEXIBLE_ALGORITHM, check_command, relax_override, tuning_advice

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Bins = list[dict[str, Any]]

ALPHA = 0.01  # each: there are several tests
# from about here on the mean of a bin is nearly normal, as Welch's test assumes
MIN_BIN_ROWS = 30
MAX_BINS = 10
MIN_BIAS = 0.05  # standard deviations of the residuals
MIN_SPREAD = 0.15  # rank correlation of the absolute residual and the prediction
MIN_KURTOSIS = 3.0  # excess kurtosis, that of the Laplace distribution
MIN_AUTOCORRELATION = 0.1
MAX_LISTED, MAX_NAMED = 5, 2  # columns in evaluation.json, and in findings


def residual_patterns(context: EvaluationContext) -> dict[str, Any] | None:
    """Return tests of the residuals, true - predicted, in units of the target."""
    import numpy as np

    split = context.reporting_split
    if split is None or context.run.data.classes or len(context.rows[split]) < MIN_BIN_ROWS:
        return None
    chosen = context.sample_rows(split)
    predictions, rows = take_rows(context.predictions[split], chosen), context.rows[split][chosen]
    residuals = predictions.y_true - predictions.y_pred
    # equal residuals leave every test undefined
    if not np.ptp(residuals):
        return None
    bins, p = mean_by_bin(residuals, predictions.y_pred)
    return {
        "part": split,
        "rows": len(residuals),
        "bias": _bias(residuals),
        "by_prediction": {"bins": bins, "p": p},
        "spread": _spread(residuals, predictions.y_pred),
        "tails": _tails(residuals),
        "columns": _by_column(context, rows, residuals),
        **_autocorrelation(context, rows, residuals),
    }


def _bias(residuals: "Array") -> dict[str, float]:
    from scipy.stats import ttest_1samp

    p = float(ttest_1samp(residuals, 0.0).pvalue)
    return {"value": float(residuals.mean()), "sd": float(residuals.std(ddof=1)), "p": p}


def mean_by_bin(residuals: "Array", by: "Array") -> "tuple[Bins, float]":
    """Return the mean residual in bins of equal counts, and the p value of a test that the means are equal."""
    import numpy as np

    count = min(MAX_BINS, len(residuals) // MIN_BIN_ROWS)
    # many equal values make edges equal; unique merges their bins
    edges = np.unique(np.quantile(by, np.linspace(0, 1, count + 1)))
    place = np.searchsorted(edges[1:-1], by, side="right")
    groups = [(residuals[place == number], by[place == number]) for number in range(max(len(edges) - 1, 1))]
    groups = [(group, values) for group, values in groups if len(group) > 1]
    bins = [
        {"low": float(values.min()), "high": float(values.max()), "rows": len(group), "mean": float(group.mean())}
        for group, values in groups
    ]
    return bins, welch([group for group, _ in groups])


def welch(groups: "list[Array]") -> float:
    """Return the p value of Welch's test of equal means, which allows unequal variances; 1 if too few groups vary.

    Welch 1951, doi:10.1093/biomet/38.3-4.330.
    """
    import numpy as np
    from scipy.stats import f

    # a group without variance would get an infinite weight
    groups = [group for group in groups if len(group) > 2 and np.ptp(group)]
    if len(groups) < 2:
        return 1.0
    k, sizes = len(groups), np.array([len(group) for group in groups])
    means, weights = (
        np.array([group.mean() for group in groups]),
        sizes / np.array([group.var(ddof=1) for group in groups]),
    )
    grand_mean = (weights * means).sum() / weights.sum()
    unequal = ((1 - weights / weights.sum()) ** 2 / (sizes - 1)).sum()
    between = (weights * (means - grand_mean) ** 2).sum() / (k - 1)
    statistic = between / (1 + 2 * (k - 2) / (k**2 - 1) * unequal)
    return float(f.sf(statistic, k - 1, (k**2 - 1) / (3 * unequal)))


def _spread(residuals: "Array", predicted: "Array") -> dict[str, float]:
    """Return Spearman's correlation of the absolute residual and the prediction."""
    import numpy as np
    from scipy.stats import spearmanr

    # the rank correlation with a constant is undefined
    if not np.ptp(predicted):
        return {"rho": 0.0, "p": 1.0}
    correlation = spearmanr(np.abs(residuals), predicted)
    return {"rho": float(correlation.statistic), "p": float(correlation.pvalue)}


def _tails(residuals: "Array") -> dict[str, float]:
    import numpy as np
    from scipy.stats import kurtosis, kurtosistest, skew

    # around the median, which the large errors that are counted do not move
    far = float((np.abs(residuals - np.median(residuals)) > 3 * residuals.std()).mean())
    return {
        "excess_kurtosis": float(kurtosis(residuals)),
        "p": float(kurtosistest(residuals, alternative="greater").pvalue),
        "skewness": float(skew(residuals)),
        "share_beyond_3_sd": far,
    }


def _by_column(context: EvaluationContext, rows: "Array", residuals: "Array") -> list[dict[str, Any]]:
    """Return the columns by whose values the residuals differ most; p corrected by Holm over all columns."""
    from runtree.statistics.comparison import holm

    columns, _ = read_columns(context.run.data.features.iloc[rows])
    tests: list[dict[str, Any]] = []
    for column in columns:
        known = ~column.missing
        bins: Bins = []
        p = 1.0
        if not column.numeric:
            levels = [(level, residuals[column.values == code]) for code, level in enumerate(column.levels)]
            levels = [(level, group) for level, group in levels if len(group) >= MIN_BIN_ROWS]
            bins = [{"level": level, "rows": len(group), "mean": float(group.mean())} for level, group in levels]
            p = welch([group for _, group in levels])
        elif known.sum() >= 2 * MIN_BIN_ROWS:
            bins, p = mean_by_bin(residuals[known], column.values[known])
        tests.append({"column": column.name, "p": p, "bins": bins})
    corrected = holm([test["p"] for test in tests])
    tests = [{**test, "p": p} for test, p in zip(tests, corrected, strict=True)]
    return sorted(tests, key=lambda test: test["p"])[:MAX_LISTED]


def _autocorrelation(context: EvaluationContext, rows: "Array", residuals: "Array") -> dict[str, Any]:
    """Return the correlation of consecutive residuals, if the table is split by time."""
    import numpy as np
    from scipy.stats import norm

    times = context.run.data.times
    if times is None or context.run.metadata.get("split") != "time":
        return {}
    ordered = residuals[times.iloc[rows].argsort(kind="stable").to_numpy()]
    r = float(np.corrcoef(ordered[:-1], ordered[1:])[0, 1])
    # without autocorrelation r is about normal with variance 1 / n (Bartlett)
    return {"neighbours": {"r": r, "p": float(2 * norm.sf(abs(r) * np.sqrt(len(residuals))))}}


def residual_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Note each pattern in the residuals."""
    patterns = context.results.get("residuals")
    if not patterns:
        return
    findings = [
        *_bias_finding(context, patterns),
        *_prediction_finding(context, patterns),
        *_column_findings(patterns),
        *_spread_finding(context, patterns),
        *_tails_finding(context, patterns),
        *_autocorrelation_finding(patterns),
    ]
    yield from findings
    if not findings:
        message = f"no pattern in the residuals of {patterns['rows']:,} rows of {patterns['part']}"
        yield Finding("residuals", "good", message)


def _direction(mean_residual: float) -> str:
    return f"{'too low' if mean_residual > 0 else 'too high'} by {abs(mean_residual):.3g} on average"


def _bias_finding(context: EvaluationContext, patterns: Mapping[str, Any]) -> Iterator[Finding]:
    bias = patterns["bias"]
    if bias["p"] < ALPHA and abs(bias["value"]) > MIN_BIAS * bias["sd"]:
        yield Finding(
            "bias",
            "note",
            f"predictions are {_direction(bias['value'])} on {patterns['part']} (sd of the residuals {bias['sd']:.3g})",
            f"compare the splits: {check_command(context)}; a loss of the median predicts too low where the target is "
            "skewed",
            dict(bias),
        )


def _prediction_finding(context: EvaluationContext, patterns: Mapping[str, Any]) -> Iterator[Finding]:
    bins, p = patterns["by_prediction"]["bins"], patterns["by_prediction"]["p"]
    if p >= ALPHA:
        return
    worst = max(bins, key=lambda entry: abs(entry["mean"]))
    yield Finding(
        "bias by prediction",
        "note",
        f"predictions from {worst['low']:.3g} to {worst['high']:.3g} are {_direction(worst['mean'])} "
        f"({worst['rows']} rows; p {p:.1g})",
        f"the model is too linear or too flexible: try {relax_override(context) or tuning_advice(context)}",
        {"p": p, **worst},
    )


def _column_findings(patterns: Mapping[str, Any]) -> Iterator[Finding]:
    for test in [test for test in patterns["columns"] if test["p"] < ALPHA][:MAX_NAMED]:
        worst = max(test["bins"], key=lambda entry: abs(entry["mean"]))
        where = f"= {worst['level']}" if "level" in worst else f"from {worst['low']:.3g} to {worst['high']:.3g}"
        yield Finding(
            "pattern by column",
            "note",
            f"residuals depend on {test['column']!r}: where it is {where}, predictions are {_direction(worst['mean'])} "
            f"(p {test['p']:.1g})",
            f"the model does not use {test['column']!r} fully: try {FLEXIBLE_ALGORITHM}",
            {"column": test["column"], "p": test["p"], **worst},
        )


def _spread_finding(context: EvaluationContext, patterns: Mapping[str, Any]) -> Iterator[Finding]:
    spread = patterns["spread"]
    if spread["p"] >= ALPHA or abs(spread["rho"]) < MIN_SPREAD:
        return
    grows, smallest = spread["rho"] > 0, float(context.run.data.target.min())
    advice = "errors have no constant variance: use a metric of relative error"
    if grows and smallest > 0:
        advice = "model the logarithm of the target: algorithm=gamma, or a column of logarithms as data.target"
    elif grows and smallest == 0:
        advice = "if the target is a count or an amount: algorithm=poisson or algorithm=tweedie"
    yield Finding(
        "spread",
        "note",
        f"errors {'grow' if grows else 'shrink'} with the prediction (rank correlation {spread['rho']:.2f})",
        advice,
        dict(spread),
    )


def _tails_finding(context: EvaluationContext, patterns: Mapping[str, Any]) -> Iterator[Finding]:
    tails, algorithm = patterns["tails"], context.run.config.algorithm.get("name")
    if tails["p"] >= ALPHA or tails["excess_kurtosis"] < MIN_KURTOSIS:
        return
    advice = "inspect these rows; objective.metric=mae depends less on single rows"
    if algorithm == "hist_gradient_boosting":
        advice += ", and so does the fit with algorithm.loss=absolute_error"
    elif algorithm in ("linear", "ridge", "lasso", "elastic_net"):
        advice += ", and so does the fit with algorithm=huber"
    yield Finding(
        "tails",
        "note",
        f"a few errors are very large: {tails['share_beyond_3_sd']:.1%} beyond 3 standard deviations, excess kurtosis "
        f"{tails['excess_kurtosis']:.1f}",
        advice,
        dict(tails),
    )


def _autocorrelation_finding(patterns: Mapping[str, Any]) -> Iterator[Finding]:
    neighbours = patterns.get("neighbours")
    if neighbours and neighbours["p"] < ALPHA and abs(neighbours["r"]) > MIN_AUTOCORRELATION:
        yield Finding(
            "autocorrelation",
            "warning",
            f"consecutive residuals are correlated (r = {neighbours['r']:.2f})",
            "add earlier values as columns, since the past predicts more than the model uses; intervals are too narrow",
            dict(neighbours),
        )
