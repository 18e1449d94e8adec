"""What was last watched of the served model: at `/monitor`, and as gauges."""

import asyncio
import json
import os

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import httpx

from runtree.serving.access import AccessControl, AccessOptions
from runtree.serving.keys import KeyStore
from runtree.serving.routes import make_app
from runtree.serving.service import Service
from runtree.serving.settings import ServeSettings
from runtree.serving.traffic import PRIMARY, Target, Traffic
from runtree.serving.watched import MAX_FIGURES, add_watched_route
from serving_models import served


@pytest.fixture(scope="module")
def model():
    return served()


@pytest.fixture
def app(model, tmp_path):
    service = Service(ServeSettings(reload=0), Traffic(None, Target(PRIMARY, model.reference, model)))
    return make_app(service, lambda app, api: add_watched_route(app, api, tmp_path))


def get(app, path, **headers):
    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def watch(place, number, state="ok", **more):
    folder = place / "churn" / f"w{number:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"state": state, "window": {"name": folder.name}, "checked": "2026-11-01T00:00:00+00:00", **more}
    (folder / "monitor.json").write_text(json.dumps(content))
    os.utime(folder / "monitor.json", (number, number))
    (place / "churn" / "report.html").write_text("<h1>churn</h1>")


def test_where_nothing_was_watched_the_answer_says_what_to_type_and_there_are_no_gauges(app):
    said = get(app, "/monitor", accept="text/html")
    assert said.status_code == 404 and "type: runtree monitor models:/churn@champion" in said.json()["hints"]
    assert "runtree_monitor" not in get(app, "/metrics").text
    assert get(app, "/monitor?format=xml").status_code == 422


def test_the_window_that_was_written_last_counts_and_one_too_small_to_be_tested_does_not(app, tmp_path):
    watch(tmp_path, 2, "alarm", figures={"drift.share": 0.5, "quality.f1": None, **{f"kpi.{n}": n for n in range(99)}})
    watch(tmp_path, 1)
    watch(tmp_path, 3, "small")
    assert get(app, "/monitor?format=json", accept="text/html").json()["window"]["name"] == "w002"
    assert get(app, "/monitor").json()["window"]["name"] == "w002"
    page = get(app, "/monitor", accept="text/html,*/*")
    assert page.text == "<h1>churn</h1>" and "default-src 'none'" in page.headers["content-security-policy"]
    lines = [line for line in get(app, "/metrics").text.splitlines() if line.startswith("runtree_monitor")]
    assert 'runtree_monitor_alarm{model="churn"} 1.0' in lines
    assert 'runtree_monitor_checked_timestamp_seconds{model="churn"} 1.7934912e+09' in lines
    assert 'runtree_monitor_figure{figure="drift.share",model="churn"} 0.5' in lines
    assert not any("quality.f1" in line for line in lines) and len(lines) == MAX_FIGURES + 1  # without the unknown one
    watch(tmp_path, 4)
    assert 'runtree_monitor_alarm{model="churn"} 0.0' in get(app, "/metrics").text


def test_a_damaged_result_is_left_out_and_a_link_is_not_followed(app, tmp_path):
    watch(tmp_path, 1)
    watch(tmp_path, 2)
    (tmp_path / "churn/w002/monitor.json").write_text("{")
    assert get(app, "/monitor").json()["window"]["name"] == "w001"
    (tmp_path / "secret").write_text("hidden")
    (tmp_path / "churn/report.html").unlink()
    (tmp_path / "churn/report.html").symlink_to(tmp_path / "secret")
    assert get(app, "/monitor", accept="text/html").status_code == 404


def test_where_keys_are_on_it_needs_the_role_read(app, tmp_path):
    watch(tmp_path, 1)
    keys = KeyStore(tmp_path / "registry")
    behind = AccessControl(app, AccessOptions(), keys)
    texts = {role: keys.add(role, role, "me")[1] for role in ("predict", "read", "admin")}
    codes = {r: get(behind, "/monitor", authorization=f"Bearer {text}").status_code for r, text in texts.items()}
    assert codes == {"predict": 403, "read": 200, "admin": 200}
    assert get(behind, "/monitor").status_code == 401
