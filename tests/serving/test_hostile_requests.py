"""What nobody should send, over a real socket: each gets a defined answer, and the next request a prediction."""

import json
import socket
import struct

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import httpx

from runtree.serving.access import AccessControl, AccessOptions
from runtree.serving.keys import KeyStore
from serving_models import listening, served

GOOD = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}
INFER = "/v2/models/churn/infer"


@pytest.fixture(scope="module")
def url_and_key(tmp_path_factory):
    keys = KeyStore(tmp_path_factory.mktemp("registry"))
    key = keys.add("predict", "", "me")[1]
    with listening(served(), wrap=lambda app: AccessControl(app, AccessOptions(), keys)) as url:
        yield url, key


@pytest.fixture
def post(url_and_key):
    """Post bytes; afterwards the service must answer as before."""
    url, key = url_and_key

    def send(path, content, **headers):
        given = {"x-api-key": key, "content-type": "application/json", **headers}
        return httpx.post(f"{url}{path}", content=content, headers=given, timeout=30)

    yield send
    assert send("/predict", json.dumps({"rows": [GOOD]})).status_code == 200


def raw(url, content):
    """Send bytes and return the first line of what comes back."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        try:
            connection.sendall(content)
            return connection.recv(100).partition(b"\r\n")[0]
        except (BrokenPipeError, ConnectionResetError):  # it has closed before all was sent
            return b"closed"


@pytest.mark.parametrize("path", ["/predict", "/explain", INFER])
def test_a_body_of_30_megabytes(post, path):
    assert post(path, b"x" * 30_000_000).status_code == 413
    assert post(path, iter([b"x" * 1_000_000] * 30)).status_code == 413


@pytest.mark.parametrize("path", ["/predict", "/explain", INFER])
@pytest.mark.parametrize("opening", ['{"rows":', "[", '{"inputs":[{"data":'])
def test_json_that_is_nested_too_deeply(post, path, opening):
    said = post(path, opening * 200_000)
    assert (said.status_code, set(said.json())) == (400, {"error"})


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400, "1e308"])
def test_numbers_that_are_not_finite(post, number):
    row = json.dumps(GOOD).replace("2500.0", number)
    said = post("/predict", f'{{"rows": [{row}, {json.dumps(GOOD)}]}}')
    if number == "1e308":  # it is, and the other row is predicted all the same
        assert said.json()["predictions"][1]["prediction"] in ("no", "yes")
    else:
        assert said.status_code in (400, 422), said.text
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for name, kind, value in (("age", "FP64", 40.0), ("city", "BYTES", "Ulm"), ("member", "BOOL", True))
    ]
    text = json.dumps({"inputs": [*tensors, {"name": "income", "shape": [1], "datatype": "FP64", "data": [2500.0]}]})
    assert number == "1e308" or post(INFER, text.replace("2500.0", number)).status_code == 400


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_bytes_that_are_no_finite_number(post, value):
    income = {"name": "income", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}
    others = [
        {"name": name, "shape": [1], "datatype": kind, "data": [v]}
        for name, kind, v in (("age", "FP64", 40.0), ("city", "BYTES", "Ulm"), ("member", "BOOL", True))
    ]
    head = json.dumps({"inputs": [*others, income]}).encode()
    sent = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    said = post(INFER, head + struct.pack("<d", value), **sent)
    assert (said.status_code, "finite" in said.text or "missing" in said.text) == (400, True), said.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "evil.example"}, 421), ({"x-api-key": "rt_00000000_x"}, 401), ({"origin": "https://evil.example"}, 403)],
)
def test_another_host_key_or_page(post, headers, status):
    assert post("/predict", json.dumps({"rows": [GOOD]}), **headers).status_code == status


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b"431"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 200_000, b"431"),
        (b"GET /" + b"a" * 200_000, b"431"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", b"400"),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", b"400"),
        (
            b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
            b"400",
        ),
    ],
)
def test_bytes_that_are_no_request(post, url_and_key, content, says):
    found = raw(url_and_key[0], content)
    assert says in found or (says, found) == (b"431", b"closed")  # the answer to what is still sent may be lost


def test_a_client_that_leaves_in_the_middle_of_its_body(post, url_and_key):
    url, key = url_and_key
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\ncontent-length: 1000\r\n\r\n"
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head.encode() + b'{"rows": [')
