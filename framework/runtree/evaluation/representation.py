"""Representation: the groups of sensitive columns, their shares beside those of a population, and what is missing."""

from collections.abc import Iterator
from typing import Any

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext
from runtree.statistics.proportions import clopper_pearson
from runtree.tables.groups import column_values, group_labels
from runtree.training.row_weights import population


def measure_representation(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return for each column of `evaluator.fairness.columns` and `data.population` its groups and their shares.

    A group is under-represented if the interval of its share in the table lies below the expected share.
    """
    expected = population(context.run)
    names = dict.fromkeys([*context.options.fairness.columns, *expected])
    return [_measure_column(context, name, expected.get(name, {})) for name in names] or None


def _measure_column(context: EvaluationContext, name: str, expected: dict[str, float]) -> dict[str, Any]:
    table, level = context.run.data, context.options.intervals.level
    labels = group_labels(column_values(table, name)).to_numpy().astype(str)
    features = table.features.drop(columns=name, errors="ignore")
    missing = features.isna().to_numpy().mean(axis=1) if features.shape[1] else None
    positive = (table.target == table.positive).to_numpy() if table.positive is not None else None
    groups = []
    for group in sorted({*labels.tolist(), *expected}):
        own = labels == group
        rows = int(own.sum())
        low, high = clopper_pearson(rows, len(labels), level)
        share: dict[str, Any] = {"group": group, "rows": rows, "share": rows / len(labels), "low": low, "high": high}
        if group in expected:
            share |= {"expected": expected[group], "under": high < expected[group]}
        if rows and missing is not None:
            share["missing"] = float(missing[own].mean())
        if rows and positive is not None:
            share["label_rate"] = float(positive[own].mean())
            share["label_low"], share["label_high"] = clopper_pearson(int(positive[own].sum()), rows, level)
        elif rows and not table.classes:
            share["target_mean"] = float(table.target[own].mean())
        share["parts"] = {part: int(own[rows_of].sum()) for part, rows_of in _parts(context)}
        groups.append(share)
    return {"column": name, "level": level, "groups": groups}


def _parts(context: EvaluationContext) -> Iterator[tuple[str, Any]]:
    split = context.run.split
    return ((part, split.rows(part)) for part in ("train", "validation", "test") if len(split.rows(part)))


def representation_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Note groups that are under-represented, and groups that a part does not have."""
    weighted = context.run.config.to_dict()["data"].get("reweight") or []
    for column in context.results.get("representation") or ():
        name = column["column"]
        for group in column["groups"]:
            where = f"{name} = {group['group']}"
            if group.get("under"):
                yield Finding(
                    "representation",
                    "warning",
                    f"{where} has {group['share']:.1%} of the rows ({group['low']:.1%} to {group['high']:.1%}), and "
                    f"{group['expected']:.1%} of the population",
                    "collect more of them; the fit weights their rows"
                    if name in weighted
                    else f"collect more of them, or weight the rows: data.reweight=[{name}]",
                    {key: group[key] for key in ("share", "low", "high", "expected")},
                )
            absent = [part for part, rows in group["parts"].items() if not rows]
            if group["rows"] and absent:
                says = f"no {' or '.join(absent)} row is of {where}, of which the table has {group['rows']:,} rows"
                yield Finding(
                    "representation", "note", says, "nothing is known of the model there: make the part larger"
                )
