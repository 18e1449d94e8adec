"""Sections of a run's page on its scores: headline, quality gate, metrics, baselines, classes."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.elements import Element, Paragraph, table_of
from runtree.reports.formatting import (
    MISSING,
    format_estimate,
    format_interval,
    format_number,
    format_p_value,
    format_percent,
    format_seconds,
    join_words,
    metric_label,
    pluralize,
)
from runtree.reports.images import PlotGallery
from runtree.reports.run.content import RunContent
from runtree.reports.summary import baseline_label


def headline(content: RunContent) -> Mapping[str, Any] | None:
    """Return the score that counts, with its metric, its interval and how often the test set was used."""
    value = (content.record.metrics.get(content.split) or {}).get(content.metric)
    if value is None:
        return None
    rows = content.data_entry("split").get(content.split)
    notes = [f"on the {content.split} set" + (f", {pluralize(rows, 'row')}" if isinstance(rows, int) else "")]
    if content.interval.get("low") is not None:
        level = content.result("intervals").get("level", 0.95)
        notes.append(f"{format_percent(level)} interval: {format_interval(content.interval)}")
    notes.append("higher is better" if content.maximized else "lower is better")
    return {
        "value": format_number(value),
        "metric": metric_label(content.metric),
        "notes": notes,
        "test_set": _test_set_use(content),
    }


def _test_set_use(content: RunContent) -> str:
    """Return how often the test set was used, as recorded in the output tree."""
    used = content.result("test_looks")
    count, configurations = used.get("count"), used.get("configurations")
    if not isinstance(count, int):
        return ""
    if count == 1:
        return "test set used once, after selection"
    by = f" by {pluralize(configurations, 'configuration')}" if isinstance(configurations, int) else ""
    return f"test set used {count} times{by}"


def gate(content: RunContent, gallery: PlotGallery) -> list[Element]:
    result = content.result("benchmark")
    rows = [
        [
            str(condition.get("condition")),
            format_number(condition.get("value")),
            "passed" if condition.get("passed") else "failed",
            str(condition.get("reason") or ""),
        ]
        for condition in result.get("conditions") or ()
    ]
    lines: list[Element] = [Paragraph(str(result["explanation"]))] if rows and result.get("explanation") else []
    headings = ["condition", "value", "result", "reason"]
    return lines + table_of("Conditions", headings, rows, numeric=frozenset({1}))


def metrics(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the metrics of each split, those of the test set with intervals."""
    splits = {name: scores for name, scores in content.record.metrics.items() if isinstance(scores, Mapping)}
    # in the order of the run, which is that of `evaluator.metrics`
    names = list(dict.fromkeys(name for scores in splits.values() for name in scores))
    result = content.result("intervals")
    intervals = result.get("test") or {}
    rows = [
        [metric_label(name), *(format_number(scores.get(name)) for scores in splits.values())]
        + ([format_interval(intervals.get(name))] if intervals else [])
        for name in names
    ]
    headings = ["metric", *splits]
    headings += [f"{format_percent(result.get('level', 0.95))} interval, test"] if intervals else []
    # a run that failed early has no objective yet
    marked = frozenset({names.index(content.metric)} if content.metric in names else ())
    elements = table_of("Metrics by split", headings, rows, marked=marked)
    if intervals and rows:
        resamples = result.get("resamples")
        drawn = f", {resamples:,} resamples of the test rows" if resamples else ""
        text = f"Intervals: {result.get('method', 'bootstrap')}{drawn}. Runs are ranked by the highlighted metric."
        elements.append(Paragraph(text))
    if isinstance(refit := content.record.fit.get("refit"), Mapping):
        elements.append(Paragraph(_describe_refit(refit, content.record.fit)))
    elements += [Paragraph(line) for line in _undefined(content, intervals)]
    fold_names = list(dict.fromkeys(name for fold in content.folds for name in fold))
    fold_rows = [
        [str(number), *(format_number(fold.get(name)) for name in fold_names)]
        for number, fold in enumerate(content.folds, 1)
    ]
    return elements + table_of("Scores of each fold", ["fold", *map(metric_label, fold_names)], fold_rows)


def _undefined(content: RunContent, intervals: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each reason why metrics have no value, or no interval."""
    found: dict[str, dict[str, None]] = {}
    for split, reasons in content.undefined.items():
        for name, reason in reasons.items():
            found.setdefault(f"not defined on {split}, {reason}", {})[metric_label(name)] = None
    for name, interval in intervals.items():
        if interval.get("reason") and name not in (content.undefined.get("test") or {}):
            found.setdefault(f"no interval, {interval['reason']}", {})[metric_label(name)] = None
    note = content.result("intervals").get("note")
    return [f"{join_words([*names])}: {reason}." for reason, names in found.items()] + (
        [f"{note[:1].upper()}{note[1:]}."] if note else []
    )


def _describe_refit(refit: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    count, splits = refit.get("iterations"), join_words([str(split) for split in refit.get("splits") or ()])
    iterations = f", with {pluralize(count, str(fit.get('unit') or 'iteration'))}" if isinstance(count, int) else ""
    return (
        f"The saved model was fitted again on the {splits} split ({refit.get('rows')} rows){iterations}. "
        "Scores on the test split are of this model, those on the other splits of the first one."
    )


def baselines(content: RunContent, gallery: PlotGallery) -> list[Element]:
    compared = content.results("baselines")
    rows = []
    for baseline in compared:
        lift = baseline.get("gain") or {}
        score = ((baseline.get("metrics") or {}).get("test") or {}).get(content.metric)
        rows.append(
            [
                baseline_label(baseline),
                str(baseline.get("algorithm") or ""),
                format_number(score),
                format_estimate(lift, signed=True) if lift else MISSING,
                format_p_value(lift.get("p")),
                format_seconds(baseline.get("seconds")),
            ]
        )
    headings = ["baseline", "algorithm", f"{metric_label(content.metric)}, test", "lift of the model", "p", "time"]
    elements: list[Element] = [*gallery.figures("baselines")]
    elements += table_of("The model and the baselines", headings, rows, numeric=frozenset({2, 3, 4, 5}))
    methods = sorted({str(row["gain"]["method"]) for row in compared if (row.get("gain") or {}).get("method")})
    if methods:
        text = f"A lift above 0 means that the model is better. Intervals and p values: {', '.join(methods)}."
        elements.append(Paragraph(text))
    skipped = [f"{entry.get('name')}: {entry.get('reason')}" for entry in content.results("baselines_left_out")]
    return elements + ([Paragraph(f"Skipped: {'; '.join(skipped)}.")] if skipped else [])


def classes(content: RunContent, gallery: PlotGallery) -> list[Element]:
    rows = []
    for entry in content.results("classes"):
        confused, count = entry.get("confused_with"), entry.get("confused_rows")
        counted = f" ({pluralize(count, 'row')})" if isinstance(count, int) else ""
        rows.append(
            [
                str(entry.get("class")),
                *(format_number(entry.get(name)) for name in ("rows", "precision", "recall", "f1")),
                "" if confused is None else f"{confused}{counted}",
            ]
        )
    headings = ["class", "rows", "precision", "recall", "F1", "most often predicted as"]
    table = table_of("Scores by class", headings, rows, numeric=frozenset({1, 2, 3, 4}))
    return [*gallery.figures("confusion", "roc", "precision_recall"), *table]
