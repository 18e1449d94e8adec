"""`runtree.Client` speaks with a running service."""

import subprocess
import sys

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import numpy as np
import pandas as pd

import runtree as rt
from runtree.api.client import ServiceError, _records
from runtree.contract.errors import RequestError
from serving_models import customers, listening, served

GOOD = {"age": None, "income": 1.5, "city": "Ulm", "member": True}


@pytest.fixture(scope="module")
def model():
    return served()


@pytest.fixture(scope="module")
def client(model):
    with listening(model) as url, rt.Client(url) as found:
        yield found


def test_a_table_gets_the_predictions_of_the_model(client, model):
    frame, _ = customers()
    expected = model.predictor.predict(frame)
    assert client.predict(frame) == expected["prediction"].tolist()
    proba = [list(found.values()) for found in client.predict_proba(frame)]
    np.testing.assert_allclose(proba, expected[["p_no", "p_yes"]], rtol=0, atol=1e-12)
    assert client.is_ready()


def test_rows_that_cannot_be_predicted_are_named_and_the_others_answered(client):
    good, bad = GOOD, {"income": 2}
    with pytest.raises(rt.DataError, match=r"^row 1: field 'city' is missing, and never was in training"):
        client.predict([good, bad])
    document = client.answer([good, bad], request_id="my-1")
    assert document["request_id"] == "my-1" and "prediction" in document["predictions"][0]


def test_an_explanation_adds_up(client):
    found = client.explain({"age": 30, "income": 1500, "city": "Ulm", "member": True}, "yes")
    assert found["base"] + sum(one["amount"] for one in found["contributions"]) == pytest.approx(found["prediction"])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD, {**GOOD, "income": float("inf")}], "row 1: field 'income': a finite number is expected"),
        (GOOD, "rows: a list of rows, or a data frame, is expected"),
        ("rows", "rows: a list of rows, or a data frame, is expected"),
        ([{**GOOD, "city": {"Ulm"}}], "rows: JSON has no such value: .* set"),
    ],
)
def test_rows_that_no_request_can_hold_are_refused_before_one_is_sent(rows, said):
    with pytest.raises(rt.DataError, match=said):
        rt.Client("http://127.0.0.1:1", retries=0).predict(rows)


def test_cells_of_tables_are_written_as_json_has_them():
    cells = {"list": np.array([1.5, np.nan]), "map": {"day": pd.Timestamp("2026-01-31"), "n": np.int64(3)}, "no": pd.NA}
    [record] = _records(pd.DataFrame([{**cells, "text": "NaT"}]))
    assert record == {"list": [1.5, None], "map": {"day": "2026-01-31T00:00:00", "n": 3}, "no": None, "text": "NaT"}


def test_a_row_of_a_table_is_explained(client):
    frame, _ = customers()
    row = frame.dropna().iloc[0]
    assert {one["field"]: one["value"] for one in client.explain(row)["contributions"]} == row.to_dict()


def test_a_certificate_that_is_none():
    with pytest.raises(RequestError, match=r"certificate=.no\.pem.: No such file"):
        rt.Client("https://localhost", certificate="no.pem")


def test_a_service_that_is_not_there_and_an_address_that_is_none():
    with pytest.raises(ServiceError, match="cannot be reached"):
        rt.Client("http://127.0.0.1:1", retries=0).predict([{}])
    assert not rt.Client("http://127.0.0.1:1", retries=0).is_ready()
    with pytest.raises(RequestError, match="is not the address of a service"):
        rt.Client("localhost:8000")


def test_it_loads_nothing_heavy():
    code = "import sys, runtree; runtree.Client; print({'numpy', 'pandas', 'fastapi', 'sklearn'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
