"""An SVG picture as a part of a page: nothing in it runs or loads, and its colours are the page's, light or dark."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from runtree.reports.palette import OF_PICTURES

ELEMENTS = {"svg", "g", "path", "use", "defs", "clipPath", "rect", "circle", "line", "polyline", "polygon", "text"}
ELEMENTS |= {"tspan", "image"}
ATTRIBUTES = {"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "points", "href"}
ATTRIBUTES |= {"transform", "style", "clip-path", "viewBox", "id", "preserveAspectRatio"}
XLINK = "{http://www.w3.org/1999/xlink}"
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
STRANGE = 6  # colours of its own with which a picture is one that is to be seen on white


def inline(svg: bytes, name: str, title: str, shaded: bool = False) -> str:
    """Return an SVG to stand in HTML, `title` as its name for who does not see it; `name` keeps its ids apart.

    `shaded`: its shades mean something, and are seen on white.

    Raises
    ------
    ParseError, ValueError
        It is no SVG.
    """
    root = ElementTree.fromstring(svg)
    if _local(root.tag) != "svg" or "viewBox" not in root.attrib:
        raise ValueError("it is no SVG with a viewBox")
    _keep_what_is_drawn(root)
    own = shaded or on_white(root)
    used = set(_references(root))
    for element in root.iter():
        _make_ours(element, name, used, adapted=not own)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title", "class": "on-white" if own else "adapted"}
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    told = Element("title", {"id": f"{name}-title"})
    told.text = title
    root.insert(0, told)
    return ElementTree.tostring(root, encoding="unicode")


def on_white(root: Element) -> bool:
    """Tell whether a picture has shades of its own, which mean something and are seen on white."""
    found = {colour.lower() for element in root.iter() for colour in COLOUR.findall(element.get("style", ""))}
    return len(found - set(OF_PICTURES)) > STRANGE


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _keep_what_is_drawn(element: Element) -> None:
    """Remove scripts, styles, links, metadata: all that does not draw."""
    element.tag = _local(element.tag)
    for child in list(element):
        if _local(child.tag) in ELEMENTS:
            _keep_what_is_drawn(child)
        else:
            element.remove(child)


def _references(root: Element) -> Iterator[str]:
    for element in root.iter():
        yield from REFERENCE.findall(f"{element.get('clip-path', '')} {element.get('style', '')}")
        yield _href(element).removeprefix("#")


def _href(element: Element) -> str:
    return element.get(f"{XLINK}href") or element.get("href") or ""


def _make_ours(element: Element, name: str, used: set[str], adapted: bool) -> None:
    target = _href(element)
    own = {key: value for key, value in element.attrib.items() if key in ATTRIBUTES and key != "href"}
    if target.startswith("#"):
        own["href"] = f"#{name}-{target[1:]}"
    elif target.startswith("data:image/png;base64,"):
        own["href"] = target
    if own.get("id") not in used:
        own.pop("id", None)
    else:
        own["id"] = f"{name}-{own['id']}"
    for key in {"clip-path", "style"} & set(own):
        own[key] = REFERENCE.sub(rf"url(#{name}-\1)", own[key])
    style = own.get("style", "")
    if "://" in style or "@" in style or "\\" in style:
        del own["style"]
    elif adapted and style:
        own["style"] = COLOUR.sub(_of_the_page, style)
    element.attrib.clear()
    element.attrib.update(own)
    element.tail = None


def _of_the_page(found: re.Match[str]) -> str:
    role = OF_PICTURES.get(found[0].lower())
    return f"var(--{role})" if role else found[0]
