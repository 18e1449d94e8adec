"""The service over HTTP: the routes, and their assembly to an ASGI application.

FastAPI documents and routes. `/predict` is answered before it: its body is decoded and checked here alone, once.
"""

import asyncio
import logging
import os
import re
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from runtree.contract.errors import RuntreeError, describe_error
from runtree.serving.batcher import RETRY_SECONDS, OverloadedError
from runtree.serving.form import form_page
from runtree.serving.inference_protocol import protocol_routes
from runtree.serving.openapi import openapi_document
from runtree.serving.service import ServedAnswer, Service

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

ID_HEADER = b"x-request-id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
JSON_TYPE = b"application/json"
FAILED = "the service failed on this request; its log says why"
EXPLAINED_AT_ONCE = 4  # explanations that wait or are made; each takes 20,000 predictions

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class BadRequest(Exception):
    """A request that is refused, with its status and what is said about it."""

    def __init__(self, status: int, message: str, *hints: str) -> None:
        super().__init__(message)
        self.status, self.message, self.hints = status, message, hints

    @property
    def body(self) -> dict[str, Any]:
        """What is answered."""
        return {"error": self.message, **({"hints": list(self.hints)} if self.hints else {})}


def read_body(content: bytes) -> Any:
    """Return the JSON of a body.

    Raises
    ------
    BadRequest
        It is none, or is nested too deeply.
    """
    try:
        return _decode(content)
    except RecursionError:
        raise BadRequest(400, "the body is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadRequest(400, f"the body is no JSON: {error}") from None


def read_rows(document: Any, limit: int) -> list[Any]:
    """Return the rows of ``{"rows": [{…}, …]}``.

    Raises
    ------
    BadRequest
        The document is of another form, or has no rows, or too many.
    """
    if type(document) is not dict or type(document.get("rows")) is not list or len(document) > 1:
        raise BadRequest(422, "the body must be an object with a list of rows", 'such as {"rows": [{…}, {…}]}')
    rows: list[Any] = document["rows"]
    if not 0 < len(rows) <= limit:
        raise BadRequest(422, f"{len(rows):,} rows: 1 to {limit:,} are possible in one request")
    return rows


def predictions_of(answer: ServedAnswer) -> dict[str, Any]:
    """Return an answer as `/predict` writes it."""
    model = answer.model
    document: dict[str, Any] = {"request_id": answer.request_id, "model": model.name, "version": model.version}
    if model.classes:
        document["classes"] = list(model.classes)
        document["threshold"] = model.threshold
    if answer.failed:
        document["error"] = f"{answer.failed} of {len(answer.outputs)} rows cannot be predicted"
    return {**document, "predictions": answer.outputs}


class Api:
    """The routes, each from a body to a status and a document."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.paths: dict[str, Any] = {}  # of further routes, as the document describes them
        self._prefix, self._numbers = os.urandom(6).hex(), count(1)
        self._explaining = 0

    def request_id(self, given: bytes | None) -> str:
        """Return the id of a request: the client's, if it has a proper one."""
        text = given.decode("latin-1") if given else ""
        return text if REQUEST_ID.fullmatch(text) else f"{self._prefix}-{next(self._numbers):x}"

    async def predict(self, body: bytes, request_id: str) -> tuple[int, Any]:
        """Answer `/predict`: 200 if all rows are predicted, else 422 with the predictions of those that are."""
        rows = read_rows(read_body(body), self.service.settings.batch.queue_rows)
        answer = await self.service.answer(rows, request_id)
        return 422 if answer.failed else 200, predictions_of(answer)

    async def explain(self, body: bytes, request_id: str) -> tuple[int, Any]:
        """Answer `/explain`: what each field of one row adds to its prediction."""
        document = read_body(body)
        if type(document) is not dict or not {"row"} <= document.keys() <= {"row", "class"}:
            raise BadRequest(422, "the body must be an object with a row", 'such as {"row": {…}, "class": "yes"}')
        label = document.get("class")
        if label is not None and type(label) is not str:
            raise BadRequest(422, "class: a text is expected, as it stands in the probabilities")
        model = self.service.traffic.choose(request_id).model  # the one that predicts a request of this id
        record = model.protect(model.schema.unfold(document["row"]))
        row = model.schema.check(record)
        if self._explaining >= EXPLAINED_AT_ONCE:
            raise OverloadedError(f"{self._explaining} explanations are being made")
        self._explaining += 1
        try:
            output, explained = await asyncio.to_thread(model.explain, row, label)
        finally:
            self._explaining -= 1
        found: dict[str, Any] = {"request_id": request_id, "model": model.name, "version": model.version}
        found |= {"output": output, "prediction": explained.prediction, "base": explained.base}
        ranked = explained.largest(len(explained.contributions))
        found["contributions"] = [
            {"field": one.column, "value": record.get(one.column), "amount": one.amount, "error": one.error}
            for one in ranked
        ]
        return 200, found | ({"warnings": list(row.warnings)} if row.warnings else {})

    async def respond(
        self, work: Callable[[bytes, str], Awaitable[tuple[int, Any]]], body: bytes, request_id: str
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Return status, body and headers of what a route answers, whatever it raises."""
        headers = [(b"content-type", JSON_TYPE), (ID_HEADER, request_id.encode())]
        try:
            status, document = await work(body, request_id)
        except BadRequest as error:
            status, document = error.status, error.body
        except OverloadedError as error:
            status, document = 503, {"error": str(error)}
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        except RuntreeError as error:
            status, document = 422, {"error": error.message, "hints": list(error.hints)}
        except Exception as error:  # a bug, or of the code of a model: the details are for the log alone
            log.error("request %s failed: %s", request_id, describe_error(error), exc_info=error)
            status, document = 500, {"error": FAILED}
        content = _encode(document)
        headers.append((b"content-length", str(len(content)).encode()))
        return status, content, headers


class HotRoutes:
    """The ASGI application: `/predict` and `/explain` at once, everything else by FastAPI; all of it counted."""

    def __init__(self, api: Api, app: ASGIApp) -> None:
        self.api, self.app, self.service = api, app, api.service
        self.routes = {"/predict": api.predict, "/explain": api.explain}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = self.routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if work is None:
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        kind = given = None
        for name, value in scope["headers"]:
            if name == b"content-type":
                kind = value
            elif name == ID_HEADER:
                given = value
        request_id = self.api.request_id(given)
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
        if kind is not None and not kind.lower().startswith(JSON_TYPE):
            work = _refuse_type
        status, content, headers = await self.api.respond(work, body, request_id)
        if self.service.is_draining:  # else the client would send the next request where nobody listens any more
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        self.api.service.telemetry.request(scope["path"], status, time.perf_counter() - began)


async def _refuse_type(body: bytes, request_id: str) -> tuple[int, Any]:
    raise BadRequest(415, "the body must be JSON", "send the header: content-type: application/json")


def _drain_on_signal(service: Service) -> None:
    """Let the service not be ready from the signal on, and uvicorn close the port after the grace.

    Whoever passes requests on needs a moment to notice. A second signal, or a fault, waits for nobody.
    """
    before, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        return

    def drain(number: int, frame: Any) -> None:
        grace = 0.0 if service.is_draining or service.fault else float(service.settings.grace)
        service.drain()
        loop.call_soon_threadsafe(loop.call_later, grace, before, number, None)

    signal.signal(signal.SIGTERM, drain)


def make_app(service: Service, extend: Callable[[FastAPI, Api], None] = lambda app, api: None) -> ASGIApp:
    """Return the ASGI application of a service; it starts and stops the service.

    `extend` adds further routes, and their description to `Api.paths`.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        _drain_on_signal(service)
        try:
            yield
        finally:
            await service.stop()

    # no pages of documentation: they would load scripts from elsewhere
    app = FastAPI(title="runtree", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    api = Api(service)
    app.state.service, app.state.api = service, api

    @app.get("/", response_class=HTMLResponse)
    async def form() -> Response:
        content, policy = form_page(service.model)
        return HTMLResponse(content, headers={"content-security-policy": policy})

    @app.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        needs_key = "runtree.key" in request.scope
        document = openapi_document(service.model, service.settings, api.paths, needs_key)
        return Response(_encode(document), media_type="application/json")

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.telemetry.expose(), media_type="text/plain; version=0.0.4; charset=utf-8")

    # answered by HotRoutes; here for the answer 405 to other methods
    @app.post("/predict")
    @app.post("/explain")
    async def hot(request: Request) -> Response:
        work = api.predict if request.url.path == "/predict" else api.explain
        status, content, headers = await api.respond(work, await request.body(), api.request_id(None))
        return Response(content, status, {name.decode(): value.decode() for name, value in headers})

    @app.exception_handler(HTTPException)
    async def say(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)  # the details are in the log, by uvicorn
    async def say_failed(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": FAILED}, 500)

    app.include_router(protocol_routes(api))
    extend(app, api)
    return HotRoutes(api, app)
