"""Plots with a row for each item: baselines, segments, fairness gaps, feature importance, robustness."""

from collections.abc import Sequence
from typing import Any

from runtree.records.plot_writer import BEST, GREY, DrawnPlot
from runtree.reports.formatting import format_number, metric_label
from runtree.reports.plots.style import BLUE, finish, label_rows, new_row_axes
from runtree.reports.run.content import RunContent
from runtree.reports.summary import baseline_label

MAX_ROWS = 15

EstimateRow = tuple[str, float, float | None, float | None]  # name, value, low, high


def baselines(content: RunContent) -> DrawnPlot | None:
    compared = [(baseline_label(row), row["gain"]) for row in content.results("baselines") if row.get("gain")]
    rows = [(name, lift["value"], lift.get("low"), lift.get("high")) for name, lift in compared]
    if not rows:
        return None
    metric = metric_label(str(compared[0][1].get("metric") or content.metric))
    figure = _draw_estimates(rows, 0.0, "Lift over baselines", f"lift in {metric}, test set", "no difference")
    caption = "Right of the dashed line the model is better; an interval that crosses it leaves that open."
    return figure, {"title": "Lift over baselines", "says": caption, "rows": rows}


def segments(content: RunContent) -> DrawnPlot | None:
    entries = [entry for entry in content.results("slices") if entry.get("value") is not None][:MAX_ROWS]
    if not entries:
        return None
    rows = [(str(entry["where"]), entry["value"], entry.get("low"), entry.get("high")) for entry in entries]
    metric = metric_label(str(entries[0].get("metric") or content.metric))
    figure = _draw_estimates(rows, entries[0].get("overall"), "Weakest segments", metric, "all rows")
    caption = f"Segments of the data by their {metric}; the dashed line is that of all rows."
    return figure, {"title": "Weakest segments", "says": caption, "rows": rows}


def fairness(content: RunContent) -> DrawnPlot | None:
    rows = [
        (
            f"{column.get('column')}: {metric_label(str(gap.get('metric')))}",
            gap["value"],
            gap.get("low"),
            gap.get("high"),
        )
        for column in content.results("fairness")
        for gap in column.get("gaps") or ()
        if gap.get("kind") == "difference" and gap.get("value") is not None
    ][:MAX_ROWS]
    if not rows:
        return None
    figure = _draw_estimates(rows, 0.0, "Gaps between groups", "difference between groups", "no difference")
    caption = "The farther from the dashed line, the more the groups differ."
    return figure, {"title": "Gaps between groups", "says": caption, "rows": rows}


def importance(content: RunContent) -> DrawnPlot | None:
    result = content.result("importance")
    known = [entry for entry in result.get("features") or () if entry.get("mean") is not None]
    ranked = sorted(known, key=lambda entry: -entry["mean"])[:MAX_ROWS]
    if not ranked:
        return None
    metric = metric_label(str(result.get("metric") or content.metric))
    names = [entry["feature"] for entry in ranked]
    figure = _draw_bars(
        names,
        [entry["mean"] for entry in ranked],
        "Feature importance",
        f"loss of {metric} when shuffled",
        xerr=[entry.get("sd") or 0.0 for entry in ranked],
    )
    # columns without a value count as well: they are in the file
    more = len(result["features"]) - len(ranked)
    caption = f"How much {metric} gets worse when a column is shuffled; the grey line is one standard deviation."
    caption += f" {more} more columns matter less." if more else ""
    return figure, {"title": "Feature importance", "says": caption, "features": ranked}


def robustness(content: RunContent) -> DrawnPlot | None:
    shifts = [entry for entry in content.results("robustness") if entry.get("loss") is not None][:MAX_ROWS]
    if not shifts:
        return None
    metric = metric_label(str(shifts[0].get("metric") or content.metric))
    names, losses = [entry["shift"] for entry in shifts], [entry["loss"] for entry in shifts]
    figure = _draw_bars(names, losses, "Robustness", f"loss of {metric}")
    figure.axes[0].axvline(0, color=GREY, linewidth=1)
    return figure, {"title": "Robustness", "says": f"Loss of {metric} on perturbed inputs.", "rows": shifts}


def _draw_bars(names: Sequence[Any], values: Sequence[float], title: str, x_label: str, **options: Any) -> Any:
    axes = new_row_axes(names)
    axes.barh(range(len(names)), values, color=BLUE, ecolor=GREY, height=0.65, **options)
    label_rows(axes, names)
    figure = finish(axes, title, x_label, "", legend=False)
    axes.grid(False, axis="y")
    return figure


def _draw_estimates(
    rows: Sequence[EstimateRow], reference: float | None, title: str, x_label: str, reference_label: str
) -> Any:
    """Draw the value and the interval of each row, and a dashed line to compare them with."""
    names = [name for name, *_ in rows]
    axes = new_row_axes(names)
    for place, (_, value, low, high) in enumerate(rows):
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=BLUE, linewidth=2, solid_capstyle="round")
        axes.plot([value], [place], marker="o", color=BEST, markersize=6, linestyle="none")
        # above the mark, since text beside it would cover the interval
        axes.annotate(format_number(value), (value, place), (0, 6), textcoords="offset points", fontsize=9, ha="center")
    if reference is not None:
        axes.axvline(reference, color=GREY, linestyle="--", linewidth=1, label=reference_label)
    label_rows(axes, names)
    axes.margins(x=0.08)
    figure = finish(axes, title, x_label, "", legend=False)
    axes.grid(False, axis="y")
    return figure
