"""How all pictures of a run look: size, axes, few points, short names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtree.records.pictures import BEST, COLOURS, GREY

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 4.1, 3.2  # inches, without what stands beside the axes: on a phone a point of text is a pixel
LETTER = 0.075  # inches
POINTS = 400  # of a curve
MARKS = 1500  # of a cloud
ROOM = 30  # letters beside an axis
BLUE = COLOURS[0]
WRONG = BEST
CHANCE = {"color": GREY, "linestyle": "--", "linewidth": 1}


def new_axes(height: float = HEIGHT, width: float = WIDTH) -> Any:
    """Return axes of a new figure, which no window holds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.patch.set_alpha(0)
    return figure.add_axes((0, 0, 1, 1))


def finish(axes: Any, title: str, across: str, up: str, legend: bool = True) -> Any:
    """Give axes their title, names and grid, and return the figure."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(across, fontsize=10)
    axes.set_ylabel(up, fontsize=10)
    axes.tick_params(labelsize=9)
    axes.set_facecolor("none")
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set(color="#999999")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend() is not None:
        axes.get_legend().remove()
    handles, labels = axes.get_legend_handles_labels()
    if legend and handles:
        axes.legend(handles, labels, fontsize=9, loc="best", framealpha=0)
    return axes.figure


def thin(line: Any, most: int = POINTS) -> list[list[float]]:
    """Keep so many points of a drawn curve, evenly along its way, and return them as (x, y) pairs."""
    import numpy as np

    places = np.asarray(line.get_xydata(), dtype=float)
    if len(places) > most:
        spans = np.ptp(places, axis=0)
        steps = np.abs(np.diff(places / np.where(spans > 0, spans, 1), axis=0)).sum(axis=1)
        way = np.concatenate([[0.0], np.cumsum(steps)])
        kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], most)).clip(0, len(places) - 1))
        places = places[np.union1d(kept, [0, len(places) - 1])]
        line.set_data(*places.T)
    return [[round(float(x), 6), round(float(y), 6)] for x, y in places]


def sample(rows: int, most: int = MARKS) -> "Array":
    """Return the positions of so many rows, drawn once and for all: the same each time."""
    import numpy as np

    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def of_rows(shown: int, rows: int) -> str:
    """Return how many rows are drawn, where they are not all."""
    return f" {shown:,} of {rows:,} rows are drawn." if shown < rows else ""


def short(text: Any, most: int = 24) -> str:
    """Return a name that fits beside an axis."""
    plain = " ".join(str(text).split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def new_rows(names: Sequence[Any]) -> Any:
    """Return axes for a row for each name, all of it as wide as other pictures."""
    beside = max(len(short(name, ROOM)) for name in names) * LETTER
    return new_axes(0.5 + 0.3 * max(2, len(names)), WIDTH + 0.4 - beside)


def put_rows(axes: Any, names: Sequence[Any]) -> None:
    """Name the rows of a picture, the first on top."""
    axes.set_yticks(range(len(names)), [short(name, ROOM) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
