"""The commands and the program of docs/serving.md work on a running service, and answer as the page shows."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import pandas as pd
from sklearn.linear_model import LinearRegression

from serving_models import listening, served

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def url():
    area = pd.Series([float(40 + n % 30) for n in range(80)])
    frame = pd.DataFrame({"area": area, "side": ["north", "south"] * 40})
    model = served(LinearRegression(), table=(frame, (1000 * area + 21).rename("price")), name="price")
    with listening(model) as found:
        yield found


def block(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_curl_line_is_answered_and_the_first_as_the_page_shows(url):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    answers = []
    for line in block("sh"):
        done = subprocess.run(["bash", "-c", line.replace(ADDRESS, url)], capture_output=True, text=True, check=True)
        answers.append(json.loads(done.stdout))
    assert len(answers) == 3
    [shown] = block("json")
    pattern = re.escape(re.sub(r"\s+", " ", shown.strip())).replace("…", ".+?")
    assert re.fullmatch(pattern, json.dumps(answers[0]))
    assert answers[1]["prediction"] == pytest.approx(51021)
    assert answers[2]["outputs"][0]["data"] == pytest.approx([51021])


def test_the_program_runs(url):
    [program] = block("python")
    exec(program.replace(ADDRESS, url), {})
