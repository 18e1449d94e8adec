"""Each shipped channel of alerts passes the suite that a third party's has to pass; what arrives is what was meant."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runtree.alerts.channels import Webhook
from runtree.contract.errors import ConfigError
from runtree.monitoring.alerts import deliver
from runtree.testing import AlertSuite
from runtree.testing.alert import ALERTS


class _Hook(BaseHTTPRequestHandler):
    """Answers by the path: /200, /500, /302, or /hang, which answers nothing until the server is closed."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        if self.path == "/hang":
            self.server.closing.wait(20)
            return
        self.send_response(int(self.path[1:]))
        self.send_header("location", "/200")
        self.end_headers()
        self.wfile.write(b"no such hook\nmore")

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hook) as server:
        server.got, server.closing = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def closed_port():
    with socket.socket() as bound:  # never listens
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class TestConsole(AlertSuite):
    channel = "console"

    def test_prints_a_line_and_one_for_each_alarm(self, capsys):
        assert deliver(self.make({}).channels["console"], ALERTS[0]) == ""
        first, *more = capsys.readouterr().err.splitlines()
        assert first == "alert    churn version 3: alarm in window 2026-11-01" and len(more) == 2


class TestWebhook(AlertSuite):
    channel = "webhook"

    @pytest.fixture
    def settings(self, hook):
        return {"url": f"{hook.url}/200"}

    def test_posts_json_for_people_and_for_programs(self, hook, monkeypatch):
        monkeypatch.setenv("HOOK_TOKEN", "s3cret-of-a-hook")
        headers = {"Authorization": "Bearer ${secret:HOOK_TOKEN}"}
        made = self.make({"url": f"{hook.url}/200", "text": "content", "headers": headers})
        assert deliver(made.channels["webhook"], ALERTS[0]) == ""
        [(_, sent, body)] = hook.got
        assert sent["Authorization"] == "Bearer s3cret-of-a-hook" and sent["Content-Type"] == "application/json"
        assert body["content"].splitlines()[0] == body["subject"] == "churn version 3: alarm in window 2026-11-01"
        assert (body["event"], body["figures"]["rows"], body["id"]) == ("alarm", 200, "churn/2026-11-01/alarm")

    @pytest.mark.parametrize(
        ("path", "said"),
        [("500", "HTTP 500 Internal Server Error: no such hook"), ("302", "HTTP 302"), ("hang", "timed out")],
    )
    def test_every_answer_but_a_good_one_is_a_failure(self, hook, path, said):
        made = self.make({"url": f"{hook.url}/{path}", "timeout": 0.2 if path == "hang" else 30})
        assert said in deliver(made.channels["webhook"], ALERTS[0])
        assert len(hook.got) == 1  # no redirect is followed

    def test_a_port_without_a_server_is_a_failure(self, closed_port):
        assert "refused" in deliver(Webhook(f"http://127.0.0.1:{closed_port}/"), ALERTS[0])

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"url": "file:///etc/passwd"}, "no address of HTTP"),
            (
                {"url": "https://user:pass-word-9@example.org/x"},
                r"monitor\.alerting\.webhook\.url: a secret is not typed",
            ),
            (
                {"url": "https://e.org", "headers": {"Authorization": "Bearer abcdefgh1"}},
                r"headers\.Authorization: a secret",
            ),
            ({}, r"monitor\.alerting\.webhook\.url: a value is required"),
            ({"url": "${secret:NOT_SET_HOOK}"}, "the secret NOT_SET_HOOK is not set"),
            ({"url": "https://e.org", "timeout": "soon"}, r"monitor\.alerting\.webhook\.timeout"),
        ],
    )
    def test_wrong_settings_are_refused_before_anything_is_looked_at(self, more, said):
        with pytest.raises(ConfigError, match=said):
            self.make(more)


# --- E-mail, to a server of aiosmtpd.


class _Inbox:
    def __init__(self):
        self.messages, self.reply = [], "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((session, envelope))
        return self.reply


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return the files of a certificate of localhost, and of its key."""
    pytest.importorskip("cryptography")
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    folder = tmp_path_factory.mktemp("tls")
    (folder / "own.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "own.key").write_bytes(key.private_bytes(*form))
    return folder / "own.pem", folder / "own.key"


@pytest.fixture
def smtp(request):
    controller = pytest.importorskip("aiosmtpd.controller").Controller
    inbox = _Inbox()
    server = controller(inbox, hostname="localhost", port=0, **getattr(request, "param", {}))
    server.port = _free_port()
    server.start()
    yield server, inbox
    server.stop()


def _free_port():
    with socket.socket() as bound:
        bound.bind(("localhost", 0))
        return bound.getsockname()[1]


def addressed(server, **more):
    return {"host": "localhost", "port": server.port, "sender": "runtree@example.org", "to": "ml@example.org", **more}


class TestEmail(AlertSuite):
    channel = "email"
    unreachable = {"host": "127.0.0.1", "port": 9, "sender": "a@example.org", "to": "b@example.org", "timeout": 1}

    @pytest.fixture
    def settings(self, smtp):
        return addressed(smtp[0], security="none")

    def test_writes_a_message_to_every_address(self, smtp):
        from email import message_from_bytes, policy

        server, inbox = smtp
        made = self.make(addressed(server, security="none", to=["ml@example.org", "on-call@example.org"]))
        assert deliver(made.channels["email"], ALERTS[0]) == ""
        [(_, envelope)] = inbox.messages
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert envelope.rcpt_tos == ["ml@example.org", "on-call@example.org"]
        assert message["Subject"] == "churn version 3: alarm in window 2026-11-01"
        assert "- drift: 'größe' (ks 0.4)" in message.get_content() and message["X-Runtree-Alert"] == ALERTS[0].id
        inbox.reply = "451 try later"
        assert "try later" in deliver(made.channels["email"], ALERTS[1])

    def test_encrypts_and_logs_in_where_the_server_asks_for_it(self, certificate, monkeypatch):
        import ssl

        controller = pytest.importorskip("aiosmtpd.controller").Controller
        from aiosmtpd.smtp import AuthResult

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        known, inbox = [], _Inbox()

        def log_in(server, session, envelope, mechanism, data):
            known.append((data.login, data.password))
            return AuthResult(success=data.password == b"s3cret-of-the-mail", handled=False)

        more = {"tls_context": context, "require_starttls": True, "authenticator": log_in, "auth_required": True}
        server = controller(inbox, hostname="localhost", port=_free_port(), **more)
        server.start()
        try:
            monkeypatch.setenv("MAIL_PASSWORD", "s3cret-of-the-mail")
            settings = addressed(server, user="ml", password="${secret:MAIL_PASSWORD}")
            # a certificate that nobody vouches for is no encryption
            assert "CERTIFICATE_VERIFY_FAILED" in deliver(self.make(settings).channels["email"], ALERTS[0])
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
            assert deliver(self.make(settings).channels["email"], ALERTS[0]) == ""
            assert known == [(b"ml", b"s3cret-of-the-mail")] and len(inbox.messages) == 1
            monkeypatch.setenv("MAIL_PASSWORD", "an0ther-password")
            refused = deliver(self.make(settings).channels["email"], ALERTS[0])
            assert "535" in refused and len(inbox.messages) == 1
        finally:
            server.stop()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"user": "ml", "password": "typed-pass-1"}, r"monitor\.alerting\.email\.password: a secret is not typed"),
            ({"user": "ml"}, "user and password belong together"),
            ({"security": "ssl"}, r"monitor\.alerting\.email\.security.*\n.*starttls"),
        ],
    )
    def test_wrong_settings_are_refused(self, more, said):
        with pytest.raises(ConfigError, match=said):
            self.make({"host": "mail.example.org", "sender": "a@example.org", "to": "b@example.org", **more})

    def test_a_password_is_not_sent_in_the_clear_to_another_machine(self, monkeypatch):
        monkeypatch.setenv("MAIL_PASSWORD", "s3cret-of-the-mail")
        open_ = {"user": "ml", "password": "${secret:MAIL_PASSWORD}", "security": "none"}
        with pytest.raises(ConfigError, match=r"unencrypted to mail\.example\.org"):
            self.make({"host": "mail.example.org", "sender": "a@example.org", "to": "b@example.org", **open_})
