"""How a model serves groups of rows: metrics of each, the gaps between them, and whether these are narrow enough."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtree.lifecycle.examination.fairness_columns import column, groups
from runtree.lifecycle.examination.fairness_gaps import limits, replicates
from runtree.lifecycle.examination.fairness_metrics import chosen, functions
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FEWEST = 20  # rows of a group that takes part in the gaps: those of fewer are chance


def fairness(subject: Subject) -> list[dict[str, Any]] | None:
    """Return groups and gaps of each column that is asked for, on the test part; None where none is."""
    asked = subject.options.fairness
    return [_column(subject, name) for name in asked.columns] if asked.columns else None


def _column(subject: Subject, name: str) -> dict[str, Any]:
    """Return one column's groups and gaps, figures by fairlearn's `MetricFrame`.

    Groups of fewer than 20 rows are shown, marked as small, and take no part in the gaps.
    """
    run, answers = subject.run, subject.answers["test"]
    labels = groups(column(run.data, name)).iloc[subject.rows["test"]].to_numpy()
    metrics = chosen(run, subject.options.fairness.metrics)
    positions = {str(label): (labels == label).nonzero()[0] for label in sorted(set(labels.tolist()))}
    large = {label: rows for label, rows in positions.items() if len(rows) >= FEWEST}
    values = _frame(subject, metrics, positions).by_group
    told = [
        {"group": label, "rows": len(rows), **_values(values.loc[label], metrics), "small": label not in large}
        for label, rows in positions.items()
    ]
    gaps = [gap for metric in metrics for gap in _gaps(subject, metric, large)] if len(large) > 1 else []
    found = {"column": name, "groups": told, "gaps": gaps, **_verdict(subject, name, gaps)}
    return {**found, "rows": len(answers.y_true)}


def _values(row: Any, metrics: Sequence[str]) -> dict[str, float | None]:
    return {metric: _number(row[metric]) for metric in metrics}


def _frame(subject: Subject, metrics: Sequence[str], rows: Mapping[str, "Array"]) -> Any:
    import numpy as np
    from fairlearn.metrics import MetricFrame

    answers = subject.answers["test"]
    positions = np.concatenate(list(rows.values()))
    labels = np.concatenate([np.full(len(own), label, dtype=object) for label, own in rows.items()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MetricFrame(
            metrics=functions(answers, metrics, subject.run.catalogue),
            y_true=answers.y_true[positions],
            y_pred=positions,
            sensitive_features=labels,
        )


def _gaps(subject: Subject, metric: str, rows: Mapping[str, "Array"]) -> list[dict[str, Any]]:
    """Return the difference and the ratio of the extreme groups, with limits; those that have no value take no part."""
    frame = _frame(subject, [metric], rows)
    values = frame.by_group[metric].dropna().astype(float)
    if len(values) < 2:
        return []
    own = {label: rows[label] for label in values.index}
    whole = _frame(subject, [metric], own)
    asked, run = subject.options.intervals, subject.run
    drawn = None
    if asked.resamples:
        drawn = replicates(subject.answers["test"], own, metric, run.catalogue, asked.resamples, run.seed)
    found = []
    for kind, value in (("difference", whole.difference()[metric]), ("ratio", whole.ratio()[metric])):
        low, high = limits(drawn, kind, asked.level) if drawn is not None else (None, None)
        ends = {"least": str(values.idxmin()), "most": str(values.idxmax())}
        found.append({"metric": metric, "kind": kind, "value": _number(value), "low": low, "high": high, **ends})
    return found


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _verdict(subject: Subject, name: str, gaps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say whether the differences are narrow enough; where none could be measured, they are not known to be."""
    allowed = subject.options.fairness.max_gap
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
