"""Schemathesis makes requests of all kinds from the document of a running service, with all its checks: no findings."""

import json
from collections import Counter

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.serving.access import AccessControl, AccessOptions
from runtree.serving.keys import KeyStore
from runtree.serving.prediction_log import LogOptions, PredictionLog
from runtree.serving.recording import Recorder, add_record_routes
from runtree.serving.review import add_review_routes
from runtree.serving.settings import PolicyOptions
from runtree.serving.watched import add_watched_route
from serving_models import listening, served


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("keys", [True, False], ids=["all, with keys", "what differs without keys, log and results"])
def test_nothing_is_found(tmp_path, keys, monkeypatch):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install -e '.[dev]'")
    monkeypatch.setattr("runtree.evaluation.shapley.MAX_EVALUATIONS", 100)  # explanations differ in their digits alone
    model = served(policy=PolicyOptions(range="refuse", unseen="refuse", missing="refuse"))
    store, headers = KeyStore(tmp_path / "registry"), {}
    if keys:
        headers = {"Authorization": f"Bearer {store.add('admin', 'ops', 'me')[1]}"}
        (tmp_path / "churn" / "w1").mkdir(parents=True)
        (tmp_path / "churn" / "w1" / "monitor.json").write_text(json.dumps({"state": "ok", "figures": {"a": 1}}))
        (tmp_path / "churn" / "report.html").write_text("<h1>churn</h1>")

    def extend(app, api):
        log = PredictionLog.open(LogOptions(to=str(tmp_path / "log"))) if keys else None
        recorder = Recorder(api.service, log, None, "me")
        recorder.attach()
        add_record_routes(app, api, recorder)
        add_review_routes(app, api, recorder, str(tmp_path / "log") if keys else None)
        add_watched_route(app, api, tmp_path)

    with listening(model, extend=extend, wrap=lambda app: AccessControl(app, AccessOptions(), store)) as url:
        config = schemathesis.Config()
        config.projects.default.generation.update(max_examples=5, deterministic=True)
        config.projects.default.update(headers=headers)
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config, headers=headers)
        schema = schema if keys else schema.include(path_regex="labels|refresh|monitor|review")
        found, statuses, checked = [], Counter(), set()
        for event in schemathesis.engine.from_schema(schema).execute():
            assert type(event).__name__ not in ("FatalError", "NonFatalError"), event
            for recorder in [event.recorder] if hasattr(event, "recorder") else []:
                statuses.update(one.response.status_code for one in recorder.interactions.values() if one.response)
                checks = [check for some in recorder.checks.values() for check in some]
                checked |= {check.name for check in checks}
                found += [check for check in checks if check.failure_info]
    assert [str(check.failure_info.failure) for check in found] == []
    if keys:
        assert statuses[200] > 50 and statuses[401] and "ignored_auth" in checked
    else:
        assert statuses[403] and statuses[404]
