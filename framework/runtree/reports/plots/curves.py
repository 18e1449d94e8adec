"""Curves: scores by iterations, scores by the number of rows, and partial dependence."""

from collections.abc import Mapping, Sequence
from typing import Any

from runtree.records.plot_writer import BEST, COLOURS, DrawnPlot
from runtree.reports.formatting import metric_label
from runtree.reports.plots.style import BLUE, HEIGHT, SLANTED, WIDTH, finish, new_axes, new_panels, shorten
from runtree.reports.run.content import RunContent
from runtree.training.history import MONITORED_SPLITS, split_name

MAX_PANELS = 6
MAX_CATEGORIES = 12
MAX_LEGEND_CLASSES = 4  # in one panel
MAX_METRICS = 4  # a panel each, the loss first
MAX_MARKED_POINTS = 30  # markers of more hide the line
SPLIT_COLOURS = dict(zip(MONITORED_SPLITS, COLOURS, strict=False))


def learning_curve(content: RunContent) -> DrawnPlot | None:
    """Draw the metrics that were monitored during the fit, a panel for each."""
    lines, fit = content.history, content.record.fit
    names: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for line in lines for name in line):
        split, metric = split_name(name)
        # "seconds" and "learning_rate" are of no split, and have another scale
        if split:
            names.setdefault(metric, []).append(name)
    # a single check is a point, not a curve
    if len(lines) < 2 or not names:
        return None
    shown = sorted(names, key=lambda metric: metric != "loss")[:MAX_METRICS]
    figure, panels = new_panels(1, len(shown), width=WIDTH * len(shown), height=HEIGHT)
    for axes, metric in zip(panels, shown, strict=True):
        _draw_metric(axes, metric, names[metric], lines, fit)
    caption = "Loss and metrics during the fit."
    data = {"title": "Learning curve by iterations", "says": caption, "history": list(lines), "ending": dict(fit)}
    return figure, data


def _draw_metric(
    axes: Any, metric: str, names: Sequence[str], lines: Sequence[Mapping[str, Any]], fit: Mapping[str, Any]
) -> None:
    for name in names:
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        split, marker = split_name(name)[0], "o" if len(points) < MAX_MARKED_POINTS else None
        axes.plot(*zip(*points, strict=True), color=SPLIT_COLOURS[split], label=split, marker=marker, markersize=3)
    if fit.get("best"):
        axes.axvline(fit["best"], color=BEST, linewidth=1, linestyle="--", label=f"kept: {fit['best']}")
    finish(axes, metric, str(fit.get("unit", "step")), "")


def training_size(content: RunContent) -> DrawnPlot | None:
    """Draw the train and validation scores by the number of rows in the fit."""
    import numpy as np
    from sklearn.model_selection import LearningCurveDisplay

    result = content.result("learning_curve")
    points = [
        entry for entry in result.get("points") or () if None not in (entry.get("train"), entry.get("validation"))
    ]
    if len(points) < 2:
        return None
    metric = metric_label(str(result.get("metric") or content.metric))
    rows, train, validation = (np.array([entry[name] for entry in points]) for name in ("rows", "train", "validation"))
    axes = new_axes()
    # the display expects a column for each fold; there is one
    display = LearningCurveDisplay(
        train_sizes=rows, train_scores=train[:, None], test_scores=validation[:, None], score_name=metric
    )
    display.plot(ax=axes, std_display_style=None, line_kw={"marker": "o", "markersize": 4})
    for line, name, colour in zip(axes.lines, ("train", "validation"), COLOURS, strict=False):
        line.set(label=name, color=colour)
    figure = finish(axes, "Learning curve by rows", "rows in the fit", metric)
    caption = "Where the validation score still improves at the end, more rows would help."
    return figure, {"title": "Learning curve by rows", "says": caption, "points": points}


def dependence(content: RunContent) -> DrawnPlot | None:
    """Draw the partial dependence of the mean prediction on each of the most important columns."""
    results = [entry for entry in content.results("dependence") if entry.get("grid") and entry.get("average")]
    results = results[:MAX_PANELS]
    if not results:
        return None
    columns = min(2, len(results))
    # rounded up
    rows = -(-len(results) // columns)
    figure, panels = new_panels(rows, columns, height=1.5 * rows + 0.5)
    for axes, result in zip(panels, results, strict=False):
        _draw_panel(axes, result)
    for axes in panels[len(results) :]:
        axes.remove()
    classes = _classes(results[0])
    several = "probability of each class" if classes else "prediction"
    output = f"probability of {classes[0]}" if len(classes) == 1 else several
    caption = f"The mean {output} if every row had this value and kept all others (partial dependence)."
    return figure, {"title": "Partial dependence", "says": caption, "columns": results}


def _classes(result: Mapping[str, Any]) -> list[str]:
    names = result.get("class")
    return [] if names is None else [str(name) for name in (names if isinstance(names, (list, tuple)) else [names])]


def _draw_panel(axes: Any, result: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    names, category = _classes(result), result.get("kind") == "category"
    curves = result["average"] if isinstance(result["average"][0], (list, tuple)) else [result["average"]]
    for place, curve in enumerate(curves[: len(COLOURS)]):
        if category:  # bars of one class; those of several would hide each other
            _draw_categories(axes, result["grid"], curve)
            break
        name = shorten(names[place], 14) if len(curves) > 1 and place < len(names) else "_"
        axes.plot(result["grid"], curve, color=COLOURS[place], linewidth=1.8, label=name)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    finish(axes, shorten(result.get("feature"), 20), "", "", legend=len(curves) <= MAX_LEGEND_CLASSES)
    if category:
        axes.grid(False, axis="x")


def _draw_categories(axes: Any, grid: list[Any], curve: list[float]) -> None:
    bars = list(zip(grid, curve, strict=True))[:MAX_CATEGORIES]
    axes.bar(range(len(bars)), [value for _, value in bars], color=BLUE, width=0.6)
    names = [shorten(name, 10) for name, _ in bars]
    axes.set_xticks(range(len(bars)), names, **(SLANTED if len("".join(names)) > 12 else {}))
