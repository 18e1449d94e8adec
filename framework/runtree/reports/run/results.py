"""What came of it: the number that counts, the gate, the metrics of each part, the baselines."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.elements import Element, HtmlTable, Paragraph, table_of
from runtree.reports.formatting import (
    MISSING,
    count_of,
    interval,
    metric_name,
    number,
    p_value,
    percent,
    seconds,
    with_interval,
)
from runtree.reports.images import PlotGallery
from runtree.reports.run.content import RunContent
from runtree.reports.summary import called


def the_number(facts: RunContent) -> Mapping[str, Any] | None:
    """Return the one number of a run: its value, metric, interval, and what is to be known of it."""
    value = (facts.record.metrics.get(facts.part) or {}).get(facts.metric)
    if value is None:
        return None
    rows = facts.of_data("split").get(facts.part)
    notes = [f"on the {facts.part} part" + (f", {count_of(rows, 'row')}" if isinstance(rows, int) else "")]
    bounds = interval(facts.interval)
    if facts.interval.get("low") is not None:
        level = facts.one("intervals").get("level", 0.95)
        notes.append(f"{percent(level)} interval: {bounds}")
    notes.append("more is better" if facts.maximized else "less is better")
    return {"value": number(value), "metric": metric_name(facts.metric), "notes": notes, "looks": looks(facts)}


def looks(facts: RunContent) -> str:
    """Return how often the test part was looked at, as far as the tree knows."""
    found = facts.one("test_looks")
    count, configs = found.get("count"), found.get("configurations")
    if not isinstance(count, int):
        return ""
    among = f" by {count_of(configs, 'configuration')}" if isinstance(configs, int) and count > 1 else ""
    return f"test looks: {count}{among}" + (" (scored once, after selection)" if count == 1 else "")


def gate(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell each condition that was set."""
    asked = facts.one("benchmark")
    conditions = asked.get("conditions") or ()
    rows = [
        [
            str(one.get("condition")),
            number(one.get("value")),
            "met" if one.get("passed") else "missed",
            str(one.get("reason") or ""),
        ]
        for one in conditions
    ]
    lines: list[Element] = [Paragraph(str(asked["explanation"]))] if rows and asked.get("explanation") else []
    return lines + table_of("Conditions", ["condition", "value", "result", "reason"], rows, numeric=frozenset({1}))


def metrics(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell each metric on each part, that of the test part with its interval."""
    parts = {name: own for name, own in facts.record.metrics.items() if isinstance(own, Mapping)}
    names = list(dict.fromkeys(name for own in parts.values() for name in own))
    found = facts.one("intervals")
    bounds = found.get("test") or {}
    headings = ["metric", *parts] + ([f"{percent(found.get('level', 0.95))} interval, test"] if bounds else [])
    rows = [
        [metric_name(name), *(number(own.get(name)) for own in parts.values())]
        + ([interval(bounds.get(name))] if bounds else [])
        for name in names
    ]
    marked = frozenset({names.index(facts.metric)} if facts.metric in names else ())
    blocks: list[Element] = [*table_of("Metrics by part", headings, rows, marked=marked)]
    if bounds and rows:
        blocks.append(Paragraph(_method(found)))
    return blocks + _folds(facts)


def _method(found: Mapping[str, Any]) -> str:
    drawn = f", {found['resamples']:,} resamples of the test rows" if found.get("resamples") else ""
    return f"Intervals: {found.get('method', 'bootstrap')}{drawn}. The marked metric is the one runs are ranked by."


def _folds(facts: RunContent) -> list[Element]:
    if not facts.folds:
        return []
    names = list(dict.fromkeys(name for fold in facts.folds for name in fold))
    rows = [[str(place), *(number(fold.get(name)) for name in names)] for place, fold in enumerate(facts.folds, 1)]
    return table_of("Scores of each fold", ["", *map(metric_name, names)], rows)


def baselines(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell how much better the model is than each baseline."""
    found = facts.each("baselines")
    rows = [_baseline(one, facts) for one in found]
    headings = ["baseline", "algorithm", f"{metric_name(facts.metric)}, test", "gain over it", "p", "seconds"]
    blocks: list[Element] = [*gallery.pictures("baselines")]
    blocks += table_of("The model against baselines", headings, rows, numeric=frozenset({2, 3, 4, 5}))
    methods = sorted({str(one["gain"]["method"]) for one in found if (one.get("gain") or {}).get("method")})
    if methods:
        blocks.append(
            Paragraph(f"A gain above 0 means that the model is better; intervals and p by {', '.join(methods)}.")
        )
    left = [f"{one.get('name')}: {one.get('reason')}" for one in facts.each("baselines_left_out")]
    return blocks + ([Paragraph(f"Left out: {'; '.join(left)}.")] if left else [])


def _baseline(one: Mapping[str, Any], facts: RunContent) -> list[str]:
    gain = one.get("gain") or {}
    value = ((one.get("metrics") or {}).get("test") or {}).get(facts.metric)
    told = with_interval(gain, signed=True) if gain else MISSING
    return [
        called(one),
        str(one.get("algorithm") or ""),
        number(value),
        told,
        p_value(gain.get("p")),
        seconds(one.get("seconds")),
    ]


def classes(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell how well each class is found."""
    found = facts.each("classes")
    rows = [
        [
            str(one.get("class")),
            number(one.get("rows")),
            *(number(one.get(name)) for name in ("precision", "recall", "f1")),
            _confused(one),
        ]
        for one in found
    ]
    headings = ["class", "rows", "precision", "recall", "F1", "mostly taken for"]
    pictures = gallery.pictures("confusion", "roc", "precision_recall")
    told: list[Element] = [HtmlTable("Class by class", headings, rows, frozenset({1, 2, 3, 4}))] if rows else []
    return [*pictures, *told]


def _confused(one: Mapping[str, Any]) -> str:
    other, rows = one.get("confused_with"), one.get("confused_rows")
    if other is None:
        return ""
    return f"{other} ({count_of(rows, 'row')})" if isinstance(rows, int) else str(other)
