"""Plots of objectives: by run, over time, against each other, by step, and by parameter."""

from collections.abc import Sequence
from typing import Any

from runtree.records.plot_writer import BEST, COLOURS, GREY, DrawnPlot
from runtree.sweeps.plots.axes import (
    MAX_CURVES,
    MAX_TICKS,
    MAX_VECTOR_MARKS,
    best_named,
    colour_of,
    finish_figure,
    focus_on,
    frame_axes,
    legend_keys,
    plain_numbers,
    put_marks,
    put_stars,
    shown_text,
    star_caption,
)
from runtree.sweeps.plots.plot_data import PlotPoint, SweepPlotData, sampled, short, study


def history(data: SweepPlotData, index: int) -> DrawnPlot:
    """Draw an objective by run, and the best value so far."""
    from optuna.visualization.matplotlib import plot_optimization_history

    optuna_study = study(data.shown, (), data.directions[index : index + 1], index)
    axes: Any = plot_optimization_history(optuna_study, target_name=data.metric(index))
    runs, line = [point.run for point in data.shown], axes.lines[0]
    line.set(xdata=[runs[int(trial)] for trial in line.get_xdata()])  # Optuna numbers the trials of the sample
    line.set(drawstyle="steps-post", color="#555555", alpha=1, linewidth=1.2, label="best so far")
    put_marks(axes, data, lambda point: (point.run, point.value(index)))
    for state, marker in (("pruned", "|"), ("failed", "x")):
        if ended := [point.run for point in data.shown if point.state == state]:
            name = f"{state} ({sum(1 for point in data.points if point.state == state)})"
            # at the lower edge, in coordinates of the axes: these runs have no value to be drawn at
            axes.plot(ended, [0.02] * len(ended), marker, color=GREY, label=name, zorder=5)
            axes.lines[-1].set_transform(axes.get_xaxis_transform())
    best = [point for point in data.completed if point.run in data.best]
    put_stars(axes, [(point.run, point.value(index)) for point in best], best_named(best, index))
    room = 1 + 0.02 * (max(runs) - min(runs))
    axes.set_xlim(min(runs) - room, max(runs) + room)
    plain_numbers(axes.xaxis, whole=True, most=8)
    focus_on(axes, [point.value(index) for point in data.completed], data.directions[index])
    frame_axes(axes, "run", data.metric(index))
    finish_figure(axes.figure, (7, 4.5), data.of("Objective by run, and the best so far"))
    return axes.figure, data.to_json(data.shown, False, metric=data.metric(index))


def pareto(data: SweepPlotData, one: int, other: int) -> DrawnPlot:
    """Draw two objectives against each other, and the Pareto front."""
    from optuna.visualization.matplotlib import plot_pareto_front

    made, names = study(data.shown, (), data.directions), [data.metric(one), data.metric(other)]
    axes = plot_pareto_front(made, target_names=names, targets=lambda trial: (trial.values[one], trial.values[other]))
    put_marks(axes, data, lambda point: (point.value(one), point.value(other)))
    best = [point for point in data.completed if point.run in data.best]
    front = sorted((point.value(one), point.value(other)) for point in best)
    if len(data.directions) == 2 and len(front) > 1:
        axes.plot(*zip(*front, strict=True), color=BEST, linewidth=0.9, zorder=3)
    put_stars(axes, front, best_named(best, one))
    if len(best) <= MAX_TICKS // 2:
        for point in best:
            place = (point.value(one), point.value(other))
            axes.annotate(f"run {point.run}", place, (5, 5), textcoords="offset points", fontsize=8, zorder=9)
    axes.margins(0.08)
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis, most=7)
    frame_axes(axes, *names)
    finish_figure(axes.figure, (7, 4.5), data.of("Pareto front"))
    return axes.figure, data.to_json(data.shown, False, metrics=names)


def intermediate(data: SweepPlotData) -> DrawnPlot | None:
    """Draw the intermediate values of the runs, the best on top."""
    from optuna.visualization.matplotlib import plot_intermediate_values

    reporting = [point for point in data.points if point.reports and point.state != "failed"]
    drawn = sampled(reporting, data.objectives, data.best, MAX_CURVES)
    if not drawn:
        return None
    axes = plot_intermediate_values(study(drawn, (), data.directions))
    longest = max(len(point.reports) for point in drawn)
    # Optuna draws a line for each trial in the order of the study, which is that of `drawn`; strict finds out if that
    # changes
    for line, point in zip(axes.lines, drawn, strict=True):
        best, pruned = point.run in data.best, point.state == "pruned"
        line.set(color=BEST if best else GREY if pruned else colour_of(data, point), linestyle="--" if pruned else "-")
        line.set(
            alpha=1 if best else 0.45,
            linewidth=2.4 if best else 0.9,
            zorder=4 if best else 3 if pruned else 2,
            label="_",
        )
        line.set(
            marker="." if longest < 30 else "", rasterized=not best and longest * len(drawn) > 10 * MAX_VECTOR_MARKS
        )
    legend_keys(axes, data, drawn)
    focus_on(axes, [value for point in drawn for _, value in point.reports], data.directions[0])
    plain_numbers(axes.xaxis, whole=True, most=8)
    frame_axes(axes, "step", f"reported value ({data.directions[0]})")
    finish_figure(axes.figure, (7, 4.5), data.of("Intermediate values", len(drawn), len(reporting)))
    reports = {point.run: point.reports for point in drawn}
    return axes.figure, data.to_json(drawn, False, of=len(reporting), reports=reports)


def importance(data: SweepPlotData) -> DrawnPlot | None:
    """Draw the importance of each parameter, with its value in the best configuration."""
    from optuna.visualization.matplotlib import plot_param_importances

    importances, best = data.importances, data.star
    if not importances or best is None:
        return None
    axes = plot_param_importances(data.study, target_name=data.metric())
    values = {column.label: column.shown[best.run] for column in data.columns if best.run in column.shown}
    texts = {
        name: f"{name} = {short(shown_text(values[name]), 18)}" if name in values else name for name in importances
    }
    axes.set_yticks(range(len(importances)), [texts[label.get_text()] for label in axes.get_yticklabels()])
    # at most 15 bars: Optuna draws the most important one on top, so the lower ones are cut off
    axes.set_ylim(max(0, len(importances) - 15) - 0.6, len(importances) - 0.4)
    for bar in axes.patches:
        bar.set(facecolor=COLOURS[0], label="_")
    axes.containers[0].set_label("_")
    for text in axes.texts:
        text.set_fontsize(8)
    frame_axes(axes, f"importance for {data.metric()}", "")
    axes.grid(False, axis="y")
    height = 1.6 + 0.3 * max(3, min(15, len(importances)))
    finish_figure(
        axes.figure, (7, height), f"{data.of('Parameter importance')}\n{star_caption(data)}, values at the left"
    )
    paths = {column.label: column.path for column in data.columns}
    return axes.figure, data.to_json((), importance={paths[name]: share for name, share in importances.items()})


def pace(data: SweepPlotData) -> DrawnPlot | None:
    """Draw the best value so far by working time, of the sweep and of each of several algorithms."""
    from matplotlib.figure import Figure

    counted = sorted((point for point in data.points if point.counts and point.at > 0), key=lambda point: point.at)
    if len(counted) < 2:
        return None
    figure = Figure()
    axes = figure.subplots()
    last = counted[-1].at
    for name in data.names if len(data.names) > 1 else ():
        own = best_so_far([point for point in counted if point.family == name], data.directions[0])
        if own:
            _steps(axes, own, last, color=colour_of(data, own[0]), linewidth=1.1, label=short(name))
    best = best_so_far(counted, data.directions[0])
    _steps(axes, best, last, color=BEST, linewidth=2.2, label="best so far")
    put_stars(axes, [(best[-1].at, best[-1].value())], f"run {best[-1].run} after {best[-1].at:.3g} s")
    focus_on(axes, [point.value() for point in counted], data.directions[0])
    plain_numbers(axes.xaxis, most=8)
    frame_axes(axes, "working time of the sweep in seconds", data.metric())
    finish_figure(figure, (7, 4.5), data.of("Objective over time", len(counted), len(counted)))
    steps = [{"run": point.run, "seconds": point.at, "value": point.value()} for point in best]
    return figure, {"metric": data.metric(), "best_so_far": steps}


def best_so_far(points: Sequence[PlotPoint], direction: str) -> list[PlotPoint]:
    """Return the points that were better than all before them."""
    sign, kept = 1 if direction == "maximize" else -1, list[PlotPoint]()
    for point in points:
        if not kept or sign * point.value() > sign * kept[-1].value():
            kept.append(point)
    return kept


def _steps(axes: Any, points: Sequence[PlotPoint], last: float, **look: Any) -> None:
    seconds, values = [point.at for point in points], [point.value() for point in points]
    # up to the end of the sweep: the best value holds until then
    axes.plot([*seconds, last], [*values, values[-1]], drawstyle="steps-post", **look)
