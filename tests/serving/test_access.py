"""Who may ask a service: hosts, origins, keys and roles, rates, sizes of bodies; each refusal has its status."""

import asyncio
import base64
import json
import subprocess
import sys

import pytest

from runtree.contract.errors import ConfigError, NotFoundError, RequestError
from runtree.records.model_log import AuditFolder, read_log
from runtree.serving.access import (
    AccessControl,
    AccessOptions,
    RateLimit,
    check_access_options,
    check_exposure,
    tls_options,
)
from runtree.serving.keys import KeyStore


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "registry")


async def echo(scope, receive, send):
    """Answer with the size of the body and who asked."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    who = scope.get("runtree.key")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps({"size": size, "who": who and who.id}).encode()})


def ask(control, method="POST", path="/predict", host="localhost:8000", parts=(b"{}",), client="10.0.0.1", **headers):
    """Return the status and the document of a request; a header of value None is left out."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    pairs = [(name.encode(), str(value).encode()) for name, value in named.items() if value is not None]
    queue = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    sent = []

    async def receive():
        return queue.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": pairs, "client": (client, 1)}
    asyncio.run(control(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"]), dict(sent[0]["headers"])


def control_of(store, host="127.0.0.1", **options):
    return AccessControl(echo, AccessOptions(**options), store, host)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:8000", "10.1.2.3", "api.bank.ch"])
def test_known_hosts_are_answered(store, host):
    assert ask(control_of(store, hosts=["api.bank.ch"]), host=host)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example:8000"}, 421),
        ({"host": None}, 400),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:8000"}, 200),
        ({"content_length": "many"}, 400),
    ],
)
def test_pages_of_other_sites_reach_nothing(store, headers, status):
    refused = []
    control = AccessControl(echo, AccessOptions(), store, on_refusal=refused.append)
    found, document, _ = ask(control, **headers)
    assert found == status
    assert refused == ([status] if status != 200 else [])
    assert status == 200 or set(document) == {"error"}


def test_two_hosts_are_refused(store):
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost"), (b"host", b"evil")]}
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(control_of(store)(scope, None, send))
    assert sent[0]["status"] == 400


def test_without_keys_all_but_admin_acts_are_open_and_with_one_nothing_is(store):
    control = control_of(store)
    assert ask(control)[0] == 200
    assert ask(control, path="/refresh")[0] == 403
    store.add("predict", "bern", "anna")
    store._looked = 0  # a second later, the service that runs asks for it, too
    assert ask(control)[0] == 401
    status, document, headers = ask(control_of(store))
    assert (status, headers[b"www-authenticate"]) == (401, b'Bearer realm="runtree"')
    assert "an API key is needed" in document["error"]
    assert ask(control_of(store), "GET", "/v2/health/ready")[0] == 200
    assert ask(control_of(store, open=True))[0] == 200
    browser = ask(control_of(store), "GET", "/", accept="text/html,*/*")
    assert browser[2][b"www-authenticate"] == b'Basic realm="runtree"'


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("predict", {"/predict", "/labels", "/v2/models/m/infer", "/", "/v2/models/m", "/openapi.json"}),
        ("read", {"/metrics", "/v2/models/m", "/openapi.json"}),
        ("review", {"/review", "/v2/models/m", "/openapi.json"}),
        (
            "admin",
            {"/predict", "/labels", "/v2/models/m/infer", "/", "/metrics", "/refresh", "/v2/models/m", "/openapi.json"}
            | {"/review"},
        ),
    ],
)
def test_a_role_may_do_its_part(store, role, allowed):
    _, text = store.add(role, "", "anna")
    posts = {"/predict", "/labels", "/v2/models/m/infer", "/refresh"}
    control = control_of(store)
    for path in (*posts, "/", "/metrics", "/review", "/v2/models/m", "/openapi.json"):
        status, document, _ = ask(control, "POST" if path in posts else "GET", path, authorization=f"Bearer {text}")
        assert status == (200 if path in allowed else 403), path
        assert status == 200 or f"the role {role} may not do this" in document["error"]


def test_a_key_is_taken_from_each_place_that_clients_use_and_a_wrong_one_from_none(store):
    key, text = store.add("predict", "", "anna")
    control = control_of(store)
    basic = base64.b64encode(f"anyone:{text}".encode()).decode()
    for headers in ({"authorization": f"bearer {text}"}, {"x_api_key": text}, {"authorization": f"Basic {basic}"}):
        assert ask(control, **headers)[:2] == (200, {"size": 2, "who": key.id})
    wrong = ("", "x", "rt_", f"{text}x", text[:-1], text.replace(key.id, "00000000"), "Basic %%%", "rt_é_é")
    for word in wrong:
        assert ask(control, x_api_key=word.encode("latin-1", "replace").decode("latin-1"))[0] == 401
    assert text.partition(key.id)[2][1:] not in (AuditFolder(store._folder.path).keys).read_text()


def test_a_key_that_is_removed_is_refused_also_the_last_one(store):
    key, text = store.add("predict", "bern", "anna")
    control = control_of(store)
    assert ask(control, x_api_key=text)[0] == 200
    store.remove("bern", "anna")
    control.keys._looked = 0  # a second later
    assert ask(control, x_api_key=text)[0] == 401
    assert ask(control_of(store))[0] == 401
    with pytest.raises(NotFoundError, match="'bern' names 0 keys"):
        store.remove("bern", "anna")
    acts = [(entry["act"], entry["by"], entry["key"]) for entry in read_log(AuditFolder(store._folder.path))[0]]
    assert acts == [("key_added", "anna", key.id), ("key_removed", "anna", key.id)]


def test_a_damaged_file_of_keys_lets_nobody_in(store):
    _, text = store.add("predict", "", "anna")
    store._folder.keys.write_text("{}")
    assert ask(control_of(store), x_api_key=text)[0] == 401
    with pytest.raises(RequestError, match=r"keys\.json: is damaged"):
        store.all()
    with pytest.raises(RequestError, match="--role boss: is no role"):
        store.add("boss", "", "anna")


@pytest.mark.parametrize("parts", [(b"x" * 1001,), (b"x" * 600, b"x" * 600)])
@pytest.mark.parametrize("framing", ["content_length", "transfer_encoding"])
def test_a_body_that_is_too_large_is_refused_before_the_service_reads_it(store, parts, framing):
    control = control_of(store, max_megabytes=0.001)
    size = sum(map(len, parts))
    headers = {framing: size if framing == "content_length" else "chunked"}
    status, document, _ = ask(control, parts=parts, **headers)
    assert (status, document) == (413, {"error": "the body is larger than 1,000 bytes"})
    small = {framing: 6 if framing == "content_length" else "chunked"}
    assert ask(control, parts=(b"abc", b"def"), **small)[:2] == (200, {"size": 6, "who": None})


def test_who_asks_too_often_waits_and_others_do_not(store, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("runtree.serving.access.time.monotonic", lambda: now[0])
    control = control_of(store, rate=2, burst=3)
    assert [ask(control)[0] for _ in range(4)] == [200, 200, 200, 429]
    status, _, headers = ask(control)
    assert (status, headers[b"retry-after"]) == (429, b"1")
    assert ask(control, client="10.0.0.2")[0] == 200
    assert ask(control, "GET", "/v2/health/live")[0] == 200
    now[0] += 0.5
    assert [ask(control)[0] for _ in range(2)] == [200, 429]


def test_the_rate_is_that_of_all_processes_together(store, tmp_path):
    options, file = AccessOptions(rate=0.001, burst=3), tmp_path / "rates"
    controls = [AccessControl(echo, options, store, rates=file) for _ in range(2)]
    assert [ask(control)[0] for control in (*controls, *controls)] == [200, 200, 200, 429]
    other = "import sys, pathlib; from runtree.serving.access import RateLimit as limit; "
    other += "print([limit(0.001, 3, pathlib.Path(sys.argv[1])).wait(who) > 0 for who in ('10.0.0.1', '10.0.0.2')])"
    said = subprocess.run([sys.executable, "-c", other, file], capture_output=True, text=True)
    assert said.stdout == "[True, False]\n", said.stderr


def test_clients_with_one_place_take_no_tokens_of_each_other(monkeypatch):
    monkeypatch.setattr("runtree.serving.access.CLIENTS", 1)
    limit = RateLimit(0.001, 1)
    assert [limit.wait(client) > 0 for client in ("a", "a", "b", "b")] == [False, True, False, True]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.org"])
def test_nobody_else_reaches_a_service_without_keys(store, host):
    for loopback in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        check_exposure(loopback, store, AccessOptions())
    with pytest.raises(RequestError, match="others could reach the service, and it has no API key"):
        check_exposure(host, store, AccessOptions())
    check_exposure(host, store, AccessOptions(open=True))
    store.add("predict", "", "anna")
    check_exposure(host, store, AccessOptions())


def test_values_of_the_settings_are_checked():
    with pytest.raises(ConfigError, match=r"serve\.access\.rate: 0 must be above 0"):
        check_access_options(AccessOptions(rate=0))


def test_files_for_tls_are_looked_at_before_the_service_starts(tmp_path):
    assert tls_options(None, None) == ()
    with pytest.raises(RequestError, match="--key: needs a certificate"):
        tls_options(None, tmp_path / "key.pem")
    with pytest.raises(RequestError, match=r"--certificate .*no\.pem: .*No such file"):
        tls_options(tmp_path / "no.pem", None)
    files = certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost -days 1"
    done = subprocess.run(
        [*make.split(), "-out", certificate, "-keyout", key, "-passout", "pass:abcd"], capture_output=True
    )
    if done.returncode:
        pytest.skip("openssl is not installed")
    with pytest.raises(RequestError, match=r"--certificate .* --key .*: .*encrypted"):
        tls_options(*files)
    subprocess.run([*make.split(), "-out", certificate, "-keyout", key, "-noenc"], capture_output=True, check=True)
    assert tls_options(*files) == (("ssl_certfile", str(certificate)), ("ssl_keyfile", str(key)))
