"""The plots of a folder as images in a page.

Every SVG, ours or a plugin's, becomes an `<img>` with a data URL: a browser runs no script and loads nothing in an
image, so that no SVG has to be cleaned. The images stand on a light card, because plots are drawn for a white ground.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import ParseError

from runtree.contract.files import read_regular
from runtree.reports.elements import Figure

# one large plot, such as a cloud of a plugin, must not crowd out the others
MAX_PLOT_BYTES = 600_000
MAX_PAGE_BYTES = 3_500_000  # of all plots of a page, so that it opens quickly and can be sent by mail


@dataclass
class PlotGallery:
    """Plots by name, each from the first of the folders that has it.

    Attributes
    ----------
    known
        Title and caption by the kind of a plot, the part of its name before a dash, for plots whose JSON has none.
    left_out
        A line for each plot that is too large or cannot be read.
    """

    folders: Sequence[Path]
    known: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    _sizes: dict[str, int] = field(default_factory=dict)

    def names(self) -> list[str]:
        names = (file.stem for folder in self.folders if folder.is_dir() for file in sorted(folder.glob("*.svg")))
        return list(dict.fromkeys(names))

    def figures(self, *names: str) -> list[Figure]:
        """Return the plots of these names that exist, in this order."""
        figures = []
        for name in names:
            files = [file for folder in self.folders if (file := folder / f"{name}.svg").is_file()]
            if files and (figure := self._figure(name, files[0])):
                figures.append(figure)
        return figures

    def others(self) -> list[Figure]:
        """Return the plots that have not been shown yet: those of plugins."""
        # `_sizes` also holds plots that were left out, with 0, so that they are named once
        return self.figures(*(name for name in self.names() if name not in self._sizes))

    def _figure(self, name: str, file: Path) -> Figure | None:
        kind, _, subject = name.partition("-")
        title, caption = self.known.get(kind, (name, ""))
        title = title.replace("_", " ") + (f": {subject.replace('_', ' ')}" if subject else "")
        data = _read_data(file.with_suffix(".json"))
        try:
            content = read_regular(file)
            # before the file is parsed: a huge or hostile SVG must cost nothing
            if len(content) > MAX_PLOT_BYTES or sum(self._sizes.values()) + len(content) > MAX_PAGE_BYTES:
                self._leave_out(name, f"plots/{file.name} is too large for this page; open the file itself")
                return None
            width = _width(content)
        except (OSError, ParseError, ValueError) as error:
            self._leave_out(name, f"plots/{file.name} cannot be read ({str(error).partition(chr(10))[0]})")
            return None
        self._sizes[name] = len(content)
        # base64 is a third longer than the SVG, but needs no escaping in an attribute
        source = f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
        return Figure(str(data.get("title") or title), str(data.get("says") or caption), source, width)

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out.append(reason)
        self._sizes[name] = 0


def _width(svg: bytes) -> int:
    """Return the width of an SVG in points; raise where it is not one. A broken image would be an empty box."""
    root = ElementTree.fromstring(svg)
    # ElementTree writes a namespace as {…} before the name
    if root.tag.rpartition("}")[2] != "svg" or "viewBox" not in root.attrib:
        raise ValueError("not an SVG with a viewBox")
    sizes = re.findall(r"[-\d.]+", root.attrib["viewBox"])
    return int(float(sizes[2])) if len(sizes) == 4 else Figure.width


def _read_data(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_regular(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
