"""Pictures in the output tree: an SVG each, with what it shows as JSON beside it."""

import io
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtree.records.write import jsonable, write_bytes, write_text

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

Drawn = tuple[Any, dict[str, Any]]  # a figure, and what it shows


def write_picture(folder: Path, name: str, picture: Callable[[], Drawn | None]) -> list[str]:
    """Draw a picture and write it and its data; return the names of both. One that fails is a warning, and left out."""
    from matplotlib import rc_context, style

    before = _open_figures()
    try:
        with rc_context():
            style.use(["default", STYLE])
            drawn = picture()
            if drawn is None:
                return []
            svg, data = _svg(drawn[0]), json.dumps(jsonable(drawn[1]), ensure_ascii=False)
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
    figure.savefig(content, format="svg", dpi=100, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    return content.getvalue()
