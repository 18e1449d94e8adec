"""`runtree load-test`: how a running service bears a load, with requests that it describes itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from runtree.contract.commands import command
from runtree.contract.errors import DataError, MissingError, RequestError, first_line
from runtree.packaging.load_client import LoadPlan, send_load
from runtree.records.folder_claims import folder_time, make_unique_folder
from runtree.records.layout import LoadFolder, not_writable_error, timestamp
from runtree.records.plot_writer import write_plot
from runtree.records.writer import write_json
from runtree.serving.access import is_loopback

SCHEMA = 1
ROUTE = "/predict"
MAX_ROWS = 1_000  # of a file, sent in turn
CHECK_SECONDS = 30.0  # for the first answer


@dataclass(frozen=True)
class LoadRequest:
    """What is sent, and where to.

    Attributes
    ----------
    rows
        A file whose rows are sent in turn; None: the example of the service.
    key
        The API key.
    anywhere
        Whether the service may be on another machine.
    output
        The folder in which the result gets one of its own.
    """

    url: str
    seconds: float
    connections: int = 32
    rate: float | None = None
    requests: int | None = None
    rows: str | None = None
    key: str | None = None
    anywhere: bool = False
    output: Path = Path("load_tests")


@dataclass(frozen=True)
class LoadResult:
    """The content of `load_test.json`, and its folder."""

    content: dict[str, Any]
    folder: LoadFolder


def run_load_test(request: LoadRequest) -> LoadResult:
    """Send requests to a service, and write what they took.

    Raises
    ------
    RuntreeError
        The extra is not installed, the service is on another machine, cannot be reached, or refuses the request.
    """
    if find_spec("httptools") is None:
        raise MissingError(
            "load-test: the package 'httptools' is not installed", "install it: pip install 'runtree[serve]'"
        )
    from runtree.packaging.load_report import draw_load, summarise

    address = _parse_address(request)
    route = address.path.rstrip("/") or ROUTE
    bodies = _make_bodies(request, address, route)
    _check_answer(address, route, bodies[0], request.key)
    plan = _make_plan(request, address, [_write_message(address, route, body, request.key) for body in bodies])
    log = send_load(plan)
    content = {
        "schema": SCHEMA,
        "url": f"{address.scheme}://{address.netloc}{route}",
        "tested": timestamp(),
        "bodies": {"source": request.rows or "example", "count": len(bodies)},
        **summarise(plan, log),
    }
    try:
        folder = LoadFolder(make_unique_folder(request.output, folder_time()))
        write_json(folder.result, content)
        write_plot(folder.path, folder.plot.name, lambda: draw_load(log), once=True)
    except OSError as error:
        raise not_writable_error(request.output, error) from None
    return LoadResult(content, folder)


def _parse_address(request: LoadRequest) -> SplitResult:
    address = urlsplit(request.url)
    try:
        valid = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or address.username is not None:
        raise RequestError(f"'{request.url}' is not the address of a service", "type: http://127.0.0.1:8000")
    if not (is_loopback(str(address.hostname)) or request.anywhere):
        raise RequestError(
            f"{address.hostname} is another machine, and to those who run it a load test is an attack",
            "if it is yours, add: --anywhere",
        )
    return address


def _make_plan(request: LoadRequest, address: SplitResult, messages: list[bytes]) -> LoadPlan:
    import ssl

    tls = ssl.create_default_context() if address.scheme == "https" else None
    port = address.port or (443 if tls else 80)
    return LoadPlan(
        str(address.hostname), port, messages, request.seconds, request.connections, request.rate, request.requests, tls
    )


def _write_message(address: SplitResult, route: str, body: bytes, key: str | None) -> bytes:
    lines = [f"POST {route} HTTP/1.1", f"host: {address.netloc}", "content-type: application/json"]
    lines += [f"authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def _ask(address: SplitResult, route: str, body: bytes | None, key: str | None) -> tuple[int, bytes]:
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(str(address.hostname), address.port, timeout=CHECK_SECONDS)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        connection.request("GET" if body is None else "POST", route, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException) as error:
        raise RequestError(
            f"{address.scheme}://{address.netloc} cannot be reached ({first_line(error) or type(error).__name__})",
            f"start a service: {command('serve', 'latest')}",
        ) from None
    finally:
        connection.close()


def _check_answer(address: SplitResult, route: str, body: bytes, key: str | None) -> None:
    """Refuse a load of requests that are refused: that would measure how quickly errors are written."""
    status, content = _ask(address, route, body, key)
    if 200 <= status < 300:
        return
    try:
        said = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        said = content[:100].decode(errors="replace")
    hints = ["name the API key by its environment variable or file: --key NAME"] if status in (401, 403) else []
    raise RequestError(f"{address.netloc}{route} answers {status}: {first_line(said)}", *hints)


# --- What is sent


def _make_bodies(request: LoadRequest, address: SplitResult, route: str) -> list[bytes]:
    """Return the bodies of requests: the example of the service's own description, or the rows of a file."""
    status, content = _ask(address, "/openapi.json", None, request.key)
    try:
        described = json.loads(content) if status == 200 else {}
        sent = described["paths"][route]["post"]["requestBody"]["content"]["application/json"]
        example = sent["example"]
    except (ValueError, KeyError, TypeError):
        hint = "name the API key: --key NAME" if status in (401, 403) else "name rows to send: --rows FILE"
        if request.rows is None or status in (401, 403):
            raise RequestError(f"{address.netloc}: its /openapi.json has no example for {route}", hint) from None
        described = {}
        return [json.dumps({"rows": [row]}).encode() for row in _read_rows(request.rows, None)]
    if request.rows is None:
        return [json.dumps(example).encode()]
    properties = described.get("components", {}).get("schemas", {}).get("Row", {}).get("properties")
    return [json.dumps({"rows": [row]}).encode() for row in _read_rows(request.rows, properties)]


def _read_rows(file: str, properties: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return rows as the service takes them: its own fields, texts as texts, missing values as null."""
    from runtree.tables.csv_files import AUTO, CsvFormat, Reading, find_format
    from runtree.tables.file_formats import FileOptions, choose_kind, file_batches
    from runtree.tables.places import local_files

    texts = {name for name, node in (properties or {}).items() if "string" in str(node.get("type"))}
    options = FileOptions(csv=CsvFormat(separator=AUTO, encoding=AUTO))
    with local_files(file, options.suffixes, "--rows") as files:
        first = files.files[0]
        name = files.label(first)
        if choose_kind(first.name, options, name) == "csv":
            options = replace(options, csv=find_format(first, options.csv))
        frame = next(file_batches(first, name, options, Reading(), texts, MAX_ROWS), None)
    if frame is None or frame.empty:
        raise DataError(f"--rows {file}: the file has no rows")
    known = [name for name in frame.columns if properties is None or name in properties]
    if not known:
        raise DataError(
            f"--rows {file}: it has no column of the service",
            f"the service takes: {', '.join(list(properties or {})[:8])}",
        )
    rows: list[dict[str, Any]] = json.loads(frame[known].to_json(orient="records", date_format="iso"))
    return rows
