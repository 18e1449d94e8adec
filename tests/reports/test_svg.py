from xml.etree import ElementTree
from xml.etree.ElementTree import ParseError

import pytest

from runtree.reports.svg import inline

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9" width="9pt">'
)


def made(body: str, **more):
    return inline(f"{HEAD}{body}</svg>".encode(), "plot-a", "What it shows", **more)


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        "<style>@import url(http://x)</style>",
        "<foreignObject><p>x</p></foreignObject>",
        '<a href="http://x"><rect/></a>',
        '<image href="http://x/y.png"/>',
        '<use xlink:href="http://x#y"/>',
        '<rect onclick="alert(1)"/>',
        '<rect style="fill: url(http://x)"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        "<metadata>http://x</metadata>",
        '<animate attributeName="href" to="javascript:alert(1)"/>',
    ],
)
def test_nothing_in_it_runs_or_loads(body):
    text = made(body)
    for word in ("script", "alert", "http", "onclick", "svg+xml", "@import", "foreignObject", "animate"):
        assert word not in text


def test_its_name_is_told_and_escaped():
    text = inline(f"{HEAD}</svg>".encode(), "plot-a", "<b> & more")
    assert 'role="img"' in text
    assert 'aria-labelledby="plot-a-title"' in text
    assert '<title id="plot-a-title">&lt;b&gt; &amp; more</title>' in text


def test_its_colours_become_those_of_the_page():
    text = made('<rect style="fill: #0072B2; stroke: #000000"/><rect style="fill: #123456"/>')
    assert "fill: var(--blue); stroke: var(--ink)" in text
    assert "fill: #123456" in text
    assert 'class="adapted"' in text


def test_a_picture_of_many_shades_stays_on_white():
    shades = "".join(f'<rect style="fill: #0000{n:02x}"/>' for n in range(20))
    for text in (made(shades + '<rect style="fill: #000000"/>'), made('<rect style="fill: #000000"/>', shaded=True)):
        assert 'class="on-white"' in text
        assert "var(" not in text


def test_ids_are_its_own_and_only_those_that_are_used():
    body = '<defs><path id="m"/><clipPath id="c"/></defs><g id="axes_1" clip-path="url(#c)"><use xlink:href="#m"/></g>'
    ids = [element.get("id") for element in ElementTree.fromstring(made(body)).iter()]
    assert [name for name in ids if name] == ["plot-a-title", "plot-a-m", "plot-a-c"]
    assert 'href="#plot-a-m"' in made(body)
    assert 'clip-path="url(#plot-a-c)"' in made(body)


@pytest.mark.parametrize("content", [b"", b"no picture", b"<html></html>", b"<svg></svg>"])
def test_what_is_no_picture_is_refused(content):
    with pytest.raises((ParseError, ValueError)):
        inline(content, "a", "b")
