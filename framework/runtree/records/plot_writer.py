"""Plots in the output tree: an SVG file each, and the plotted data as JSON beside it."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtree.contract.errors import raise_if_ours
from runtree.records.writer import jsonable, write_text

log = logging.getLogger(__name__)

BEST, GREY, PALE = "#D55E00", "#767676", "#BBBBBB"
# Okabe & Ito: distinguishable with colour blindness; after the last one they repeat with other markers
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
STYLE: Any = {
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: the file is small and can be searched
    "svg.hashsalt": "runtree",  # ids are random otherwise: the same plot has the same bytes
    "text.parse_math": False,  # a name may contain dollar signs
}

UNDATED: Any = {"Date": None, "Creator": None}  # the same plot has the same bytes
SIZES = re.compile(rb'width="[^"]+" height="[^"]+" viewBox="[^"]+"')

DrawnPlot = tuple[Any, dict[str, Any]]  # a figure, and its data


def write_plot(folder: Path, name: str, draw: Callable[[], DrawnPlot | None], once: bool = False) -> list[str]:
    """Draw a plot and write its SVG file and its data; return the names of both. A failure is a warning.

    With `once` the figure must have no layout engine: it is then drawn in one pass instead of two, in half the time.
    """
    from matplotlib import rc_context, style

    # figures that the caller opened, in a notebook for example, stay open
    before = _open_figures()
    try:
        with rc_context():
            # "default" first: a matplotlibrc of the user would change the bytes
            style.use(["default", STYLE])
            drawn = draw()
            if drawn is None:
                return []
            svg, data = (
                # drawn completely before anything is written: an error leaves no plot without its data
                (_svg_in_one_pass if once else _svg)(drawn[0]),
                json.dumps(jsonable(drawn[1]), ensure_ascii=False),
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{name}.json", f"{data}\n", durable=False)
        write_text(folder / f"{name}.svg", svg.decode(), durable=False)
    except BaseException as error:
        raise_if_ours(error)
        log.warning("plots/%s is left out: %s: %s", name, type(error).__name__, error)
        return []
    finally:
        for number in _open_figures() - before:
            # pyplot keeps every figure until it is closed, and warns of more than 20
            sys.modules["matplotlib.pyplot"].close(number)
    return [f"{name}.svg", f"{name}.json"]


def _open_figures() -> set[int]:
    """Return the numbers of pyplot's figures. It is not imported for that: without it there are none."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _svg(figure: Any) -> bytes:
    content = io.BytesIO()
    # bbox_inches="tight" draws the figure twice: once to measure it, once to cut it
    figure.savefig(content, format="svg", dpi=100, bbox_inches="tight", metadata=UNDATED)
    return content.getvalue()


def _svg_in_one_pass(figure: Any) -> bytes:
    """Return the same as `_svg`. Text beside the axes lies outside the canvas, so the view box is widened."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content, box, height = io.BytesIO(), figure.get_tightbbox().padded(0.1), figure.get_figheight()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(content, metadata=UNDATED)
    corner, size = (box.x0, height - box.y1), (box.width, box.height)
    left, top, wide, high = (72 * inches for inches in (*corner, *size))  # 72 points an inch
    seen = f'width="{wide:.2f}pt" height="{high:.2f}pt" viewBox="{left:.2f} {top:.2f} {wide:.2f} {high:.2f}"'
    return SIZES.sub(seen.encode(), content.getvalue(), count=1)
