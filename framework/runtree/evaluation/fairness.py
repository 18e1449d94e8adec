"""The groups that a column parts the rows into, be it learnt from or not."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.contract.errors import ConfigError, MissingError, unknown
from runtree.contract.run import Run
from runtree.contract.types import Metric, Table
from runtree.evaluation.context import EvaluationContext
from runtree.evaluation.options import FairnessOptions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

COLUMNS_PATH = "evaluator.fairness.columns"
BINS = 4  # of a column of numbers, each with as many rows
LEVELS = 20  # groups of a column of words; the rows of rarer ones are one group
MISSING, OTHERS = "missing", "others"


def check_columns(table: Table, names: Sequence[str]) -> None:
    """Refuse columns that the table has not."""
    known = [str(name) for name in table.features.columns]
    known += [str(name) for name in table.aside.columns] if table.aside is not None else []
    for name in names:
        if name not in known:
            raise unknown(f"column at {COLUMNS_PATH}:", name, known, _hint(table, name), error=ConfigError)


def _hint(table: Table, name: str) -> str:
    return "the target is what is predicted: its classes are no groups" if name == str(table.target.name) else ""


def column_values(table: Table, name: str) -> "pd.Series[Any]":
    """Return a column of the table, dropped ones and the one to group by too."""
    if name in table.features.columns or table.aside is None:
        return table.features[name]
    return table.aside[name]


def group_labels(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return the group of each row: a level; of many numbers one of four bins with as many rows; or `missing`."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    numeric = is_numeric_dtype(values) and not is_bool_dtype(values)
    if (numeric or is_datetime64_any_dtype(values)) and values.nunique() > 2 * BINS:
        found = _binned(values)
    else:
        found = values.map(_shown, na_action="ignore").astype("str").where(values.notna(), MISSING)
    counts = found.value_counts()
    rare = list(counts.index[LEVELS - 1 :]) if len(counts) > LEVELS else []
    return pd.Series(found.where(~found.isin(rare), OTHERS), dtype="str")


def _binned(values: "pd.Series[Any]") -> "pd.Series[str]":
    import pandas as pd

    bins = pd.qcut(values, BINS, duplicates="drop")
    edges = [interval.right for interval in bins.cat.categories]
    names = [f"<= {_shown(edges[0])}"]
    names += [f"{_shown(low)} to {_shown(high)}" for low, high in pairwise(edges[:-1])]
    names += [f"> {_shown(edges[-2])}"] if len(edges) > 1 else []
    codes = bins.cat.codes.to_numpy()
    return pd.Series([names[code] if code >= 0 else MISSING for code in codes], index=values.index, dtype="str")


def _shown(edge: Any) -> str:
    return f"{edge:.6g}" if isinstance(edge, float) else str(edge)


# --- What groups are compared by: fairlearn's rates of two classes, and the metrics that a run may be scored by.

METRICS_PATH = "evaluator.fairness.metrics"
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
AUTO: Mapping[str, tuple[str, ...]] = {
    "binary": (*RATES, "accuracy"),
    "classification": ("accuracy",),
    "regression": ("mae",),
}


def check_metrics(run: Run, asked: FairnessOptions) -> None:
    """Refuse metrics that are none of the task's; a missing fairlearn names the extra that brings it."""
    if find_spec("fairlearn") is None:
        raise MissingError("evaluator.fairness needs fairlearn", "install it: pip install 'runtree[fairness]'")
    known = known_metrics(run)
    for name in select_fairness_metrics(run, asked.metrics):
        if name not in known:
            raise unknown(f"{run.data.task} metric at {METRICS_PATH}:", name, known, error=ConfigError)
    if asked.max_gap is not None and asked.max_gap < 0:
        raise ConfigError(f"evaluator.fairness.max_gap: {asked.max_gap} is less than 0")


def select_fairness_metrics(run: Run, asked: str | Sequence[str]) -> list[str]:
    """Return the names of the metrics: those named, or the usual ones of the task."""
    if asked == "auto":
        return list(AUTO["binary" if len(run.data.classes) == 2 else run.data.task])
    return [asked] if isinstance(asked, str) else list(asked)


def known_metrics(run: Run) -> list[str]:
    """Return what may be named."""
    own = [name for name, metric in run.catalogue.items() if run.data.task in metric.tasks]
    return [*(RATES if len(run.data.classes) == 2 else ()), *own]


def metric_functions(
    answers: Answers, names: Sequence[str], catalogue: Mapping[str, Metric]
) -> dict[str, Callable[..., float]]:
    """Return for each metric a function that fairlearn's `MetricFrame` calls with true values and row numbers.

    Row numbers take the place of predictions, so that metrics of chances are asked in the same way as metrics of
    classes. A metric that a group does not define, such as the true positive rate where no row is positive, is NaN.
    """
    return {name: _rate(answers, name) if name in RATES else _metric(answers, catalogue[name]) for name in names}


def _rate(answers: Answers, name: str) -> Callable[..., float]:
    import fairlearn.metrics

    rate = getattr(fairlearn.metrics, name)
    needed = {"true_positive_rate": 1, "false_positive_rate": 0}.get(name)

    def value(y_true: Any, rows: Any) -> float:
        if needed is not None and not (y_true == needed).any():
            return float("nan")
        return float(rate(y_true, answers.y_pred[rows], pos_label=1))

    return value


def _metric(answers: Answers, metric: Metric) -> Callable[..., float]:
    def value(y_true: Any, rows: Any) -> float:
        found = take_rows(answers, rows).value(metric)
        return float("nan") if found is None else float(found)

    return value


def take_rows(answers: Answers, rows: Any) -> Answers:
    """Return the answers about some rows."""
    score = answers.score[rows] if answers.score is not None else None
    return Answers(answers.y_true[rows], answers.y_pred[rows], score, answers.classes)


def resample_groups(
    answers: Answers, rows: Mapping[str, "Array"], name: str, catalogue: Mapping[str, Metric], resamples: int, seed: int
) -> "Array":
    """Return a metric on resamples of each group, of shape (groups, resamples)."""
    import numpy as np

    from runtree.statistics.resampling import replicate

    rng = np.random.default_rng(seed)
    found = []
    for number, own in enumerate(rows.values()):
        some = take_rows(answers, own)
        if name in RATES:
            found.append(_rates(some, name, resamples, rng))
            continue
        drawn = replicate([some], [catalogue[name]], resamples, seed + number).get(name)
        found.append(np.full(resamples, np.nan) if drawn is None else drawn.drawn[0])
    fewest = min(len(one) for one in found)
    return np.stack([one[:fewest] for one in found])


def _rates(answers: Answers, name: str, resamples: int, rng: Any) -> "Array":
    """Return a rate on resamples: to draw rows with replacement is to draw the four counts of a table of errors."""
    import numpy as np

    cells = np.bincount(2 * answers.y_true + answers.y_pred, minlength=4)  # true negatives, false positives, …
    drawn = rng.multinomial(cells.sum(), cells / cells.sum(), size=resamples)
    tn, fp, fn, tp = drawn.T
    over, under = {
        "selection_rate": (tp + fp, tn + fp + fn + tp),
        "true_positive_rate": (tp, tp + fn),
        "false_positive_rate": (fp, fp + tn),
    }[name]
    found: Array = np.divide(over, under, out=np.full(resamples, np.nan), where=under > 0)
    return found


def gap_interval(drawn: "Array", kind: str, level: float) -> tuple[float | None, float | None]:
    """Return the percentile limits of a gap, which is the largest less the smallest value, or their ratio."""
    import numpy as np

    whole = drawn[:, ~np.isnan(drawn).any(axis=0)]
    if whole.shape[1] < 2 or len(whole) < 2:
        return None, None
    least, most = whole.min(axis=0), whole.max(axis=0)
    ratio = np.divide(least, most, out=np.ones_like(most, dtype=float), where=most != 0)
    gaps = most - least if kind == "difference" else ratio
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


FEWEST = 20  # rows of a group that takes part in the gaps: those of fewer are chance


def measure_fairness(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return groups and gaps of each column that is asked for, on the test part; None where none is."""
    asked = context.options.fairness
    return [_column(context, name) for name in asked.columns] if asked.columns else None


def _column(context: EvaluationContext, name: str) -> dict[str, Any]:
    """Return one column's groups and gaps, figures by fairlearn's `MetricFrame`.

    Groups of fewer than 20 rows are shown, marked as small, and take no part in the gaps.
    """
    run, answers = context.run, context.predictions["test"]
    labels = group_labels(column_values(run.data, name)).iloc[context.rows["test"]].to_numpy()
    metrics = select_fairness_metrics(run, context.options.fairness.metrics)
    positions = {str(label): (labels == label).nonzero()[0] for label in sorted(set(labels.tolist()))}
    large = {label: rows for label, rows in positions.items() if len(rows) >= FEWEST}
    values = _frame(context, metrics, positions).by_group
    told = [
        {"group": label, "rows": len(rows), **_values(values.loc[label], metrics), "small": label not in large}
        for label, rows in positions.items()
    ]
    gaps = [gap for metric in metrics for gap in _gaps(context, metric, large)] if len(large) > 1 else []
    found = {"column": name, "groups": told, "gaps": gaps, **_verdict(context, name, gaps)}
    return {**found, "rows": len(answers.y_true)}


def _values(row: Any, metrics: Sequence[str]) -> dict[str, float | None]:
    return {metric: _number(row[metric]) for metric in metrics}


def _frame(context: EvaluationContext, metrics: Sequence[str], rows: Mapping[str, "Array"]) -> Any:
    import numpy as np
    from fairlearn.metrics import MetricFrame

    answers = context.predictions["test"]
    positions = np.concatenate(list(rows.values()))
    labels = np.concatenate([np.full(len(own), label, dtype=object) for label, own in rows.items()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MetricFrame(
            metrics=metric_functions(answers, metrics, context.run.catalogue),
            y_true=answers.y_true[positions],
            y_pred=positions,
            sensitive_features=labels,
        )


def _gaps(context: EvaluationContext, metric: str, rows: Mapping[str, "Array"]) -> list[dict[str, Any]]:
    """Return the difference and the ratio of the extreme groups, with limits; those that have no value take no part."""
    frame = _frame(context, [metric], rows)
    values = frame.by_group[metric].dropna().astype(float)
    if len(values) < 2:
        return []
    own = {label: rows[label] for label in values.index}
    whole = _frame(context, [metric], own)
    asked, run = context.options.intervals, context.run
    drawn = None
    if asked.resamples:
        drawn = resample_groups(context.predictions["test"], own, metric, run.catalogue, asked.resamples, run.seed)
    found = []
    for kind, value in (("difference", whole.difference()[metric]), ("ratio", whole.ratio()[metric])):
        low, high = gap_interval(drawn, kind, asked.level) if drawn is not None else (None, None)
        ends = {"least": str(values.idxmin()), "most": str(values.idxmax())}
        found.append({"metric": metric, "kind": kind, "value": _number(value), "low": low, "high": high, **ends})
    return found


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _verdict(context: EvaluationContext, name: str, gaps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say whether the differences are narrow enough; where none could be measured, they are not known to be."""
    allowed = context.options.fairness.max_gap
    if allowed is None:
        return {"passed": None, "explanation": ""}
    differences = [gap for gap in gaps if gap["kind"] == "difference" and gap["value"] is not None]
    if not differences:
        return {"passed": False, "explanation": f"{name}: no two groups have {FEWEST} rows to compare"}
    wide = [_told(name, gap, allowed) for gap in differences if gap["value"] > allowed]
    return {"passed": not wide, "explanation": "; ".join(wide)}


def _told(name: str, gap: Mapping[str, Any], allowed: float) -> str:
    between = f" [{gap['low']:.3g}, {gap['high']:.3g}]" if gap["low"] is not None else ""
    who = f"between {name} = {gap['least']} and {gap['most']}"
    return f"{gap['metric']} differs by {gap['value']:.3g}{between} {who}, and {allowed:g} is allowed"
