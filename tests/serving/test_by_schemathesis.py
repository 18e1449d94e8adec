"""Schemathesis makes requests of all kinds from the document of a running service, with all its checks: no findings."""

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.serving.settings import PolicyOptions
from runtree.serving.watched import add_watched_route
from serving_models import listening, served


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_found(tmp_path):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install -e '.[dev]'")
    model = served(policy=PolicyOptions(range="refuse", unseen="refuse", missing="refuse"))
    with listening(model, extend=lambda app, api: add_watched_route(app, api, tmp_path)) as url:
        config = schemathesis.Config()
        config.projects.default.generation.update(max_examples=5, deterministic=True)
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
        found, cases = [], 0
        for event in schemathesis.engine.from_schema(schema).execute():
            assert type(event).__name__ not in ("FatalError", "NonFatalError"), event
            for recorder in [event.recorder] if hasattr(event, "recorder") else []:
                cases += len(recorder.cases)
                found += [check for checks in recorder.checks.values() for check in checks if check.failure_info]
    assert cases > 100
    assert [str(check.failure_info.failure) for check in found] == []
