"""The pictures of a folder, ready to stand in a page."""

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from runtree.reports.elements import Figure
from runtree.reports.svg import inline

LARGEST = 600_000  # bytes of one picture; all of a page may come to `ROOM`
ROOM = 3_500_000
SHADED = ("parallel", "slice")  # kinds whose shades mean something


@dataclass
class PlotGallery:
    """Pictures by name, from the first of the folders that has each.

    Attributes
    ----------
    known
        By kind, the title and the sentence of pictures that are drawn here and do not tell them themselves. These
        become a part of the page; those of other kinds are kept apart.
    left_out
        A line for each picture that is too large or cannot be read.
    """

    folders: Sequence[Path]
    known: Mapping[str, tuple[str, str]]
    left_out: list[str] = field(default_factory=list)
    _shown: dict[str, int] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return every picture that there is."""
        found = (file.stem for folder in self.folders if folder.is_dir() for file in sorted(folder.glob("*.svg")))
        return list(dict.fromkeys(found))

    def pictures(self, *names: str) -> list[Figure]:
        """Return those of these pictures that there are, in this order."""
        there = [(name, file) for name in names for file in self._files(name)[:1]]
        return [picture for name, file in there if (picture := self._picture(name, file)) is not None]

    def others(self) -> list[Figure]:
        """Return what has not been shown yet: pictures of plugins."""
        return self.pictures(*(name for name in self.names() if name not in self._shown))

    def _files(self, name: str) -> list[Path]:
        return [file for folder in self.folders if (file := folder / f"{name}.svg").is_file()]

    def _picture(self, name: str, file: Path) -> Figure | None:
        told, kind = _told(file.with_suffix(".json")), name.partition("-")[0]
        usual, says = self.known.get(kind, (name, ""))
        of = name.partition("-")[2].replace("_", " ")
        title = str(told.get("title") or f"{usual.replace('_', ' ')}{f': {of}' if of else ''}")
        says = str(told.get("says") or says)
        try:
            content = file.read_bytes()
            if len(content) > LARGEST or sum(self._shown.values()) + len(content) > ROOM:
                self._leave_out(name, f"plots/{file.name} is too large for this page: open it by itself")
                return None
            shaded = kind in SHADED
            drawn = f"plot-{_plain(name)}", _alt(title, says)
            page = inline(content, *drawn, shaded) if kind in self.known else _apart(content, title)
        except (OSError, ParseError, ValueError) as error:
            self._leave_out(name, f"plots/{file.name} cannot be read ({str(error).partition(chr(10))[0]})")
            return None
        self._shown[name] = len(page)
        return Figure(name, title, says, page, _width(content))

    def _leave_out(self, name: str, why: str) -> None:
        self.left_out.append(why)
        self._shown[name] = 0


def _alt(title: str, says: str) -> str:
    return f"{title}. {says}".strip()


def _width(content: bytes) -> int:
    found = re.search(rb'viewBox="[-\d.]+ [-\d.]+ (\d+)', content)
    return int(found[1]) if found else Figure.width


def _plain(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def _apart(content: bytes, title: str) -> str:
    """Return a picture that somebody else drew as an image: nothing in it runs, and it is seen on white."""
    data = base64.b64encode(content).decode()
    return f'<img class="on-white" alt="{html.escape(title)}" src="data:image/svg+xml;base64,{data}">'


def _told(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
