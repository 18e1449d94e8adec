"""Channels of alerts: the console, a webhook, and e-mail by SMTP. Each raises an exception if nothing was taken."""

import json
import smtplib
import ssl
import sys
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from runtree.contract.alerting import Alert
from runtree.contract.errors import ConfigError, RunFailedError, first_line

MAX_REPLY = 200  # bytes of an error of a server that are shown
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Console:
    """Writes each alert to stderr."""

    def send(self, alert: Alert) -> None:
        """Write a line, and one for each alarm."""
        sys.stderr.write(
            "\n".join(["alert    " + alert.subject, *("         " + line for line in alert.alarms)]) + "\n"
        )


class _NoRedirect(HTTPRedirectHandler):
    """Refuses redirects: urllib would follow one with a GET, and the alert would be lost without an error."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


class Webhook:
    """Posts each alert as JSON.

    Parameters
    ----------
    url
        HTTP or HTTPS.
    headers
        Further headers, such as ``{Authorization: 'Bearer ${secret:TOKEN}'}``.
    text
        The key of the text for people: Slack, Mattermost and Google Chat read "text", Discord "content".
    timeout
        Seconds to connect, and to wait for each part of the reply.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, text: str = "text", timeout: float | int = 10
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigError("monitor.alerting.webhook.url: no address of HTTP", "type: …url=https://HOST/PATH")
        self.url, self.headers, self.text, self.timeout = url, dict(headers or {}), text, timeout

    def send(self, alert: Alert) -> None:
        """Post an alert; every status but 2xx is a failure."""
        body = json.dumps({**alert.to_dict(), self.text: alert.text}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "runtree", **self.headers}
        request = Request(self.url, body, headers, method="POST")
        try:
            build_opener(_NoRedirect).open(request, timeout=self.timeout).close()
        except HTTPError as error:
            with error:
                reply = error.read(MAX_REPLY).decode(errors="replace").strip()
            raise RunFailedError(
                f"HTTP {error.code} {error.reason}{f': {first_line(reply)}' if reply else ''}"
            ) from None


class Email:
    """Sends each alert as a message by SMTP.

    Parameters
    ----------
    host, port
        The mail server; 0 is the usual port: 587 with STARTTLS, 465 with TLS, else 25.
    sender, to
        Addresses; `to` may be a list.
    user, password
        For servers that ask for them.
    security
        "starttls": the connection is encrypted before anything is sent; "tls": from the beginning; "none".
    timeout
        Seconds for each step.
    """

    def __init__(
        self,
        host: str,
        sender: str,
        to: str | list[str],
        port: int = 0,
        user: str | None = None,
        password: str | None = None,
        security: Literal["starttls", "tls", "none"] = "starttls",
        timeout: float | int = 20,
    ) -> None:
        if (user is None) != (password is None):
            raise ConfigError("monitor.alerting.email: user and password belong together")
        if password is not None and security == "none" and host not in LOOPBACK:
            raise ConfigError(f"monitor.alerting.email.security: none would send the password unencrypted to {host}")
        self.host, self.sender, self.security, self.timeout = host, sender, security, timeout
        self.port = port or {"starttls": 587, "tls": 465, "none": 25}[security]
        self.to = [to] if isinstance(to, str) else list(to)
        self.login = None if user is None or password is None else (user, password)

    def send(self, alert: Alert) -> None:
        """Send a message; it is a failure if the server refuses any of the addresses."""
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = alert.subject, self.sender, ", ".join(self.to)
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="runtree.invalid")
        message["X-Runtree-Alert"] = alert.id
        message.set_content(alert.text + "\n")
        with self._connect() as server:
            if self.login:
                server.login(*self.login)
            refused = server.send_message(message)
        if refused:
            raise RunFailedError(f"the server refuses {', '.join(refused)}")

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        if self.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server
