"""Pictures in the output tree: an SVG each, with what it shows as JSON beside it."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtree.records.writer import jsonable, write_bytes, write_text

log = logging.getLogger(__name__)

BEST, GREY, PALE = "#D55E00", "#767676", "#BBBBBB"
# Okabe & Ito: told apart by the colour-blind too; then once more with other markers
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
STYLE: Any = {
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text that can be searched, in a small file
    "svg.hashsalt": "runtree",  # the same bytes each time
    "text.parse_math": False,  # a name with dollars in it is a name
}

UNDATED: Any = {"Date": None, "Creator": None}  # the same bytes each time
SIZES = re.compile(rb'width="[^"]+" height="[^"]+" viewBox="[^"]+"')

DrawnPlot = tuple[Any, dict[str, Any]]  # a figure, and what it shows


def write_plot(folder: Path, name: str, picture: Callable[[], DrawnPlot | None], once: bool = False) -> list[str]:
    """Draw a picture and write it and its data; return the names of both. One that fails is a warning, and left out.

    `once`: its figure has no layout engine, so that one pass draws it; two take twice the time.
    """
    from matplotlib import rc_context, style

    before = _open_figures()
    try:
        with rc_context():
            style.use(["default", STYLE])
            drawn = picture()
            if drawn is None:
                return []
            svg, data = (
                (_svg_in_one_pass if once else _svg)(drawn[0]),
                json.dumps(jsonable(drawn[1]), ensure_ascii=False),
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{name}.json", f"{data}\n", durable=False)
        write_bytes(folder / f"{name}.svg", svg, durable=False)
    except Exception as error:
        log.warning("plots/%s is left out: %s: %s", name, type(error).__name__, error)
        return []
    finally:
        for number in _open_figures() - before:
            sys.modules["matplotlib.pyplot"].close(number)
    return [f"{name}.svg", f"{name}.json"]


def _open_figures() -> set[int]:
    """Return pyplot's figures; where nobody has loaded it there are none."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _svg(figure: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="svg", dpi=100, bbox_inches="tight", metadata=UNDATED)
    return content.getvalue()


def _svg_in_one_pass(figure: Any) -> bytes:
    """Return a figure as `_svg` does: what stands beside its axes lies outside the canvas, and is taken into view."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content, box, height = io.BytesIO(), figure.get_tightbbox().padded(0.1), figure.get_figheight()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(content, metadata=UNDATED)
    left, top, wide, high = (72 * inches for inches in (box.x0, height - box.y1, box.width, box.height))
    seen = f'width="{wide:.2f}pt" height="{high:.2f}pt" viewBox="{left:.2f} {top:.2f} {wide:.2f} {high:.2f}"'
    return SIZES.sub(seen.encode(), content.getvalue(), count=1)
