"""The common style of a run's plots: size, axes, legend, samples of long curves and clouds, short names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtree.records.plot_writer import COLOURS, GREY

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 4.1, 3.2  # inches of the axes alone: on a phone a point of text is then a pixel
LETTER_WIDTH = 0.075  # inches
MAX_CURVE_POINTS = 400
MAX_CLOUD_POINTS = 1500
MAX_ROW_LABEL = 30  # letters beside an axis
BLUE = COLOURS[0]
REFERENCE_LINE = {"color": GREY, "linestyle": "--", "linewidth": 1}
SLANTED: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}


def new_axes(height: float = HEIGHT, width: float = WIDTH) -> Any:
    """Return axes that fill a new figure. Not by pyplot: it would keep the figure, and open windows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    # transparent, so that the card of the page shows through in a light and a dark theme
    figure.patch.set_alpha(0)
    # the axes fill the figure and labels lie outside: `write_plot` widens the view box instead of measuring twice
    return figure.add_axes((0, 0, 1, 1))


def new_panels(rows: int, columns: int, height: float, width: float = WIDTH) -> tuple[Any, "Array"]:
    """Return a new figure and the axes of its panels, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.patch.set_alpha(0)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    # fixed distances instead of a layout engine, which would draw the figure twice
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.3, hspace=0.8)
    return figure, panels


def finish(axes: Any, title: str, x_label: str, y_label: str, legend: bool = True) -> Any:
    """Set title, labels, grid and legend of axes; return the figure."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x_label, fontsize=10)
    axes.set_ylabel(y_label, fontsize=10)
    axes.tick_params(labelsize=9)
    axes.set_facecolor("none")
    axes.grid(color="#e6e6e6", linewidth=0.7)
    # matplotlib draws the grid above bars otherwise
    axes.set_axisbelow(True)
    axes.spines[:].set(color="#999999")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend() is not None:  # the one that a display of scikit-learn has made
        axes.get_legend().remove()
    handles, labels = axes.get_legend_handles_labels()
    if legend and handles:
        axes.legend(handles, labels, fontsize=9, loc="best", framealpha=0)
    return axes.figure


def thin_curve(line: Any, most: int = MAX_CURVE_POINTS) -> list[list[float]]:
    """Keep `most` points of a drawn curve, evenly along its length, and return them as (x, y) pairs.

    Evenly along the length and not the index: a ROC curve of many rows has most of its points on one steep piece.
    """
    import numpy as np

    points = np.asarray(line.get_xydata(), dtype=float)
    if len(points) > most:
        spans = np.ptp(points, axis=0)
        # each axis in units of its own range, or the longer one alone would decide
        steps = np.abs(np.diff(points / np.where(spans > 0, spans, 1), axis=0)).sum(axis=1)
        length = np.concatenate([[0.0], np.cumsum(steps)])
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], most)).clip(0, len(points) - 1))
        # both ends stay: a ROC curve without its corner would not reach 1
        points = points[np.union1d(kept, [0, len(points) - 1])]
        line.set_data(*points.T)
    return [[round(float(x), 6), round(float(y), 6)] for x, y in points]


def sample_rows(rows: int, most: int = MAX_CLOUD_POINTS) -> "Array":
    """Return the positions of at most `most` rows, the same ones at each call."""
    import numpy as np

    if rows <= most:
        return np.arange(rows)
    # a fixed seed, so that a report that is written again has the same plots
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def shorten(text: Any, most: int = 24) -> str:
    """Return a text on one line that fits beside an axis."""
    plain = " ".join(str(text).split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def new_row_axes(names: Sequence[Any]) -> Any:
    """Return axes with a row for each name; names and axes together are as wide as other plots."""
    names_width = max(len(shorten(name, MAX_ROW_LABEL)) for name in names) * LETTER_WIDTH
    return new_axes(0.5 + 0.3 * max(2, len(names)), WIDTH + 0.4 - names_width)


def label_rows(axes: Any, names: Sequence[Any]) -> None:
    """Label the rows of axes, the first on top."""
    axes.set_yticks(range(len(names)), [shorten(name, MAX_ROW_LABEL) for name in names])
    # inverted, because matplotlib counts rows from the bottom
    axes.set_ylim(len(names) - 0.5, -0.5)
