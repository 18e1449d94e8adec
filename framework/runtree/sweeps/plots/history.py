"""What was found, and when: history, Pareto front, intermediate values, importance."""

from collections.abc import Sequence
from typing import Any

from runtree.records.pictures import BEST, COLOURS, GREY, DrawnPlot
from runtree.sweeps.plots.axes import (
    CLOUD,
    CURVES,
    TICKS,
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
    told_of,
)
from runtree.sweeps.plots.plot_data import PlotPoint, SweepPlotData, sampled, short, study


def history(scene: SweepPlotData, index: int) -> DrawnPlot:
    """Draw an objective by run, and the best so far."""
    from optuna.visualization.matplotlib import plot_optimization_history

    made = study(scene.shown, (), scene.directions[index : index + 1], index)
    axes: Any = plot_optimization_history(made, target_name=scene.metric(index))
    runs, line = [point.run for point in scene.shown], axes.lines[0]
    line.set(xdata=[runs[int(trial)] for trial in line.get_xdata()])  # Optuna counts what it was given
    line.set(drawstyle="steps-post", color="#555555", alpha=1, linewidth=1.2, label="best so far")
    put_marks(axes, scene, lambda point: (point.run, point.value(index)))
    for state, marker in (("pruned", "|"), ("failed", "x")):
        if ended := [point.run for point in scene.shown if point.state == state]:
            name = f"{state} ({sum(1 for point in scene.points if point.state == state)})"
            axes.plot(ended, [0.02] * len(ended), marker, color=GREY, label=name, zorder=5)
            axes.lines[-1].set_transform(axes.get_xaxis_transform())
    best = [point for point in scene.completed if point.run in scene.best]
    put_stars(axes, [(point.run, point.value(index)) for point in best], best_named(best, index))
    room = 1 + 0.02 * (max(runs) - min(runs))
    axes.set_xlim(min(runs) - room, max(runs) + room)
    plain_numbers(axes.xaxis, whole=True, most=8)
    focus_on(axes, [point.value(index) for point in scene.completed], scene.directions[index])
    frame_axes(axes, "run", scene.metric(index))
    finish_figure(axes.figure, (7, 4.5), scene.of("What the runs came to, and the best so far"))
    return axes.figure, scene.told(scene.shown, False, metric=scene.metric(index))


def pareto(scene: SweepPlotData, one: int, other: int) -> DrawnPlot:
    """Draw two objectives against each other, and what no other is better than in all."""
    from optuna.visualization.matplotlib import plot_pareto_front

    made, names = study(scene.shown, (), scene.directions), [scene.metric(one), scene.metric(other)]
    axes = plot_pareto_front(made, target_names=names, targets=lambda trial: (trial.values[one], trial.values[other]))
    put_marks(axes, scene, lambda point: (point.value(one), point.value(other)))
    best = [point for point in scene.completed if point.run in scene.best]
    front = sorted((point.value(one), point.value(other)) for point in best)
    if len(scene.directions) == 2 and len(front) > 1:
        axes.plot(*zip(*front, strict=True), color=BEST, linewidth=0.9, zorder=3)
    put_stars(axes, front, best_named(best, one))
    if len(best) <= TICKS // 2:
        for point in best:
            place = (point.value(one), point.value(other))
            axes.annotate(f"run {point.run}", place, (5, 5), textcoords="offset points", fontsize=8, zorder=9)
    axes.margins(0.08)
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis, most=7)
    frame_axes(axes, *names)
    finish_figure(axes.figure, (7, 4.5), scene.of("Objectives against each other"))
    return axes.figure, scene.told(scene.shown, False, metrics=names)


def intermediate(scene: SweepPlotData) -> DrawnPlot | None:
    """Draw what the runs reported while they worked, the best on top."""
    from optuna.visualization.matplotlib import plot_intermediate_values

    reporting = [point for point in scene.points if point.reports and point.state != "failed"]
    drawn = sampled(reporting, scene.judge, scene.best, CURVES)
    if not drawn:
        return None
    axes = plot_intermediate_values(study(drawn, (), scene.directions))
    longest = max(len(point.reports) for point in drawn)
    for line, point in zip(axes.lines, drawn, strict=True):
        best, pruned = point.run in scene.best, point.state == "pruned"
        line.set(color=BEST if best else GREY if pruned else colour_of(scene, point), linestyle="--" if pruned else "-")
        line.set(
            alpha=1 if best else 0.45,
            linewidth=2.4 if best else 0.9,
            zorder=4 if best else 3 if pruned else 2,
            label="_",
        )
        line.set(marker="." if longest < 30 else "", rasterized=not best and longest * len(drawn) > 10 * CLOUD)
    legend_keys(axes, scene, drawn)
    focus_on(axes, [value for point in drawn for _, value in point.reports], scene.directions[0])
    plain_numbers(axes.xaxis, whole=True, most=8)
    frame_axes(axes, "step", f"reported value ({scene.directions[0]})")
    finish_figure(
        axes.figure, (7, 4.5), scene.of("What the runs reported while they worked", len(drawn), len(reporting))
    )
    reports = {point.run: point.reports for point in drawn}
    return axes.figure, scene.told(drawn, False, of=len(reporting), reports=reports)


def importance(scene: SweepPlotData) -> DrawnPlot | None:
    """Draw how much each parameter matters, with its value in the best configuration."""
    from optuna.visualization.matplotlib import plot_param_importances

    found, best = scene.importances, scene.star
    if not found or best is None:
        return None
    axes = plot_param_importances(scene.study, target_name=scene.metric())
    values = {one.label: one.shown[best.run] for one in scene.columns if best.run in one.shown}
    texts = {name: f"{name} = {short(shown_text(values[name]), 18)}" if name in values else name for name in found}
    axes.set_yticks(range(len(found)), [texts[label.get_text()] for label in axes.get_yticklabels()])
    axes.set_ylim(max(0, len(found) - 15) - 0.6, len(found) - 0.4)
    for bar in axes.patches:
        bar.set(facecolor=COLOURS[0], label="_")
    axes.containers[0].set_label("_")
    for text in axes.texts:
        text.set_fontsize(8)
    frame_axes(axes, f"importance for {scene.metric()}", "")
    axes.grid(False, axis="y")
    height = 1.6 + 0.3 * max(3, min(15, len(found)))
    finish_figure(
        axes.figure, (7, height), f"{scene.of('Which parameters matter')}\n{told_of(scene)}, its values at the left"
    )
    paths = {one.label: one.path for one in scene.columns}
    return axes.figure, scene.told((), importance={paths[name]: share for name, share in found.items()})


# --- How soon it was found: the best so far by the seconds that the sweep had worked, and of each algorithm.


def pace(scene: SweepPlotData) -> DrawnPlot | None:
    """Draw the best so far by seconds: of the sweep, and where it has several algorithms of each."""
    from matplotlib.figure import Figure

    counted = sorted((point for point in scene.points if point.counts and point.at > 0), key=lambda point: point.at)
    if len(counted) < 2:
        return None
    figure = Figure()
    axes = figure.subplots()
    last = counted[-1].at
    for name in scene.names if len(scene.names) > 1 else ():
        own = best_so_far([point for point in counted if point.family == name], scene.directions[0])
        if own:
            _steps(axes, own, last, color=colour_of(scene, own[0]), linewidth=1.1, label=short(name))
    best = best_so_far(counted, scene.directions[0])
    _steps(axes, best, last, color=BEST, linewidth=2.2, label="best so far")
    put_stars(axes, [(best[-1].at, best[-1].value())], f"run {best[-1].run} after {best[-1].at:.3g} s")
    focus_on(axes, [point.value() for point in counted], scene.directions[0])
    plain_numbers(axes.xaxis, most=8)
    frame_axes(axes, "seconds that the sweep had worked", scene.metric())
    finish_figure(figure, (7, 4.5), scene.of("How soon it was found", len(counted), len(counted)))
    steps = [{"run": point.run, "seconds": point.at, "value": point.value()} for point in best]
    return figure, {"metric": scene.metric(), "best_so_far": steps}


def best_so_far(found: Sequence[PlotPoint], direction: str) -> list[PlotPoint]:
    """Return those that were better than all before them."""
    sign, kept = 1 if direction == "maximize" else -1, list[PlotPoint]()
    for point in found:
        if not kept or sign * point.value() > sign * kept[-1].value():
            kept.append(point)
    return kept


def _steps(axes: Any, found: Sequence[PlotPoint], last: float, **look: Any) -> None:
    seconds, values = [point.at for point in found], [point.value() for point in found]
    axes.plot([*seconds, last], [*values, values[-1]], drawstyle="steps-post", **look)
