"""What `/openapi.json` says of a service: all of its routes, and each status with which it refuses."""

import asyncio

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.serving.access import HEALTH, REFUSALS, AccessControl, AccessOptions
from runtree.serving.keys import KeyStore
from runtree.serving.recording import Recorder, add_record_routes, read_labels
from runtree.serving.routes import make_app
from runtree.serving.service import Service
from runtree.serving.settings import ServeSettings
from runtree.serving.traffic import PRIMARY, Target, Traffic
from runtree.serving.watched import add_watched_route
from serving_models import call, served


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    model = served()
    service = Service(ServeSettings(reload=0), Traffic(None, Target(PRIMARY, model.reference, model)))

    def extend(app, api):
        add_record_routes(app, api, Recorder(service, None, None, "me"))
        add_watched_route(app, api, tmp_path_factory.mktemp("watched"))

    return make_app(service, extend)


def document_of(app, *headers):
    return asyncio.run(call(app, "/openapi.json", headers=headers)).content


def test_each_route_is_described(app):
    described = document_of(app)["paths"]
    routes = app.app.openapi()["paths"]  # as FastAPI knows them
    assert {(path, *item) for path, item in routes.items()} == {
        (path, *(method for method in item if method != "parameters")) for path, item in described.items()
    }


def test_each_refusal_is_described_where_it_may_come(app):
    document = document_of(app)
    assert document["components"]["responses"].keys() == {str(status) for status in REFUSALS}
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post"}:
            codes = item[method]["responses"].keys()
            assert {"400", "403", "421"} <= codes
            assert ({"401", "429"} <= codes) == (path not in HEALTH)
            assert ("413" in codes) == (method == "post")
            assert "security" not in item[method]


def test_where_keys_are_on_it_says_how_one_is_sent(app, tmp_path):
    keys = KeyStore(tmp_path)
    _, text = keys.add("read", "", "me")
    document = document_of(AccessControl(app, AccessOptions(), keys), (b"x-api-key", text.encode()))
    secured = {
        path
        for path, item in document["paths"].items()
        if "security" in {**item.get("get", {}), **item.get("post", {})}
    }
    assert secured == document["paths"].keys() - set(HEALTH)
    schemes = document["components"]["securitySchemes"]
    assert document["paths"]["/labels"]["post"]["security"] == [{name: []} for name in schemes]


def test_the_example_of_labels_is_taken(app):
    body = document_of(app)["paths"]["/labels"]["post"]["requestBody"]["content"]["application/json"]
    assert read_labels(body["example"])
