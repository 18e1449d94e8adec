"""What is compared row by row: baselines, slices, gaps between groups, importance, worse inputs."""

from collections.abc import Sequence
from typing import Any

from runtree.records.pictures import BEST, GREY, DrawnPlot
from runtree.reports.formatting import metric_name, number
from runtree.reports.plots.style import BLUE, finish, new_rows, put_rows
from runtree.reports.run.content import RunContent
from runtree.reports.summary import called

MOST = 15

Row = tuple[str, float, float | None, float | None]  # name, value, low, high


def baselines(facts: RunContent) -> DrawnPlot | None:
    """Draw the gain over each baseline with its interval."""
    found = [(called(one), one["gain"]) for one in facts.each("baselines") if one.get("gain")]
    rows = [(name, gain["value"], gain.get("low"), gain.get("high")) for name, gain in found]
    if not rows:
        return None
    metric = metric_name(str(found[0][1].get("metric") or facts.metric))
    figure = dots(rows, 0.0, "Gain over baselines", f"gain in {metric}, test part", "no difference")
    says = "Right of the dashed line the model is better; where a bar crosses it, that is not certain."
    return figure, {"title": "Against baselines", "says": says, "rows": rows}


def slices(facts: RunContent) -> DrawnPlot | None:
    """Draw the worst slices with their intervals, and the metric over all rows."""
    found = [one for one in facts.each("slices") if one.get("value") is not None][:MOST]
    if not found:
        return None
    rows = [(str(one["where"]), one["value"], one.get("low"), one.get("high")) for one in found]
    metric = metric_name(str(found[0].get("metric") or facts.metric))
    figure = dots(rows, found[0].get("overall"), "Where it is worst", metric, "all rows")
    says = f"Parts of the data by their {metric}; the dashed line is that of all rows."
    return figure, {"title": "Slices", "says": says, "rows": rows}


def fairness(facts: RunContent) -> DrawnPlot | None:
    """Draw the differences between groups with their intervals."""
    columns = facts.each("fairness")
    rows = [
        (f"{one.get('column')}: {metric_name(str(gap.get('metric')))}", gap["value"], gap.get("low"), gap.get("high"))
        for one in columns
        for gap in one.get("gaps") or ()
        if gap.get("kind") == "difference" and gap.get("value") is not None
    ][:MOST]
    if not rows:
        return None
    figure = dots(rows, 0.0, "Gaps between groups", "difference between groups", "none")
    says = "The farther from the dashed line, the more differently groups are served."
    return figure, {"title": "Gaps between groups", "says": says, "rows": rows}


def importance(facts: RunContent) -> DrawnPlot | None:
    """Draw what the metric loses where a column is shuffled."""
    found = facts.one("importance")
    ranked = [one for one in found.get("features") or () if one.get("mean") is not None]
    ranked = sorted(ranked, key=lambda one: -one["mean"])[:MOST]
    if not ranked:
        return None
    metric = metric_name(str(found.get("metric") or facts.metric))
    axes = new_rows([one["feature"] for one in ranked])
    means, spreads = [one["mean"] for one in ranked], [one.get("sd") or 0.0 for one in ranked]
    axes.barh(range(len(ranked)), means, xerr=spreads, color=BLUE, ecolor=GREY, height=0.65)
    put_rows(axes, [one["feature"] for one in ranked])
    figure = finish(axes, "Importance of columns", f"loss of {metric} where shuffled", "", legend=False)
    axes.grid(False, axis="y")
    more = len(found["features"]) - len(ranked)
    says = f"How much {metric} gets worse where a column is shuffled; the grey line is one standard deviation."
    return figure, {
        "title": "Importance",
        "says": says + (f" {more} more matter less." if more else ""),
        "features": ranked,
    }


def robustness(facts: RunContent) -> DrawnPlot | None:
    """Draw what worse inputs cost."""
    found = [one for one in facts.each("robustness") if one.get("loss") is not None][:MOST]
    if not found:
        return None
    metric = metric_name(str(found[0].get("metric") or facts.metric))
    axes = new_rows([one["shift"] for one in found])
    axes.barh(range(len(found)), [one["loss"] for one in found], color=BLUE, height=0.65)
    axes.axvline(0, color=GREY, linewidth=1)
    put_rows(axes, [one["shift"] for one in found])
    figure = finish(axes, "Worse inputs", f"loss of {metric}", "", legend=False)
    axes.grid(False, axis="y")
    return figure, {"title": "Worse inputs", "says": f"What {metric} loses where the inputs get worse.", "rows": found}


def dots(rows: Sequence[Row], line: float | None, title: str, across: str, what: str) -> Any:
    """Draw a value and its interval for each row, and a line to hold them against."""
    axes = new_rows([name for name, *_ in rows])
    for place, (_, value, low, high) in enumerate(rows):
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=BLUE, linewidth=2, solid_capstyle="round")
        axes.plot([value], [place], marker="o", color=BEST, markersize=6, linestyle="none")
        axes.annotate(number(value), (value, place), (0, 6), textcoords="offset points", fontsize=9, ha="center")
    if line is not None:
        axes.axvline(line, color=GREY, linestyle="--", linewidth=1, label=what)
    put_rows(axes, [name for name, *_ in rows])
    axes.margins(x=0.08)
    figure = finish(axes, title, across, "", legend=False)
    axes.grid(False, axis="y")
    return figure
