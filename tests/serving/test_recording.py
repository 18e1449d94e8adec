"""What a service leaves behind: the log of its answers, late truths by `/labels`, its acts in the audit log."""

import asyncio
import json

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.app.serve import ModelLoader, ServeRequest
from runtree.records.model_log import AuditFolder, read_log
from runtree.records.prediction_reader import read_prediction_log
from runtree.serving.keys import KeyStore
from runtree.serving.prediction_log import LogOptions
from runtree.serving.service import Service
from runtree.serving.settings import PolicyOptions, ServeSettings
from runtree.serving.traffic import PRIMARY, SHADOW, Target, Traffic
from serving_models import call, served

GOOD = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}


@pytest.fixture(scope="module")
def model():
    return served(config={"evaluator.fairness.columns": ["member"]})


class Source:
    """A registry in which the alias has moved."""

    def __init__(self, model):
        self.model = model

    def current(self, reference):
        return self.model.version

    def load(self, reference):
        return self.model


def serve(model, work, tmp_path, monkeypatch, moved=None, **log):
    """Run a service with all that records it, and return what the coroutine `work(app)` returns."""
    monkeypatch.setenv("RUNTREE_REGISTRY", str(tmp_path / "registry"))
    (tmp_path / "registry").mkdir(exist_ok=True)
    settings = ServeSettings(reload=0, log=LogOptions(**{"to": str(tmp_path / "log"), **log}))
    request = ServeRequest("m", ModelLoader("outputs", PolicyOptions()), settings)
    shadows = [Target(SHADOW, "models:/churn@next", model)]
    traffic = Traffic(Source(moved or model), Target(PRIMARY, model.reference, model), shadows=shadows)
    service = Service(settings, traffic, on_fault=lambda: None)

    async def run():
        app = request.open(service)
        await service.start()
        try:
            return await work(app)
        finally:
            await service.stop()

    return asyncio.run(run())


def rows(tmp_path):
    return [row for batch in read_prediction_log(tmp_path / "log") for row in batch.to_pylist()]


def test_each_row_is_logged_with_what_was_answered_and_its_late_truth(model, tmp_path, monkeypatch):
    hostile = {**GOOD, "income": {"a": ["b"]}, "made_up": 1}
    label = {"labels": [{"request_id": "q1", "label": "yes"}]}

    async def work(app):
        named = [(b"x-request-id", b"q1")]
        await call(app, "/predict", {"rows": [GOOD, hostile, [1]]}, headers=named)
        assert (await call(app, "/labels", label)).content == {"accepted": 1}
        written = 'runtree_log_entries_total{outcome="written"} 6.0'
        for _ in range(3000):  # the thread counts a moment later
            if written in (await call(app, "/metrics")).content:
                return True
            await asyncio.sleep(0.02)
        return False

    assert serve(model, work, tmp_path, monkeypatch)
    found = [row for row in rows(tmp_path) if row["route"] == "primary"]
    assert len(rows(tmp_path)) == 6  # the shadow's, too
    assert {name for name in found[0] if name.startswith("inputs")} == {"inputs.age", "inputs.income", "inputs.city"}
    assert (found[0]["inputs.city"], found[0]["outputs.error"], found[0]["label"]) == ("Ulm", None, "yes")
    assert found[0]["outputs.prediction"] in ("no", "yes")
    assert [row["outputs.error"] for row in found] == [None, "income", "row"]  # columns, and no value of a client
    assert found[1]["inputs.income"] is None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "an object with a list of labels"),
        ({"labels": []}, "0 labels"),
        ({"labels": [{"request_id": "q", "label": "a"}, {"request_id": "q"}]}, "label 1: expected are request_id"),
        ({"labels": [{"request_id": 7, "label": "a"}]}, "request_id: a text"),
        ({"labels": [{"request_id": "q", "label": "a", "row": -1}]}, "row: the number"),
        ({"labels": [{"request_id": "q", "label": ["a"]}]}, "label: a number or a text"),
        ({"labels": [{"request_id": "q", "label": "x" * 1001}]}, "label: a number or a text"),
    ],
)
def test_labels_of_another_form_are_refused_as_a_whole(document, says):
    from runtree.serving.recording import read_labels
    from runtree.serving.routes import BadRequest

    with pytest.raises(BadRequest) as raised:
        read_labels(document)
    assert raised.value.status == 422 and says in raised.value.message


def test_without_a_log_there_are_no_labels(model, tmp_path, monkeypatch):
    async def work(app):
        return await call(app, "/labels", {"labels": [{"request_id": "q1", "label": "yes"}]})

    assert serve(model, work, tmp_path, monkeypatch, to=None).status == 404


def test_an_admin_act_and_an_exchange_are_audited_with_who_did_it(model, tmp_path, monkeypatch):
    from dataclasses import replace

    moved = replace(model, version="2")
    key, text = KeyStore(tmp_path / "registry").add("admin", "ops", "anna")
    _, weak = KeyStore(tmp_path / "registry").add("predict", "bern", "anna")

    async def work(app):
        refused = await call(app, "/refresh", {}, headers=[(b"x-api-key", weak.encode())])
        answer = await call(app, "/refresh", {}, headers=[(b"x-api-key", text.encode())])
        for _ in range(3000):
            entries = read_log(AuditFolder(tmp_path / "registry"))[0]
            if len(entries) >= 5:
                break
            await asyncio.sleep(0.02)
        return refused.status, answer.content, entries[2:]

    status, content, entries = serve(model, work, tmp_path, monkeypatch, moved)
    assert (status, content) == (403, {"changed": ["models:/churn@champion", "models:/churn@next"]})
    assert [(entry["act"], entry.get("version")) for entry in entries] == [
        ("refresh", None),
        ("model_swapped", "2"),
        ("model_swapped", "2"),
    ]
    assert entries[0]["by"] == f"ops ({key.id})"
    assert text not in json.dumps(entries)
