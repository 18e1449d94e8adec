"""The common style of a sweep's plots, most of them drawn by Optuna first: colours, marks, axes, titles."""

from collections.abc import Callable, Sequence
from typing import Any

from runtree.records.plot_writer import BEST, COLOURS, GREY, PALE
from runtree.sweeps.plots.plot_data import PlotPoint, SweepPlotData, reach, short, text_of

MARKERS = "os^Dv"
MAX_LINES, MAX_CURVES = 300, 150  # that can be distinguished
MAX_VECTOR_MARKS = 400  # more become an image within the SVG, which keeps the file small
MAX_PANELS = 8  # parameters side by side
MAX_TICKS = 12  # choices labelled on an axis

Place = Callable[[PlotPoint], tuple[float, float]]


def shown_text(value: Any) -> str:
    return value if isinstance(value, str) else text_of(value)


def best_named(best: Sequence[PlotPoint], index: int = 0) -> str:
    """Return "run 17: 0.9712", or how many are the best."""
    if len(best) != 1:
        return f"Pareto front of {len(best)}"
    runs = best[0].runs
    name = f"run {runs[0]}" if len(runs) == 1 else f"runs {runs[0]} to {runs[-1]}, their mean"
    return f"{name}: {best[0].value(index):.4g}"


def star_caption(data: SweepPlotData) -> str:
    """Return a line that names the configuration of the star."""
    if data.star is None:
        return "no configuration satisfies the constraints"
    whose = "best" if data.star.run in data.best else "best of these"
    return f"★ {whose}: {best_named([data.star])}"


def colour_of(data: SweepPlotData, point: PlotPoint) -> str:
    return COLOURS[data.names.index(point.family) % len(COLOURS)] if point.family in data.names else GREY


def put_marks(axes: Any, data: SweepPlotData, place: Place) -> None:
    """Replace Optuna's marks: a colour for each algorithm, grey for violated constraints."""
    # a copy of the list: `remove` changes it
    for cloud in list(axes.collections):
        cloud.remove()
    put_cloud(axes, data, [p for p in data.completed if not p.counts], place, c=PALE, label="constraint violated")
    for number, name in enumerate(data.names):
        own = [point for point in data.completed if point.counts and point.family == name]
        look = {"c": COLOURS[number % len(COLOURS)], "marker": MARKERS[number // len(COLOURS) % len(MARKERS)]}
        put_cloud(axes, data, own, place, label=short(name) if len(data.names) > 1 else "a configuration", **look)


def put_cloud(axes: Any, data: SweepPlotData, own: Sequence[PlotPoint], place: Place, **look: Any) -> None:
    many = len(data.shown) > MAX_VECTOR_MARKS
    if own:
        places = zip(*map(place, own), strict=True)
        axes.scatter(*places, s=10 if many else 28, linewidth=0.4, edgecolor="white", rasterized=many, **look)


def put_stars(axes: Any, places: Sequence[tuple[Any, float]], name: str = "_") -> None:
    """Mark the best points with a star."""
    if places:
        size = 230 if len(places) == 1 else 90
        look: Any = {"marker": "*", "c": BEST, "edgecolor": "white", "linewidth": 0.8, "zorder": 8}
        axes.scatter(*zip(*places, strict=True), s=size, label=name, **look)


def legend_keys(axes: Any, data: SweepPlotData, drawn: Sequence[PlotPoint]) -> None:
    """Add legend entries for the styles of the lines."""
    here = {point.family: colour_of(data, point) for point in drawn if point.state == "completed"}
    for name, colour in here.items():
        # an empty line: the lines themselves are too many to have an entry each
        axes.plot([], [], color=colour, label=short(name) if len(data.names) > 1 else "a configuration")
    if any(point.state == "pruned" for point in drawn):
        axes.plot([], [], color=GREY, linestyle="--", label="pruned")
    if best := [point for point in drawn if point.run in data.best]:
        axes.plot([], [], color=BEST, linewidth=2.4, label=best_named(best))


def focus_on(axes: Any, values: Sequence[float], direction: str) -> None:
    """Limit the axis to values that can be distinguished, and note how many lie outside."""
    low, high = reach(values, direction)
    # all values may be equal: then a share of the value itself, and for 0 a fixed margin
    room = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    axes.set_ylim(low - room, high + room)
    plain_numbers(axes.yaxis, most=7)
    if beyond := sum(1 for value in values if not low <= value <= high):
        up = direction == "minimize"
        look: Any = {"ha": "right", "va": "top" if up else "bottom", "fontsize": 8, "color": GREY}
        axes.text(0.99, 0.99 if up else 0.05, f"{beyond} worse, outside", transform=axes.transAxes, **look)


def plain_numbers(axis: Any, whole: bool = False, most: int = 4) -> None:
    """Use few ticks in plain digits."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if axis.get_scale() == "log":
        low, high = sorted(axis.get_view_interval())
        # within less than two decades, decades alone would leave a single tick
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,), numticks=5))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(most, integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def shades(turned: bool = False) -> Any:
    """Return a colour map of blues visible on white, dark for high values or, `turned`, for low ones."""
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
    """Give axes the plain style: black on white, light grid."""
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
    """Give a figure its size, its title, and a legend below it."""
    for axes in figure.axes:
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    # set here and not at the start: Optuna makes the figure, with tight_layout
    figure.set_layout_engine("constrained")
    figure.set_size_inches(*size)
    figure.set_facecolor("white")
    figure.suptitle(title, size=11, x=0.01, ha="left", color="black")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
