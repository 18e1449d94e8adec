"""Texts of a page can be read in both colour schemes (WCAG 2.2, level AA)."""

import re
from itertools import product
from pathlib import Path

import pytest

from runtree.reports import render

STYLES = (Path(render.__file__).parent / "templates" / "page.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block)) for block in STYLES.split("@media screen", 2)[:2]
)
SCHEMES = {"light": LIGHT, "dark": DARK}
TEXTS = ("ink", "soft", "link", "good", "note", "warning")


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("scheme", "text", "ground"), [*product(SCHEMES, TEXTS, ("paper", "card"))])
def test_every_text_has_enough_contrast(scheme, text, ground):
    dark, light = sorted(luminance(SCHEMES[scheme][name]) for name in (text, ground))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_both_schemes_define_every_colour_that_is_used():
    assert {*re.findall(r"var\(--([a-z]+)\)", STYLES)} - {"width"} <= LIGHT.keys() == DARK.keys()
