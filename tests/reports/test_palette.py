import re
from itertools import product
from pathlib import Path

import pytest

from runtree.records import pictures
from runtree.reports import render
from runtree.reports.palette import DARK, DRAWN, LIGHT, OF_PICTURES, TEXTS, contrast

SCHEMES = {"light": LIGHT, "dark": DARK}
STYLES = Path(render.__file__).parent / "templates" / "page.css"


def test_contrast_is_that_of_the_web_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)
    assert contrast("#0b5cad", "#0b5cad") == 1


@pytest.mark.parametrize(("scheme", "text", "ground"), [*product(SCHEMES, TEXTS, ("paper", "card"))])
def test_every_text_can_be_read(scheme, text, ground):
    assert contrast(SCHEMES[scheme][text], SCHEMES[scheme][ground]) >= 4.5


@pytest.mark.parametrize(("scheme", "colour"), [*product(SCHEMES, DRAWN)])
def test_every_line_and_bar_can_be_seen(scheme, colour):
    assert contrast(SCHEMES[scheme][colour], SCHEMES[scheme]["paper"]) >= 3


def test_both_schemes_have_every_colour_that_is_used():
    used = {*re.findall(r"var\(--([a-z]+)\)", STYLES.read_text())} - {"width"}
    assert LIGHT.keys() == DARK.keys() >= used | set(OF_PICTURES.values())


def test_every_colour_of_the_pictures_is_known():
    own = {pictures.BEST, pictures.GREY, pictures.PALE, *pictures.COLOURS}
    assert {colour.lower() for colour in own} <= OF_PICTURES.keys()
