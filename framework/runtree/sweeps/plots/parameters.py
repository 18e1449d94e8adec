"""Plots of parameters: each against the objective (slices), and all in parallel coordinates."""

from typing import Any

from runtree.records.plot_writer import BEST, PALE, DrawnPlot
from runtree.sweeps.plots.axes import (
    MAX_LINES,
    MAX_PANELS,
    MAX_TICKS,
    MAX_VECTOR_MARKS,
    colour_bar,
    finish_figure,
    focus_on,
    frame_axes,
    plain_numbers,
    put_stars,
    shades,
    star_caption,
)
from runtree.sweeps.plots.plot_data import ParameterColumn, PlotPoint, SweepPlotData, reach, sampled, short, study


def slices(data: SweepPlotData) -> DrawnPlot | None:
    """Draw each of the most important parameters against the objective."""
    from numpy import ravel
    from optuna.visualization.matplotlib import plot_slice

    chosen = chosen_columns(data, MAX_PANELS)
    if len(data.completed) < 2 or not chosen:
        return None
    panels: Any = plot_slice(data.study, [one.label for one in chosen], target_name=data.metric())
    # Optuna returns one axes for one parameter, and an array of them for several
    found = list(ravel(panels))
    figure, rows = found[0].figure, 1 if len(found) <= 4 else 2
    figure.axes[-1].remove()  # the colour bar, drawn again for two rows
    across = -(-len(found) // rows)
    grid = figure.add_gridspec(rows, across)
    for place, (axes, column) in enumerate(zip(found, chosen, strict=True)):
        axes.set_subplotspec(grid[place // across, place % across])
        _slice(axes, data, column, across)
        frame_axes(axes, column.label, "" if place % across else data.metric().replace(" (", "\n("))
        axes.tick_params(labelleft=not place % across)
    focus_on(found[0], [point.value() for point in data.completed], data.directions[0])
    size = (max(7.0, 2.6 * across), 4.5 if rows == 1 else 6.6)
    finish_figure(figure, size, f"{data.of('Objective by parameter')}\n{star_caption(data)}")
    colour_bar(figure.colorbar(found[0].collections[0], ax=found, aspect=40, pad=0.02), "run")
    return figure, data.to_json(data.completed, parameters=[one.path for one in chosen])


def _slice(axes: Any, data: SweepPlotData, column: ParameterColumn, across: int) -> None:
    cloud, broken = axes.collections[:2]
    many = len(data.completed) > MAX_VECTOR_MARKS
    cloud.set(array=[data.shown[int(trial)].run for trial in cloud.get_array()], cmap=shades())
    cloud.set(clim=(0, data.points[-1].run), linewidth=0 if many else 0.3, sizes=[8 if many else 26], rasterized=many)
    cloud.set_antialiased(not many)  # an image of few colours is a smaller one
    broken.set(
        label="constraint violated" if len(broken.get_offsets()) else "_",
        facecolor=PALE,
        sizes=[8 if many else 20],
        rasterized=many,
    )
    if column.texts:
        _choices(axes, data, column, 90 // across)
    else:
        plain_numbers(axes.xaxis, whole=column.whole)
    if data.star is not None and data.star.run in column.shown:
        value = column.shown[data.star.run]
        put_stars(axes, [(repr(value) if column.texts else value, data.star.value())])


def _choices(axes: Any, data: SweepPlotData, column: ParameterColumn, room: int) -> None:
    """Label the choices on an axis, slanted if they are too long for it."""
    seen = {column.shown[point.run] for point in data.completed if point.run in column.shown}
    # Optuna plots the repr of a choice on a categorical axis, which knows its position
    places = {text: float(axes.convert_xunits(repr(text))) for text in column.texts if text in seen}
    kept = list(places)[:: 1 + len(places) // (MAX_TICKS + 1)]
    slant: Any = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    wide = max(len(text) for text in kept) * len(kept) > room
    axes.set_xticks([places[text] for text in kept], [short(text, 18) for text in kept], **slant if wide else {})
    axes.set_xlim(-0.5, len(places) - 0.5)


def parallel(data: SweepPlotData) -> DrawnPlot | None:
    """Draw a line per configuration through the values of its parameters, the best on top."""
    from optuna.visualization.matplotlib import plot_parallel_coordinate

    chosen, turned = chosen_columns(data, MAX_PANELS + 2), data.directions[0] == "minimize"
    # outliers are left out here: one would take all colours for itself
    low, high = reach([point.value() for point in data.completed], data.directions[0])
    within = [point for point in data.completed if low <= point.value() <= high]
    # sorted by value, so that the best lines are drawn last and lie on top
    drawn = sorted(sampled(within, data.objectives, data.kept, MAX_LINES), key=PlotPoint.value, reverse=turned)
    if len(drawn) < 2 or len(chosen) < 2:
        return None
    made = study(drawn, data.columns, data.directions[:1])
    axes: Any = plot_parallel_coordinate(made, [one.label for one in chosen], target_name=data.metric())
    figure, lines, twins = axes.figure, axes.collections[0], axes.figure.axes[2:]
    figure.axes[1].remove()  # the colour bar, drawn again for the new size
    whole = figure.add_gridspec(1, 1)[0]
    for each in figure.axes:
        each.set_subplotspec(whole)
    lines.set(cmap=shades(turned), linewidth=0.9, alpha=0.7)
    for twin, column in zip(twins, chosen, strict=True):
        _beside(twin, column, any(point.run not in column.shown for point in drawn))
    names = ["value", *(one.label for one in chosen)]
    frame_axes(axes, "", data.metric())
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right", rotation_mode="anchor")
    axes.grid(False)
    if data.star in drawn:
        _line(axes, lines.get_segments()[drawn.index(data.star)])
    size, among = (max(7.0, 1.6 + 1.15 * len(names)), 4.8), sum(point.state == "completed" for point in data.points)
    finish_figure(figure, size, f"{data.of('Parallel coordinates', len(drawn), among)}\n{star_caption(data)}")
    colour_bar(figure.colorbar(lines, ax=figure.axes, aspect=40, pad=0.02), data.metric())
    return figure, data.to_json(drawn, parameters=[one.path for one in chosen])


def _line(axes: Any, path: Any) -> None:
    from matplotlib.patheffects import Normal, Stroke

    halo = [Stroke(linewidth=4.5, foreground="white"), Normal()]
    axes.plot(*path.T, color=BEST, linewidth=2.4, zorder=6, path_effects=halo)
    put_stars(axes, [tuple(path[0])])
    axes.collections[-1].set_clip_on(False)


def _beside(twin: Any, column: ParameterColumn, gaps: bool) -> None:
    """Make the labels of an axis few, short and readable over the lines; `gaps`: some configurations have no value."""
    if column.texts or gaps:  # Optuna wrote texts
        texts = [label.get_text() for label in twin.get_yticklabels()]
        names = [short("not used" if gaps and text == "None" else text, 13) for text in texts]
        kept = list(zip(twin.get_yticks(), names, strict=True))[:: 1 + len(names) // (MAX_TICKS + 1)]
        twin.set_yticks(*zip(*kept, strict=True))
    else:
        plain_numbers(twin.yaxis, whole=column.whole)
    twin.tick_params(labelsize=8, colors="#333333")
    twin.grid(False)
    twin.spines["right"].set(color="#999999", visible=True)
    for label in twin.get_yticklabels():
        label.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6})


def chosen_columns(data: SweepPlotData, most: int) -> list[ParameterColumn]:
    """Return the most important parameters by name, the order in which Optuna draws them."""
    order, done = list(data.importances), {point.run for point in data.completed}
    here = [column for column in data.columns if done & column.shown.keys()]
    ranked = sorted(here, key=lambda column: order.index(column.label) if column.label in order else len(order))
    return sorted(ranked[:most], key=lambda column: column.label)
