"""What `/openapi.json` says of a service: all of its routes, and each status with which it refuses."""

import asyncio

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.app.serve import ModelLoader, ServeRequest
from runtree.serving.access import HEALTH, REFUSALS, AccessControl, AccessOptions
from runtree.serving.keys import KeyStore
from runtree.serving.prediction_log import LogOptions
from runtree.serving.recording import read_labels
from runtree.serving.service import Service
from runtree.serving.settings import PolicyOptions, ServeSettings
from runtree.serving.traffic import PRIMARY, Target, Traffic
from serving_models import call, served


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The application as `runtree serve` opens it, without its doors."""
    model, place = served(), tmp_path_factory.mktemp("served")
    settings = ServeSettings(reload=0, log=LogOptions(to=str(place / "log")), monitor=str(place / "watched"))
    service = Service(settings, Traffic(None, Target(PRIMARY, model.reference, model)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNTREE_REGISTRY", str(place / "registry"))
        yield ServeRequest("m", ModelLoader("outputs", PolicyOptions()), settings).open(service).app
    for close in service.closers:
        close()


def document_of(app, *headers):
    return asyncio.run(call(app, "/openapi.json", headers=headers)).content


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")  # of a route of two methods, in FastAPI's own document
def test_each_route_is_described(app):
    routes = {(path, method) for path, item in app.app.openapi()["paths"].items() for method in item}
    described = {(path, method) for path, item in document_of(app)["paths"].items() for method in item}
    assert routes == {one for one in described if one[1] != "parameters"}


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
