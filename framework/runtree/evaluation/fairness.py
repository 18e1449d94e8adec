"""Fairness: metrics of groups of rows, the gaps between the groups, and whether the gaps are within `max_gap`.

Figures are those of fairlearn's `MetricFrame`; the intervals of the gaps are ours.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, MissingError, unknown
from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric, Table
from runtree.evaluation.context import EvaluationContext, take_rows
from runtree.evaluation.options import FairnessOptions
from runtree.tables.groups import column_values, group_labels
from runtree.training.active_run import ActiveRun

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

COLUMNS_PATH = "evaluator.fairness.columns"
METRICS_PATH = "evaluator.fairness.metrics"
MIN_GROUP_ROWS = 20  # of a group that takes part in the gaps: the rates of a smaller one are mostly noise

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
DEFAULT_METRICS: Mapping[str, tuple[str, ...]] = {
    "binary": (*RATES, "accuracy"),
    "classification": ("accuracy",),
    "regression": ("mae",),
}


def check_columns(table: Table, names: Sequence[str]) -> None:
    """Refuse columns that the table does not have; a dropped column is allowed."""
    known = [str(name) for name in table.features.columns]
    known += [str(name) for name in table.aside.columns] if table.aside is not None else []
    for name in names:
        if name not in known:
            hint = "the target is predicted: its classes are not groups" if name == str(table.target.name) else ""
            raise unknown(f"column at {COLUMNS_PATH}:", name, known, hint, error=ConfigError)


def check_metrics(run: ActiveRun, options: FairnessOptions) -> None:
    """Refuse metrics that the task does not have.

    Raises
    ------
    MissingError
        fairlearn is not installed.
    """
    if options.metrics == []:
        if options.max_gap is not None:
            raise ConfigError(
                "evaluator.fairness.max_gap: without metrics there is no gap", f"type: {METRICS_PATH}=auto"
            )
        return
    # looked up without importing it: this runs before the fit, and nothing is measured yet
    if find_spec("fairlearn") is None:
        raise MissingError(
            "evaluator.fairness needs fairlearn",
            "install it: pip install 'runtree[fairness]'",
            f"for the shares of the groups alone, type: {METRICS_PATH}=[]",
        )
    known = [*(RATES if len(run.data.classes) == 2 else ())]
    known += [name for name, metric in run.catalogue.items() if run.data.task in metric.tasks]
    for name in select_fairness_metrics(run, options.metrics):
        if name not in known:
            raise unknown(f"{run.data.task} metric at {METRICS_PATH}:", name, known, error=ConfigError)
    if options.max_gap is not None and options.max_gap < 0:
        raise ConfigError(f"evaluator.fairness.max_gap must not be negative, got {options.max_gap}")


def select_fairness_metrics(run: ActiveRun, option: str | Sequence[str]) -> list[str]:
    """Return the names of the metrics; for "auto" those of the task."""
    if option == "auto":
        return list(DEFAULT_METRICS["binary" if len(run.data.classes) == 2 else run.data.task])
    return [option] if isinstance(option, str) else list(option)


def measure_fairness(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return groups and gaps on the test split for each column of `evaluator.fairness.columns`."""
    options = context.options.fairness
    if options.metrics == [] or not options.columns or "test" not in context.predictions:
        return None
    return [_measure_column(context, name) for name in options.columns]


def _measure_column(context: EvaluationContext, name: str) -> dict[str, Any]:
    run = context.run
    # groups are formed over the whole table, so that bins do not depend on the split
    labels = group_labels(column_values(run.data, name)).iloc[context.rows["test"]].to_numpy()
    metrics = select_fairness_metrics(run, context.options.fairness.metrics)
    positions = {str(label): (labels == label).nonzero()[0] for label in sorted(set(labels.tolist()))}
    large = {label: rows for label, rows in positions.items() if len(rows) >= MIN_GROUP_ROWS}
    # small groups are shown too, but take no part in gaps, which one of them would dominate
    values = _metric_frame(context, metrics, positions).by_group
    groups = [
        {
            "group": label,
            "rows": len(rows),
            **{metric: _finite(values.loc[label][metric]) for metric in metrics},
            "small": label not in large,
        }
        for label, rows in positions.items()
    ]
    gaps = [gap for metric in metrics for gap in _gaps(context, metric, large)] if len(large) > 1 else []
    verdict = _verdict(name, gaps, context.options.fairness.max_gap)
    return {"column": name, "groups": groups, "gaps": gaps, **verdict, "rows": len(labels)}


def _metric_frame(context: EvaluationContext, metrics: Sequence[str], rows: Mapping[str, "Array"]) -> Any:
    """Return fairlearn's frame of metrics by group.

    Row positions take the place of predictions, so that a metric may read the probabilities of the rows as well.
    """
    import numpy as np
    from fairlearn.metrics import MetricFrame

    predictions, catalogue = context.predictions["test"], context.run.catalogue
    positions = np.concatenate(list(rows.values()))
    labels = np.concatenate([np.full(len(members), label, dtype=object) for label, members in rows.items()])
    functions = {
        name: _rate(predictions, name) if name in RATES else _metric(predictions, catalogue[name]) for name in metrics
    }
    with warnings.catch_warnings():
        # scikit-learn warns for each group in which a class is missing; the value is NaN, which says the same
        warnings.simplefilter("ignore")
        return MetricFrame(
            metrics=functions, y_true=predictions.y_true[positions], y_pred=positions, sensitive_features=labels
        )


def _rate(predictions: Predictions, name: str) -> Callable[..., float]:
    import fairlearn.metrics

    rate = getattr(fairlearn.metrics, name)
    needed = {"true_positive_rate": 1, "false_positive_rate": 0}.get(name)

    def value(y_true: Any, rows: Any) -> float:
        if needed is not None and not (y_true == needed).any():  # undefined, where fairlearn would return 0
            return float("nan")
        return float(rate(y_true, predictions.y_pred[rows], pos_label=1))

    return value


def _metric(predictions: Predictions, metric: Metric) -> Callable[..., float]:
    def value(y_true: Any, rows: Any) -> float:
        score = take_rows(predictions, rows).value(metric)
        return float("nan") if score is None else float(score)

    return value


def _gaps(context: EvaluationContext, metric: str, rows: Mapping[str, "Array"]) -> list[dict[str, Any]]:
    """Return difference and ratio of the extreme groups with their intervals; undefined groups take no part."""
    # groups without a value are dropped and the frame is made again, so that gaps and intervals are of the same groups
    values = _metric_frame(context, [metric], rows).by_group[metric].dropna().astype(float)
    if len(values) < 2:
        return []
    defined = {label: rows[label] for label in values.index}
    frame = _metric_frame(context, [metric], defined)
    options, run = context.options.intervals, context.run
    drawn = None
    if options.resamples:
        drawn = resample_groups(
            context.predictions["test"], defined, metric, run.catalogue, options.resamples, run.seed
        )
    gaps = []
    for kind, value in (("difference", frame.difference()[metric]), ("ratio", frame.ratio()[metric])):
        low, high = gap_interval(drawn, kind, options.level) if drawn is not None else (None, None)
        extremes = {"least": str(values.idxmin()), "most": str(values.idxmax())}
        gaps.append({"metric": metric, "kind": kind, "value": _finite(value), "low": low, "high": high, **extremes})
    return gaps


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def resample_groups(
    predictions: Predictions,
    rows: Mapping[str, "Array"],
    name: str,
    catalogue: Mapping[str, Metric],
    resamples: int,
    seed: int,
) -> "Array":
    """Return a metric on bootstrap resamples of each group's rows, of shape (groups, resamples)."""
    import numpy as np

    from runtree.statistics.resampling import replicate

    rng = np.random.default_rng(seed)
    replicates = []
    for number, members in enumerate(rows.values()):
        group = take_rows(predictions, members)
        if name in RATES:
            replicates.append(_resample_rate(group, name, resamples, rng))
            continue
        # another seed for each group: with the same one, groups of equal
        # size would be resampled alike, and their gap would vary too little
        drawn = replicate([group], [catalogue[name]], resamples, seed + number).get(name)
        replicates.append(np.full(resamples, np.nan) if drawn is None else drawn.drawn[0])
    # large groups get fewer resamples, see `resampling.replicate`
    fewest = min(len(values) for values in replicates)
    return np.stack([values[:fewest] for values in replicates])


def _resample_rate(predictions: Predictions, name: str, resamples: int, rng: Any) -> "Array":
    """Return a rate on resamples.

    To draw rows with replacement is to draw the four counts of the confusion matrix from a multinomial distribution.
    """
    import numpy as np

    cells = np.bincount(2 * predictions.y_true + predictions.y_pred, minlength=4)  # tn, fp, fn, tp
    tn, fp, fn, tp = rng.multinomial(cells.sum(), cells / cells.sum(), size=resamples).T
    numerator, denominator = {
        "selection_rate": (tp + fp, tn + fp + fn + tp),
        "true_positive_rate": (tp, tp + fn),
        "false_positive_rate": (fp, fp + tn),
    }[name]
    rates: Array = np.divide(numerator, denominator, out=np.full(resamples, np.nan), where=denominator > 0)
    return rates


def gap_interval(drawn: "Array", kind: str, level: float) -> tuple[float | None, float | None]:
    """Return the percentile interval of a gap: of the difference of the extreme groups, or of their ratio."""
    import numpy as np

    defined = drawn[:, ~np.isnan(drawn).any(axis=0)]
    if defined.shape[1] < 2 or len(defined) < 2:
        return None, None
    least, most = defined.min(axis=0), defined.max(axis=0)
    ratio = np.divide(least, most, out=np.ones_like(most, dtype=float), where=most != 0)
    low, high = np.quantile(most - least if kind == "difference" else ratio, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _verdict(name: str, gaps: Sequence[Mapping[str, Any]], max_gap: float | None) -> dict[str, Any]:
    """Return whether the differences are within `max_gap`; if none could be measured, the gate fails."""
    if max_gap is None:
        return {"passed": None, "explanation": ""}
    differences = [gap for gap in gaps if gap["kind"] == "difference" and gap["value"] is not None]
    if not differences:
        # a gate that cannot be measured must not count as passed
        return {"passed": False, "explanation": f"{name}: no two groups have {MIN_GROUP_ROWS} rows to compare"}
    wide = []
    for gap in differences:
        if gap["value"] > max_gap:
            interval = f" [{gap['low']:.3g}, {gap['high']:.3g}]" if gap["low"] is not None else ""
            wide.append(
                f"{gap['metric']} differs by {gap['value']:.3g}{interval} between {name} = {gap['least']} and "
                f"{gap['most']}, allowed {max_gap:g}"
            )
    return {"passed": not wide, "explanation": "; ".join(wide)}
