"""Sections of a run's page on the diagnosis: findings, calibration, segments, residuals, robustness, fairness."""

from collections.abc import Mapping
from typing import Any

from runtree.contract.types import Finding
from runtree.reports.elements import Details, Element, HtmlTable, Paragraph, table_of
from runtree.reports.formatting import (
    MISSING,
    format_estimate,
    format_interval,
    format_number,
    format_p_value,
    format_percent,
    metric_label,
    pluralize,
)
from runtree.reports.images import PlotGallery
from runtree.reports.run.content import RunContent

SEVERITY = {"warning": 0, "note": 1, "good": 2}
MAX_FEATURES = 30  # in the table of importances


def findings(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the findings, the most serious first; passed checks are folded away beside others."""
    shown = sorted(map(read_finding, content.findings), key=lambda finding: SEVERITY[finding.level])
    passed = [finding for finding in shown if finding.level == "good"]
    problems = [finding for finding in shown if finding.level != "good"]
    if not problems or not passed:
        return [*problems, *passed]
    return [*problems, Details(f"{pluralize(len(passed), 'check')} passed", passed)]


def read_finding(entry: Mapping[str, Any]) -> Finding:
    """Return a finding from its JSON, with a name and a level that can always be shown."""
    level = str(entry.get("level"))
    name = str(entry.get("name") or "").replace("_", " ")
    # a plugin or a later version may write a level that this version does not know
    level = level if level in SEVERITY else "note"
    return Finding(name, level, str(entry.get("says")), str(entry.get("advice") or ""))  # type: ignore[arg-type]


def learning(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the learning curves, by iterations and by rows."""
    doubling = content.result("learning_curve").get("doubling") or {}
    elements: list[Element] = [*gallery.figures("learning_curve", "training_size")]
    if doubling.get("gain") is not None:
        lift = format_estimate({**doubling, "value": doubling["gain"]}, signed=True)
        elements.append(Paragraph(f"Expected change of the score with twice the rows: {lift}; above 0 is better."))
    return elements


def probabilities(content: RunContent, gallery: PlotGallery) -> list[Element]:
    calibration, threshold = content.result("calibration"), content.result("threshold")
    elements: list[Element] = [*gallery.figures("calibration", "threshold")]
    if calibration.get("ece") is not None:
        text = f"Calibration error on the {calibration.get('part', 'test')} set: {format_number(calibration['ece'])}"
        if calibration.get("noise") is not None:
            noise, p = format_number(calibration["noise"]), format_p_value(calibration.get("p"))
            text += f"; a perfectly calibrated model would show up to {noise} on this many rows (p {p})"
        elements.append(
            Paragraph(f"{text}. It is the mean difference of predicted probability and observed frequency.")
        )
    if threshold.get("chosen") is not None:
        by = metric_label(str(threshold.get("by")))
        text = f"Best threshold on the {threshold.get('part', 'validation')} set by {by}: "
        text += format_number(threshold["chosen"])
        if threshold.get("chosen_value") is not None:
            chosen, default = (format_number(threshold.get(name)) for name in ("chosen_value", "default_value"))
            text += f" ({by} {chosen}; at the default threshold {default})"
        use = "The model uses it." if threshold.get("used") else "The model does not use it."
        elements.append(Paragraph(f"{text}. {use}"))
    return elements


def segments(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the segments of the data with the worst scores."""
    entries = content.results("slices")
    rows = [
        [
            str(entry.get("where")),
            format_number(entry.get("rows")),
            format_number(entry.get("value")),
            format_interval(entry),
            format_number(entry.get("overall")),
            format_p_value(entry.get("p")),
        ]
        for entry in entries
    ]
    headings = ["segment", "rows", _metric(content, entries), "interval", "all rows", "p"]
    return [*gallery.figures("slices"), *table_of("Weakest segments", headings, rows)]


def residuals(content: RunContent, gallery: PlotGallery) -> list[Element]:
    rows = [
        [
            f"{format_number(entry.get('low'))} to {format_number(entry.get('high'))}",
            format_number(entry.get("rows")),
            format_number(entry.get("mean"), signed=True),
        ]
        for entry in (content.result("residuals").get("by_prediction") or {}).get("bins") or ()
    ]
    table = table_of("Mean residual (actual - predicted)", ["predicted", "rows", "mean residual"], rows)
    return [*gallery.figures("predicted_actual", "residuals"), *table]


def robustness(content: RunContent, gallery: PlotGallery) -> list[Element]:
    entries = content.results("robustness")
    noted = any(entry.get("reason") for entry in entries)
    rows = [
        [str(entry.get("shift")), format_number(entry.get("value")), format_number(entry.get("loss"), signed=True)]
        + ([str(entry.get("reason") or "")] if noted else [])
        for entry in entries
    ]
    headings = ["inputs", _metric(content, entries), "loss", *(["note"] if noted else [])]
    table = table_of("Scores on perturbed inputs", headings, rows, numeric=frozenset({1, 2}))
    return [*gallery.figures("robustness"), *table]


def fairness(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the scores of the groups of each sensitive column, and the gaps between groups."""
    elements: list[Element] = [*gallery.figures("fairness")]
    for column in content.results("representation"):
        elements += _representation(column)
    for column in content.results("fairness"):
        elements += _groups(column)
        elements += _gaps(column)
    return elements


def _representation(column: Mapping[str, Any]) -> list[Element]:
    rows = []
    for group in column.get("groups") or ():
        interval = f"{format_percent(group['low'])} to {format_percent(group['high'])}"
        cells = [
            format_percent(group[key]) if key in group else MISSING for key in ("expected", "missing", "label_rate")
        ]
        marked = " (too few)" if group.get("under") else ""
        share = format_percent(group["share"])
        rows.append([f"{group['group']}{marked}", format_number(group["rows"]), share, interval, *cells])
    headings = ["group", "rows", "share", "interval", "of the population", "missing values", "positive labels"]
    return table_of(f"Representation by {column.get('column')}", headings, rows)


def _groups(column: Mapping[str, Any]) -> list[Element]:
    groups = column.get("groups") or ()
    names = list(dict.fromkeys(key for group in groups for key, value in group.items() if _is_metric(key, value)))
    rows = [
        [
            f"{group.get('group')}{' (few rows)' if group.get('small') else ''}",
            format_number(group.get("rows")),
            *(format_number(group.get(name)) for name in names),
        ]
        for group in groups
    ]
    return table_of(f"Groups of {column.get('column')}", ["group", "rows", *map(metric_label, names)], rows)


def _is_metric(key: str, value: Any) -> bool:
    return key not in ("group", "rows") and isinstance(value, (int, float)) and not isinstance(value, bool)


def _gaps(column: Mapping[str, Any]) -> list[Element]:
    rows = [
        [
            metric_label(str(gap.get("metric"))),
            str(gap.get("kind")),
            format_estimate(gap),
            " and ".join(str(gap[name]) for name in ("least", "most") if gap.get(name) is not None),
        ]
        for gap in column.get("gaps") or ()
    ]
    passed = column.get("passed")
    bound = "no bound set" if passed is None else "within the bound" if passed else "exceeds the bound"
    caption = f"Gaps between groups of {column.get('column')}: {bound}"
    headings = ["metric", "kind", "gap", "between"]
    return [HtmlTable(caption, headings, rows, frozenset({2}))] if rows else []


def importance(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return feature importances and partial dependence."""
    result = content.result("importance")
    ranked = [entry for entry in result.get("features") or () if isinstance(entry, Mapping)]
    rows = [
        [str(entry.get("feature")), format_number(entry.get("mean")), format_number(entry.get("sd"))]
        for entry in ranked[:MAX_FEATURES]
    ]
    elements: list[Element] = [*gallery.figures("importance", "dependence")]
    metric = metric_label(str(result.get("metric") or content.metric))
    caption = f"Loss of {metric} when a column is shuffled, {result.get('part', 'test')} set"
    if rows:
        elements.append(Details("Values", table_of(caption, ["column", "mean loss", "sd"], rows)))
    if result.get("advice"):
        elements.append(Paragraph(f"Note: {result['advice']}."))
    if len(ranked) > len(rows):
        elements.append(Paragraph(f"{pluralize(len(ranked) - len(rows), 'more column')} in evaluation.json."))
    return elements


def _metric(content: RunContent, entries: list[Mapping[str, Any]]) -> str:
    """Return the label of the metric of a list of results: a gate may have chosen another than the run's."""
    return metric_label(str(entries[0].get("metric") or content.metric)) if entries else ""
