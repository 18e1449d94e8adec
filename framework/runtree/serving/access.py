"""Who may ask a service, and how much: the outermost layer of its ASGI application.

In this order: the host (against pages that let a name of theirs point here), the origin, the key and its role, the
rate, the size of the body. What is refused is answered in JSON: 400, 401, 403, 413, 421 or 429.
"""

import base64
import fcntl
import ipaddress
import math
import mmap
import os
import socket
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, RequestError, first_line
from runtree.serving.keys import ApiKey, KeyStore

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Number = float | int

HEALTH = ("/v2/health/live", "/v2/health/ready")  # asked by what keeps the service running, without a key
READ_PATHS = ("/metrics", "/monitor")
ADMIN_PATHS = ("/refresh",)
REVIEW_PATHS = ("/review",)  # they show what others have asked
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
MAX_DISCARDED_BYTES = 100_000_000  # of a body that is too large; a client reads no answer before it has sent all
CLIENTS = 2**18  # whose rates are remembered
KEY_HEADER = b"x-api-key"
REFUSALS = {
    400: "The request has no Host header, or several, or a Content-Length that is no number",
    401: "A key is needed, and there is none, or an unknown one",
    403: "The role of the key may not do this, or a page of another site asks",
    413: "The body is too large",
    421: "The service is not called by this name",
    429: "Too many requests of this client",
}


@dataclass(frozen=True)
class AccessOptions:
    """The keys below `serve.access`."""

    hosts: Sequence[str] = ()  # names by which clients call it, besides localhost, this machine's name and IP addresses
    open: bool = False  # whether others may reach it without any key
    max_megabytes: Number = 10  # of a body
    rate: Number | None = None  # requests a second of one key, or of one address without keys; of all processes
    burst: Number | None = None  # at once; null: twice the rate


def check_access_options(options: AccessOptions, path: str = "serve.access") -> None:
    """Refuse values that are not possible."""
    for name in ("max_megabytes", "rate", "burst"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise ConfigError(f"{path}.{name}: {value} must be above 0")


def is_loopback(host: str) -> bool:
    """Return whether an address to listen at is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, keys: KeyStore, options: AccessOptions) -> None:
    """Refuse to be reachable by others without keys.

    Raises
    ------
    RequestError
        The address is not of the loopback, and there is no key.
    """
    if not (is_loopback(host) or options.open or keys.all()):
        raise RequestError(
            f"--host {host}: others could reach the service, and it has no API key",
            f"make one: {command('serve', 'keys', 'add', '--role', 'predict')}",
            "or let anyone ask: serve.access.open=true",
        )


def tls_options(certificate: Path | None, key: Path | None) -> tuple[tuple[str, str], ...]:
    """Return what uvicorn needs for TLS; nothing without a certificate.

    Raises
    ------
    RequestError
        The files are not a certificate and its key.
    """
    if certificate is None:
        if key is not None:
            raise RequestError("--key: needs a certificate, too", "type: --certificate FILE --key FILE")
        return ()
    import ssl

    def no_password() -> str:  # OpenSSL would ask at the terminal
        raise ValueError("the key is encrypted")

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, no_password)
    except (OSError, ValueError) as error:
        names = f"--certificate {certificate}" + (f" --key {key}" if key else "")
        raise RequestError(
            f"{names}: {first_line(error)}", "needed are PEM files, the key without a password"
        ) from None
    files = [("ssl_certfile", str(certificate)), ("ssl_keyfile", str(key or certificate))]
    return tuple(files)


class Refusal(Exception):
    """A request that is not let through."""

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class AccessControl:
    """The application behind its doors.

    Parameters
    ----------
    on_refusal
        Called with the status of each refused request.
    rates
        The file in which the processes of a service count the requests of clients together; None for one process.
    """

    def __init__(
        self,
        app: ASGIApp,
        options: AccessOptions,
        keys: KeyStore,
        host: str = "127.0.0.1",
        on_refusal: Callable[[int], None] = lambda status: None,
        rates: Path | None = None,
    ) -> None:
        self.app, self.options, self.keys, self.on_refusal = app, options, keys, on_refusal
        self._hosts = {name.lower().encode() for name in (*LOCAL_NAMES, *_own_names(host), *options.hosts)}
        self._limit = round(1_000_000 * options.max_megabytes)
        rate = options.rate
        self._rates = RateLimit(rate, options.burst or max(1.0, 2 * rate), rates) if rate else None

    @property
    def service(self) -> Any:
        """The service behind it."""
        return getattr(self.app, "service", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        try:
            receive = await self._admit(scope, receive)
        except Refusal as refusal:
            self.on_refusal(refusal.status)
            await _answer(send, refusal)
            return
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        headers = _Headers(scope["headers"])
        self._check_host(headers)
        who = self._check_key(scope, headers) if scope["path"] not in HEALTH else None
        if self._rates is not None and scope["path"] not in HEALTH:
            client = who.id if who else str((scope.get("client") or ("?",))[0])
            if (seconds := self._rates.wait(client)) > 0:
                raise Refusal(429, "too many requests", (b"retry-after", str(math.ceil(seconds)).encode()))
        return await self._limit_body(headers, receive)

    def _check_host(self, headers: "_Headers") -> None:
        if headers.hosts != 1:
            raise Refusal(400, "the request must have one Host header")
        name = _without_port(headers.host)
        if name not in self._hosts and b"*" not in self._hosts and not _is_address(name):
            raise Refusal(421, f"this service is not {name.decode('latin-1')[:100]}; see serve.access.hosts")
        # a page of another site may send simple requests here, with the credentials that the browser holds
        if headers.origin is not None and headers.origin.partition(b"://")[2] != headers.host:
            raise Refusal(403, "requests of pages of other sites are refused")

    def _check_key(self, scope: Scope, headers: "_Headers") -> ApiKey | None:
        if self.options.open or not self.keys.is_used():
            path = scope["path"]
            asked = {"GET": REVIEW_PATHS, "POST": (*REVIEW_PATHS, *ADMIN_PATHS)}
            if path in asked.get(scope["method"], ()):
                role = "review" if path in REVIEW_PATHS else "admin"
                add = command("serve", "keys", "add", "--role", role)
                raise Refusal(403, f"this needs a key with the role {role}, and the service has no keys; type: {add}")
            return None
        text = headers.key
        key = self.keys.find(text) if text else None
        if key is None:
            # a browser asks for it, as the password of any user
            realm = b'Basic realm="runtree"' if b"text/html" in headers.accept else b'Bearer realm="runtree"'
            message = "the API key is not known" if text else "an API key is needed: Authorization: Bearer rt_…"
            raise Refusal(401, message, (b"www-authenticate", realm))
        needed = _needed_roles(scope["method"], scope["path"])
        if key.role not in needed:
            raise Refusal(403, f"the role {key.role} may not do this; possible: {', '.join(needed)}")
        scope["runtree.key"] = key
        return key

    async def _limit_body(self, headers: "_Headers", receive: Receive) -> Receive:
        if headers.length is not None:
            if not headers.length.isdigit():
                raise Refusal(400, "the Content-Length is no number")
            if int(headers.length) > self._limit:
                if not headers.expects and int(headers.length) <= MAX_DISCARDED_BYTES:
                    while (message := await receive()).get("more_body"):
                        pass
                raise self._too_large()
            return receive
        if not headers.chunked:
            return receive
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self._limit:
                parts.clear()
                if size > MAX_DISCARDED_BYTES or not more:
                    raise self._too_large()
        if size > self._limit:
            raise self._too_large()
        messages = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        return replay

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self._limit:,} bytes", (b"connection", b"close"))


class _Headers:
    """The headers that decide, read in one pass."""

    __slots__ = ("_authorization", "_key", "accept", "chunked", "expects", "host", "hosts", "length", "origin")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.host, self.hosts, self.origin, self.length = b"", 0, None, None
        self.accept, self._authorization, self._key = b"", b"", b""
        self.chunked = self.expects = False
        for name, value in headers:
            if name == b"host":
                self.host, self.hosts = value.lower(), self.hosts + 1
            elif name == b"origin":
                self.origin = value.lower()
            elif name == b"content-length":
                self.length = value
            elif name == b"transfer-encoding":
                self.chunked = True
            elif name == b"expect":
                self.expects = True
            elif name == b"accept":
                self.accept = value
            elif name == b"authorization":
                self._authorization = value
            elif name == KEY_HEADER:
                self._key = value

    @property
    def key(self) -> str:
        """The key that was sent: as X-API-Key, a bearer token, or the password of a browser."""
        if self._key:
            return self._key.decode("latin-1").strip()
        scheme, _, value = self._authorization.decode("latin-1").strip().partition(" ")
        if scheme.lower() == "bearer":
            return value.strip()
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(value, validate=True).decode("latin-1").partition(":")[2]
            except ValueError:
                return ""
        return ""


def _needed_roles(method: str, path: str) -> tuple[str, ...]:
    if path in ADMIN_PATHS:
        return ("admin",)
    if path in REVIEW_PATHS:
        return ("review", "admin")
    if path in READ_PATHS:
        return ("read", "admin")
    # to describe a model is allowed to roles that may use it, or look at it
    is_use = method not in ("GET", "HEAD") or path == "/"
    return ("predict", "admin") if is_use else ("predict", "read", "review", "admin")


class RateLimit:
    """A bucket of tokens for each client, in memory that all processes of a service have in common.

    A client has its place by a hash; one that finds another there begins anew.
    """

    _BUCKET = struct.Struct("=Qdd")  # client, tokens, at this time of the monotonic clock, which processes share

    def __init__(self, rate: float, burst: float, file: Path | None = None) -> None:
        self._rate, self._burst, size = float(rate), float(burst), CLIENTS * self._BUCKET.size
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o600) if file else _nameless_file()
        os.ftruncate(self._file, size)  # sparse: it takes the room of the clients that came
        self._memory = mmap.mmap(self._file, size)

    def wait(self, client: str) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        own = int.from_bytes(blake2b(client.encode(), digest_size=8).digest())
        place = own % CLIENTS * self._BUCKET.size
        fcntl.lockf(self._file, fcntl.LOCK_EX, self._BUCKET.size, place)  # of a killed process the kernel lets go
        try:
            now = time.monotonic()
            found, tokens, at = self._BUCKET.unpack_from(self._memory, place)
            tokens = min(self._burst, tokens + (now - at) * self._rate) if found == own else self._burst
            allowed = tokens >= 1
            self._BUCKET.pack_into(self._memory, place, own, tokens - allowed, now)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, self._BUCKET.size, place)
        return 0.0 if allowed else (1 - tokens) / self._rate


def _nameless_file() -> int:
    handle, name = tempfile.mkstemp()
    Path(name).unlink()
    return handle


def _own_names(host: str) -> list[str]:
    return [host] if is_loopback(host) else [host, socket.gethostname(), socket.getfqdn()]


def _without_port(host: bytes) -> bytes:
    if host.startswith(b"["):
        return host[1:].partition(b"]")[0]
    return host.rpartition(b":")[0] if b":" in host else host


def _is_address(name: bytes) -> bool:
    """Return whether a host is an IP address: no site can let one of its names mean it."""
    try:
        ipaddress.ip_address(name.decode("ascii"))
    except ValueError:
        return False
    return True


async def _answer(send: Send, refusal: Refusal) -> None:
    from msgspec.json import encode

    content = encode({"error": refusal.message})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, *refusal.headers]})
    await send({"type": "http.response.body", "body": content})
