"""Clients of the Open Inference Protocol that others wrote get the predictions that `/predict` gives."""

from types import SimpleNamespace
from typing import Annotated, NamedTuple

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import runtree as rt
from serving_models import listening, served

ROWS = [
    {"age": 30, "income": 2000.5, "city": "Köln", "member": True},
    {"age": 61, "income": 3000.0, "city": "Bonn", "member": False},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
DATATYPES = {"age": "FP64", "income": "FP64", "city": "BYTES", "member": "BOOL"}


class Probabilities(NamedTuple):
    no: float
    yes: float


@pytest.fixture(scope="module")
def service():
    with listening(served()) as url, rt.Client(url) as client:
        answers = client.answer(ROWS)["predictions"]
        yield SimpleNamespace(
            url=url,
            labels=[one["prediction"] for one in answers],
            probabilities=[list(one["probabilities"].values()) for one in answers],
        )


def test_pydantic_open_inference(service):
    client = pytest.importorskip("pydantic_open_inference", reason="needs pip install -e '.[dev]'")
    number = Annotated[list[float], client.DatatypeOverride("FP64")]
    fields = {"age": number, "income": number, "city": list[str], "member": list[bool]}
    inputs = type("Inputs", (client.InputsBaseModel,), {"__annotations__": fields})
    outputs = type(
        "Outputs",
        (client.OutputsBaseModel,),
        {"__annotations__": {"prediction": list[str], "probabilities": list[Probabilities]}},
    )
    for version in (None, "1"):
        model = client.RemoteModel(
            model_name="churn",
            model_version=version,
            inputs_model=inputs,
            outputs_model=outputs,
            server_url=service.url,
        )
        model.validate()
        assert model.is_ready()
        found = model.infer(inputs(**COLUMNS))
        assert found.prediction == service.labels
        assert [list(row) for row in found.probabilities] == service.probabilities


def test_open_inference_openapi(service):
    client = pytest.importorskip("open_inference.openapi.client", reason="needs pip install -e '.[dev]'")
    types = pytest.importorskip("open_inference.openapi.types")
    with client.httpx.Client() as connection:
        asked = client.OpenInferenceClient(base_url=service.url, httpx_client=connection)
        asked.check_server_liveness()
        asked.check_server_readiness()
        asked.check_model_readiness("churn")
        assert asked.read_server_metadata().name == "runtree"
        assert [one.name for one in asked.read_model_metadata("churn").inputs] == list(COLUMNS)
        tensors = [
            types.RequestInput(name=name, shape=[2], datatype=DATATYPES[name], data=types.TensorData.parse_obj(data))
            for name, data in COLUMNS.items()
        ]
        found = asked.model_infer("churn", request=types.InferenceRequest(id="q", inputs=tensors))
        with pytest.raises(client.ApiError, match="there is no model other; it is churn 1"):
            asked.read_model_metadata("other")
    labels, probabilities = found.outputs
    assert found.id == "q" and labels.data.__root__ == service.labels
    assert np.reshape(probabilities.data.__root__, probabilities.shape).tolist() == service.probabilities


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_tritonclient(service, binary):
    client = pytest.importorskip("tritonclient.http", reason="needs pip install -e '.[dev]'")
    kinds = {"FP64": np.float64, "BYTES": np.object_, "BOOL": np.bool_}
    with client.InferenceServerClient(service.url.removeprefix("http://")) as asked:
        assert asked.is_server_live() and asked.is_server_ready() and asked.is_model_ready("churn")
        tensors = []
        for one in asked.get_model_metadata("churn")["inputs"]:
            data = np.array(COLUMNS[one["name"]], dtype=kinds[one["datatype"]])
            tensors.append(client.InferInput(one["name"], data.shape, one["datatype"]))
            tensors[-1].set_data_from_numpy(data, binary_data=binary)
        found = asked.infer("churn", tensors, request_id="q")
        with pytest.raises(client.InferenceServerException, match="no model other"):
            asked.get_model_metadata("other")
    labels = found.as_numpy("prediction").tolist()
    assert [one.decode() if isinstance(one, bytes) else one for one in labels] == service.labels
    assert found.as_numpy("probabilities").tolist() == service.probabilities
