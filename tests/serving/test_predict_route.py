"""`/predict` and `/explain`: what is answered to rows that fit, and to what does not."""

import asyncio
import json
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sklearn.svm import LinearSVC

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.serving.telemetry import Telemetry
from serving_models import ask, call, listening, running, served

GOOD = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}


@pytest.fixture(scope="module")
def model():
    return served()


def test_a_row_gets_label_probabilities_threshold_and_version(model):
    said = ask(model, "/predict", {"rows": [GOOD]})
    assert said.status == 200
    assert said.content["model"] == "churn" and said.content["version"] == "1"
    assert said.content["classes"] == ["no", "yes"] and said.content["threshold"] == 0.5
    [found] = said.content["predictions"]
    assert found["prediction"] == max(found["probabilities"], key=found["probabilities"].get)
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert said.headers[b"x-request-id"].decode() == said.content["request_id"]


def test_a_row_that_fails_fails_alone(model):
    rows = [GOOD, {**GOOD, "income": "much"}, {**GOOD, "age": None}, [1], {**GOOD, "cty": "Ulm"}]
    said = ask(model, "/predict", {"rows": rows})
    assert said.status == 422
    assert said.content["error"] == "3 of 5 rows cannot be predicted"
    first, second, third, fourth, fifth = said.content["predictions"]
    assert first["prediction"] in ("no", "yes") and third["prediction"] in ("no", "yes")
    assert second == {"error": "field 'income': a number is expected, not the text 'much'"}
    assert fourth == {"error": "a row is an object of fields and values, not a list"}
    assert fifth == {"error": "field 'cty' is not one of the model; did you mean 'city'?"}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "no JSON"),
        (b'{"rows": [{"age": NaN}]}', 400, "no JSON"),
        (b'{"rows": [{"age": 1e999}]}', 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"[]", 422, "an object with a list of rows"),
        (b'{"rows": []}', 422, "0 rows"),
        (b'{"rows": [{}], "more": 1}', 422, "an object with a list of rows"),
    ],
)
def test_a_body_that_is_none_gets_a_defined_answer(model, body, status, says):
    said = ask(model, "/predict", body=body)
    assert said.status == status and says in said.content["error"]


def test_what_is_not_json_is_refused_by_its_type(model):
    async def work():
        async with running(model) as found:
            other = [(b"content-type", b"text/plain")]
            return await call(found.app, "/predict", {"rows": [GOOD]}, headers=other)

    assert asyncio.run(work()).status == 415


def test_an_explanation_adds_up_from_a_typical_row_to_the_prediction(model):
    said = ask(model, "/explain", {"row": GOOD, "class": "yes"})
    assert said.status == 200
    found = said.content
    assert found["output"] == "probability of yes"
    assert found["base"] + sum(one["amount"] for one in found["contributions"]) == pytest.approx(found["prediction"])
    assert {one["field"] for one in found["contributions"]} == set(GOOD)
    wrong = ask(model, "/explain", {"row": GOOD, "class": "perhaps"})
    assert wrong.status == 422 and wrong.content["hints"] == ["possible: no, yes"]


def test_a_model_without_probabilities_explains_its_decision():
    said = ask(served(LinearSVC()), "/explain", {"row": GOOD, "class": "yes"}).content
    assert said["output"] == "decision for yes (1 or 0)" and said["prediction"] in (0, 1)


def test_clients_turn_away_while_it_drains(model):
    async def work():
        async with running(model) as found:
            before = await call(found.app, "/predict", {"rows": [GOOD]})
            found.service.drain()
            return before, await call(found.app, "/predict", {"rows": [GOOD]})

    before, after = asyncio.run(work())
    assert b"connection" not in before.headers and after.headers[b"connection"] == b"close"
    assert after.content["predictions"] == before.content["predictions"]


def test_a_fault_of_the_service_is_told_as_json(model):
    with listening(replace(model, schema=None)) as url, pytest.raises(HTTPError) as told:
        urlopen(url)
    assert told.value.code == 500 and "its log says why" in json.load(told.value)["error"]


def test_metrics_leave_out_processes_that_were_killed(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    (tmp_path / "gauge_livesum_4194305.db").write_bytes(b"of a process that is no more")
    assert Telemetry().expose().strip() == b"" and not list(tmp_path.glob("*4194305*"))


def test_metrics_count_requests_and_rows(model):
    async def work():
        async with running(model) as found:
            await call(found.app, "/predict", {"rows": [GOOD, {}]})
            return await call(found.app, "/metrics")

    text = asyncio.run(work()).content
    assert 'runtree_requests_total{path="/predict",status="422"} 1.0' in text
    assert 'runtree_rows_total{model="churn",outcome="failed",route="primary",version="1"} 1.0' in text
