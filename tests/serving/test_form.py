"""The web form: its fields, what it escapes, and what a browser shows after it was sent."""

import html
import re

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from reports.test_in_browser import BROWSER, browse
from serving_models import ask, customers, listening, served

EVIL = '</script><script>document.title="owned"</script>"\'&<b>'


@pytest.fixture(scope="module")
def model():
    frame, target = customers()
    return served(table=(frame.rename(columns={"income": EVIL}), target))


def test_each_column_is_a_field_with_a_typical_value(model):
    said = ask(model, "/")
    assert said.status == 200
    fields = re.findall(r'data-name="(.*?)" data-type="(\w+)"', said.content)
    assert [(html.unescape(name), kind) for name, kind in fields] == [
        ("age", "number"),
        (EVIL, "number"),
        ("city", "text"),
        ("member", "boolean"),
    ]
    assert re.findall(r"<option[^>]*>(\w+)</option>", said.content)[:3] == ["Bonn", "Köln", "Ulm"]


def test_names_are_escaped_and_nothing_is_loaded_from_elsewhere(model):
    said = ask(model, "/")
    assert "<script>document" not in said.content and "<b>" not in said.content
    assert re.findall(r'(?:src|href|action)\s*=\s*"', said.content) == []
    policy = said.headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "connect-src 'self'" in policy


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed: apt-get install chromium")
def test_a_browser_shows_prediction_probabilities_and_explanation(model, folder):
    with listening(model) as url:
        page = browse(folder, "--dump-dom", "--window-size=390,900", f"{url}/?age=74&city=Ulm#explain")
    shown = html.unescape(re.sub(r"<[^>]+>", "|", page.partition('<section id="result"')[2].partition("</section>")[0]))
    assert "churn: yes" in shown and re.search(r"yes\|+\d+\.\d %", shown)
    assert "What the probability of yes is made of" in shown and "age = 74" in shown
    assert "<title>churn: churn</title>" in page


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed: apt-get install chromium")
def test_a_browser_marks_the_field_that_is_wrong_and_takes_no_comma_for_a_point_that_parts_thousands(folder):
    with listening(served()) as url:
        page = browse(folder, "--dump-dom", f"{url}/?age=41,5&income=20,000#predict")
    assert re.findall(r'data-name="(\w+)"[^>]*aria-invalid="true"', page) == ["income"]
    assert "a number is expected, not the text '20,000'" in page
