"""How all pictures of a sweep look: colours, marks, axes, titles."""

from collections.abc import Callable, Sequence
from typing import Any

from runtree.records.pictures import BEST, COLOURS, GREY, PALE
from runtree.sweeps.plots.plot_data import PlotPoint, SweepPlotData, reach, short, text_of

MARKERS = "os^Dv"
LINES, CURVES = 300, 150  # that can still be told from each other
CLOUD = 400  # marks above which a picture holds them as an image: a small file
WIDEST = 8  # parameters side by side
TICKS = 12  # choices named on an axis

Place = Callable[[PlotPoint], tuple[float, float]]


def shown_text(value: Any) -> str:
    return value if isinstance(value, str) else text_of(value)


def best_named(best: Sequence[PlotPoint], index: int = 0) -> str:
    """Return "run 17: 0.9712", or how many are the best."""
    if len(best) != 1:
        return f"the best {len(best)}: none is better in all"
    runs = best[0].runs
    name = f"run {runs[0]}" if len(runs) == 1 else f"runs {runs[0]} to {runs[-1]}, their mean"
    return f"{name}: {best[0].value(index):.4g}"


def told_of(scene: SweepPlotData) -> str:
    """Return which configuration the star is."""
    if scene.star is None:
        return "no configuration keeps every bound"
    whose = "best" if scene.star.run in scene.best else "best of these"
    return f"★ {whose}: {best_named([scene.star])}"


def colour_of(scene: SweepPlotData, point: PlotPoint) -> str:
    return COLOURS[scene.names.index(point.family) % len(COLOURS)] if point.family in scene.names else GREY


def put_marks(axes: Any, scene: SweepPlotData, place: Place) -> None:
    """Put marks in place of Optuna's: a colour for each family, grey for what breaks a bound."""
    for cloud in list(axes.collections):
        cloud.remove()
    put_cloud(axes, scene, [p for p in scene.completed if not p.counts], place, c=PALE, label="breaks a bound")
    for number, name in enumerate(scene.names):
        own = [point for point in scene.completed if point.counts and point.family == name]
        look = {"c": COLOURS[number % len(COLOURS)], "marker": MARKERS[number // len(COLOURS) % len(MARKERS)]}
        put_cloud(axes, scene, own, place, label=short(name) if len(scene.names) > 1 else "a configuration", **look)


def put_cloud(axes: Any, scene: SweepPlotData, own: Sequence[PlotPoint], place: Place, **look: Any) -> None:
    many = len(scene.shown) > CLOUD
    if own:
        places = zip(*map(place, own), strict=True)
        axes.scatter(*places, s=10 if many else 28, linewidth=0.4, edgecolor="white", rasterized=many, **look)


def put_stars(axes: Any, places: Sequence[tuple[Any, float]], name: str = "_") -> None:
    """Mark the best."""
    if places:
        size = 230 if len(places) == 1 else 90
        look: Any = {"marker": "*", "c": BEST, "edgecolor": "white", "linewidth": 0.8, "zorder": 8}
        axes.scatter(*zip(*places, strict=True), s=size, label=name, **look)


def legend_keys(axes: Any, scene: SweepPlotData, drawn: Sequence[PlotPoint]) -> None:
    """Tell what the looks of the lines mean."""
    here = {point.family: colour_of(scene, point) for point in drawn if point.state == "completed"}
    for name, colour in here.items():
        axes.plot([], [], color=colour, label=short(name) if len(scene.names) > 1 else "a configuration")
    if any(point.state == "pruned" for point in drawn):
        axes.plot([], [], color=GREY, linestyle="--", label="pruned")
    if best := [point for point in drawn if point.run in scene.best]:
        axes.plot([], [], color=BEST, linewidth=2.4, label=best_named(best))


def focus_on(axes: Any, values: Sequence[float], direction: str) -> None:
    """Look at what can be told apart, and say what is not seen."""
    low, high = reach(values, direction)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    axes.set_ylim(low - room, high + room)
    plain_numbers(axes.yaxis, most=7)
    if beyond := sum(1 for value in values if not low <= value <= high):
        up = direction == "minimize"
        look: Any = {"ha": "right", "va": "top" if up else "bottom", "fontsize": 8, "color": GREY}
        axes.text(0.99, 0.99 if up else 0.05, f"{beyond} worse, outside", transform=axes.transAxes, **look)


def plain_numbers(axis: Any, whole: bool = False, most: int = 4) -> None:
    """Divide an axis by few numbers in plain digits."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if axis.get_scale() == "log":
        low, high = sorted(axis.get_view_interval())
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,), numticks=5))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(most, integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def shades(turned: bool = False) -> Any:
    """Return blues that can be seen on white, dark for what is high; or turned."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from numpy import linspace

    return ListedColormap(colormaps["Blues"](linspace(1, 0.25, 64) if turned else linspace(0.25, 1, 64)))


def colour_bar(bar: Any, label: str) -> None:
    bar.set_label(label, size=9, color="black")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors="#333333")
    plain_numbers(bar.ax.yaxis, whole=label == "run", most=6)


def frame_axes(axes: Any, across: str, up: str) -> None:
    """Make axes plain: black on white, light lines."""
    axes.set_facecolor("white")
    for side in ("left", "center"):
        axes.set_title("", loc=side)
    axes.set_xlabel(across, size=9, color="black")
    axes.set_ylabel(up, size=9, color="black")
    axes.tick_params(labelsize=8, colors="#333333")
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set(color="#999999", visible=True)
    axes.spines[["top", "right"]].set_visible(False)


def finish_figure(figure: Any, size: tuple[float, float], title: str) -> None:
    """Give a figure its size, its title, and what its marks mean below it."""
    for axes in figure.axes:
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    figure.set_layout_engine("constrained")
    figure.set_size_inches(*size)
    figure.set_facecolor("white")
    figure.suptitle(title, size=11, x=0.01, ha="left", color="black")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
