"""The Open Inference Protocol: the requests of its clients, and what does not fit."""

import json

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import pandas as pd

from runtree.preprocess.numeric import ImputeScale
from serving_models import ask, customers, served

HEADER = b"inference-header-content-length"
COLUMNS = {"age": ("FP32", [30, 60.5]), "income": ("FP64", [2000.0, 3000.0])}
COLUMNS |= {"city": ("BYTES", ["Ulm", "Bonn"]), "member": ("BOOL", [True, False])}


def request(**changes):
    tensors = [
        {"name": name, "shape": [2], "datatype": kind, "data": data}
        for name, (kind, data) in {**COLUMNS, **changes}.items()
    ]
    return {"id": "mine", "inputs": tensors}


@pytest.fixture(scope="module")
def model():
    return served()


@pytest.fixture(scope="module")
def numbers():
    frame, _ = customers()
    table = frame[["income", "age"]], pd.Series(frame["income"] * 2.0, name="value")
    from sklearn.linear_model import Ridge

    return served(Ridge(), ImputeScale(), table)


def test_health_and_metadata(model):
    assert ask(model, "/v2/health/live").content == {"live": True}
    assert ask(model, "/v2/health/ready").status == 200
    assert ask(model, "/v2").content["name"] == "runtree"
    found = ask(model, "/v2/models/churn/versions/1").content
    assert found["parameters"].keys() == {"classes", "target", "task", "algorithm"}  # and no name of a key
    assert found["inputs"][0] == {"name": "age", "datatype": "FP64", "shape": [-1]}
    assert [one["name"] for one in found["outputs"]] == ["prediction", "probabilities"]
    assert ask(model, "/v2/models/churn/ready").content == {"name": "churn", "ready": True}
    assert ask(model, "/v2/models/other").status == 404
    assert ask(model, "/v2/models/churn/versions/2").status == 404


def test_columns_as_tensors_give_labels_and_probabilities(model):
    said = ask(model, "/v2/models/churn/infer", request())
    assert said.status == 200
    rows = [
        dict(zip(COLUMNS, values, strict=True)) for values in zip(*(data for _, data in COLUMNS.values()), strict=True)
    ]
    expected = ask(model, "/predict", {"rows": rows}).content["predictions"]
    labels, proba = said.content["outputs"]
    assert said.content["id"] == "mine" and said.content["model_version"] == "1"
    assert labels["data"] == [one["prediction"] for one in expected] and labels["datatype"] == "BYTES"
    assert proba["shape"] == [2, 2] and proba["data"] == [p for one in expected for p in one["probabilities"].values()]
    chosen = ask(model, "/v2/models/churn/infer", {**request(), "outputs": [{"name": "prediction"}]})
    assert [one["name"] for one in chosen.content["outputs"]] == ["prediction"]


def test_a_matrix_is_the_columns_of_a_model_of_numbers(numbers, model):
    tensor = {"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": [[2000.0, 30.0], [3000.0, 40.0]]}
    flat = {**tensor, "data": [2000.0, 30.0, 3000.0, 40.0]}
    found = [ask(numbers, "/v2/models/churn/infer", {"inputs": [one]}).content["outputs"] for one in (tensor, flat)]
    assert found[0] == found[1] and found[0][0]["data"] == pytest.approx([4000, 6000], rel=0.01)
    said = ask(model, "/v2/models/churn/infer", {"inputs": [{**tensor, "shape": [1, 4]}]})
    assert said.status == 400 and "each as a tensor of its own" in said.content["error"]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "inputs: a list of tensors is needed"),
        ({"inputs": [1]}, "each tensor needs a name"),
        (request(age=("FP32", [1])), "input 'age': 1 values, and its shape says 2"),
        (request(age=("COMPLEX", [1, 2])), "the datatype 'COMPLEX' is not one of the protocol"),
        (request(age=({}, [1, 2])), "is not one of the protocol"),
        (request(income=("FP32", [1, "x"])), "row 1: field 'income': a number is expected, not the text 'x'"),
        ({**request(), "outputs": [{"name": []}]}, "the model has no output"),
        ({**request(), "outputs": [{"name": "embedding"}]}, "the model has no output 'embedding'"),
        ({"inputs": [{"name": "age", "shape": [1], "datatype": "FP32"}]}, "it has no data"),
        ({"inputs": [{"name": "age", "shape": [-1], "datatype": "FP32", "data": []}]}, "one or two whole numbers"),
    ],
)
def test_what_does_not_fit_is_told(model, document, says):
    said = ask(model, "/v2/models/churn/infer", document)
    assert said.status == 400 and says in said.content["error"]


def binary(tensors, content, length=None):
    head = json.dumps({"inputs": tensors}).encode()
    return {"body": head + content, "headers": [(HEADER, str(len(head) if length is None else length).encode())]}


AGE = {"name": "age", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
CITY = {"name": "city", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 7}}


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (binary([AGE], b"1234567"), "binary_data_size 8 does not fit the bytes after the JSON"),
        (binary([AGE], b"123456789"), "1 bytes after the JSON are of no tensor"),
        (binary([{**AGE, "datatype": "BF16"}], b"12345678"), "no data of the datatype 'BF16'"),
        (binary([CITY], b"\x04\0\0\0Ulm"), "7 bytes are no data of the datatype 'BYTES'"),
        (binary([CITY], b"\x03\0\0\0\xff\xff\xff"), "7 bytes are no data of the datatype 'BYTES'"),
        (binary([{**AGE, "parameters": {"binary_data_size": -1}}], b""), "binary_data_size -1 does not fit"),
        (binary([AGE], b"12345678", 1000), "'1000' is no length within the body"),
        (binary([AGE], b"12345678", "-1"), "'-1' is no length within the body"),
        (binary(1, b"12345678"), "a list of tensors is needed"),
    ],
)
def test_bytes_that_do_not_fit_are_told(model, sent, says):
    said = ask(model, "/v2/models/churn/infer", **sent)
    assert said.status == 400 and says in said.content["error"]
