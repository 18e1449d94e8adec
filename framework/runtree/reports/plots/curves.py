"""Learning by the number of rows, and how the prediction depends on a column."""

from collections.abc import Mapping
from typing import Any

from runtree.records.pictures import COLOURS, DrawnPlot
from runtree.reports.formatting import metric_name
from runtree.reports.plots.style import BLUE, WIDTH, finish, new_axes, short
from runtree.reports.run.content import RunContent

PANELS = 6
CHOICES = 12
LEGEND = 4  # classes named in a panel


def training_size(facts: RunContent) -> DrawnPlot | None:
    """Draw the scores of the train and the validation part by how many rows were learned from."""
    import numpy as np
    from sklearn.model_selection import LearningCurveDisplay

    found = facts.one("learning_curve")
    points = [one for one in found.get("points") or () if None not in (one.get("train"), one.get("validation"))]
    if len(points) < 2:
        return None
    metric = metric_name(str(found.get("metric") or facts.metric))
    rows, train, held = (np.array([one[name] for one in points]) for name in ("rows", "train", "validation"))
    axes = new_axes()
    shown = LearningCurveDisplay(
        train_sizes=rows, train_scores=train[:, None], test_scores=held[:, None], score_name=metric
    )
    shown.plot(ax=axes, std_display_style=None, line_kw={"marker": "o", "markersize": 4})
    for line, name, colour in zip(axes.lines, ("train", "validation"), COLOURS, strict=False):
        line.set(label=name, color=colour)
    figure = finish(axes, "What more rows bring", "rows learned from", metric)
    says = "Where the validation line still climbs at its end, or falls for an error, more rows would help."
    return figure, {"title": "Learning by rows", "says": says, "points": points}


def dependence(facts: RunContent) -> DrawnPlot | None:
    """Draw how the mean prediction changes with each of the most important columns."""
    found = [one for one in facts.each("dependence") if one.get("grid") and one.get("average")][:PANELS]
    if not found:
        return None
    from matplotlib.figure import Figure

    across = min(2, len(found))
    down = -(-len(found) // across)
    figure = Figure(figsize=(WIDTH, 1.5 * down + 0.5))
    figure.patch.set_alpha(0)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, one in zip(panels, found, strict=False):
        _panel(axes, one)
    for axes in panels[len(found) :]:
        axes.remove()
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.3, hspace=0.8)
    classes = _classes(found[0])
    what = (
        f"probability of {classes[0]}"
        if len(classes) == 1
        else "probability of each class"
        if classes
        else "prediction"
    )
    says = f"The mean {what} if every row had this value, all else as it is (partial dependence)."
    return figure, {"title": "Dependence", "says": says, "columns": found}


def _classes(one: Mapping[str, Any]) -> list[str]:
    told = one.get("class")
    return [] if told is None else [str(name) for name in (told if isinstance(told, (list, tuple)) else [told])]


def _panel(axes: Any, one: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    names = _classes(one)
    curves = one["average"] if isinstance(one["average"][0], (list, tuple)) else [one["average"]]
    for place, curve in enumerate(curves[: len(COLOURS)]):
        if one.get("kind") == "category":
            _choices(axes, one["grid"], curve)
            break
        name = short(names[place], 14) if len(curves) > 1 and place < len(names) else "_"
        axes.plot(one["grid"], curve, color=COLOURS[place], linewidth=1.8, label=name)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    finish(axes, short(one.get("feature"), 20), "", "", legend=len(curves) <= LEGEND)
    if one.get("kind") == "category":
        axes.grid(False, axis="x")


def _choices(axes: Any, grid: list[Any], curve: list[float]) -> None:
    shown = list(zip(grid, curve, strict=True))[:CHOICES]
    axes.bar(range(len(shown)), [value for _, value in shown], color=BLUE, width=0.6)
    names = [short(name, 10) for name, _ in shown]
    slant: dict[str, Any] = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if len("".join(names)) > 12 else {}
    )
    axes.set_xticks(range(len(shown)), names, **slant)
