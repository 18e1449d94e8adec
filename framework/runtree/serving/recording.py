"""What a service leaves behind: its prediction log, late truths, and its acts in the audit log of the registry."""

import asyncio
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import Counter

from runtree.contract.errors import RuntreeError, first_line
from runtree.records.layout import timestamp
from runtree.records.model_log import audit
from runtree.records.prediction_segments import LogCounts
from runtree.serving.keys import ApiKey
from runtree.serving.openapi import TEXT, get, object_schema, takes
from runtree.serving.prediction_log import LoggedPrediction, PredictionLog
from runtree.serving.routes import Api, BadRequest, read_body
from runtree.serving.served_model import Output
from runtree.serving.service import ServedAnswer, Service
from runtree.serving.traffic import Target

log = logging.getLogger(__name__)

MAX_LABELS = 10_000  # in one request
MAX_LABEL_CHARACTERS = 1000
MAX_ID_CHARACTERS = 200
MAX_ROW = 2**31 - 1
FIELD = re.compile(r"field '([^']*)'")  # as errors and warnings of rows begin
LOGGED: tuple[str, ...] = ("prediction", "probabilities")
SCALARS = (str, int, float, bool)


@dataclass
class Recorder:
    """Listens to a service.

    Attributes
    ----------
    log
        None if nothing is logged.
    registry
        The folder with the audit log; None where there is none.
    """

    service: Service
    log: PredictionLog | None
    registry: Path | None
    by: str
    _known: set[tuple[str, str]] = field(default_factory=set, init=False)

    def attach(self) -> None:
        """Begin to listen."""
        self.service.swap_listeners.append(self.on_swap)
        if self.log is not None:
            self.service.listeners.append(self.on_answer)
            self.service.closers.append(self.log.close)

    def on_answer(self, answer: ServedAnswer) -> None:
        """Log the rows of a request."""
        model, now = answer.model, timestamp()
        assert self.log is not None
        if (model.name, model.version) not in self._known:
            self.log.protect(model.sensitive)
            self._known.add((model.name, model.version))
        columns = model.predictor.columns
        about: dict[str, Any] = {"time": now, "model": model.name, "version": model.version, "seconds": answer.seconds}
        for row, (record, output) in enumerate(zip(answer.records, answer.outputs, strict=True)):
            inputs = {name: record[name] for name in columns if name in record} if type(record) is dict else {}
            # what a client made up has no column of its own
            inputs = {name: value if type(value) in SCALARS else None for name, value in inputs.items()}
            outputs = _logged_output(output, columns)
            self.log.append(
                LoggedPrediction(
                    request_id=answer.request_id, inputs=inputs, outputs=outputs, route=answer.route, row=row, **about
                )
            )

    def on_swap(self, target: Target, succeeded: bool) -> None:
        """Audit that a model was exchanged, or could not be."""
        facts = {"reference": target.reference, "version": target.model.version, "pid": os.getpid()}
        act = "model_swapped" if succeeded else "swap_failed"
        # a lock and a disk are no matter of the event loop
        threading.Thread(target=self.note, args=(act,), kwargs=facts, daemon=True).start()

    def note(self, act: str, **facts: Any) -> None:
        """Audit an act; a service goes on where the log cannot be written, and says so."""
        if self.registry is None:
            return
        try:
            audit(self.registry, act, self.by, **facts)
        except (OSError, RuntreeError) as error:
            log.warning("the audit log lacks '%s': %s", act, first_line(error))

    async def refresh(self, by: str) -> dict[str, Any]:
        """Look at the aliases now; the act is audited before."""
        if self.registry is not None:
            await asyncio.to_thread(audit, self.registry, "refresh", by)
        changed = [target.reference for target in self.service.traffic.targets if await self._refreshed(target)]
        return {"changed": changed}

    async def _refreshed(self, target: Target) -> bool:
        target.refused.clear()
        return await self.service.traffic.refresh(target)


def _logged_output(output: Output, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is logged of an answer: of errors and warnings the columns alone, since their texts quote values."""
    logged: dict[str, Any] = {key: output[key] for key in LOGGED if key in output}
    for key, texts in (("error", [output.get("error")]), ("warnings", output.get("warnings") or ())):
        names = [found[1] for text in texts if text and (found := FIELD.search(text))]
        if any(texts):
            logged[key] = ", ".join(name for name in names if name in columns) or "row"
    return logged


def count_into(registry: Any) -> Callable[[LogCounts], None]:
    """Return what adds the counts of a prediction log to the metrics of a process."""
    place = {"namespace": "runtree", "registry": registry}
    entries = Counter("log_entries", "Entries of the prediction log.", ["outcome"], **place)
    known = dict.fromkeys(("received", "written", "dropped"), 0)
    counters = {name: entries.labels(name) for name in known}

    def add(counts: LogCounts) -> None:
        for name, counter in counters.items():
            counter.inc(max(0, getattr(counts, name) - known[name]))
            known[name] = getattr(counts, name)

    return add


def read_labels(document: Any) -> list[dict[str, Any]]:
    """Return the late truths of ``{"labels": [{"request_id": …, "row": 0, "label": …}]}``.

    Raises
    ------
    BadRequest
        The document is of another form.
    """
    labels = document.get("labels") if type(document) is dict and len(document) == 1 else None
    if type(labels) is not list:
        example = 'such as {"labels": [{"request_id": "…", "row": 0, "label": "yes"}]}'
        raise BadRequest(422, "the body must be an object with a list of labels", example)
    if not 0 < len(labels) <= MAX_LABELS:
        raise BadRequest(422, f"{len(labels):,} labels: 1 to {MAX_LABELS:,} are possible in one request")
    for number, item in enumerate(labels):
        if fault := _label_fault(item):
            raise BadRequest(422, f"label {number}: {fault}", "nothing of the request was kept")
    return labels


def _label_fault(item: Any) -> str:
    if type(item) is not dict or not {"request_id", "label"} <= item.keys() <= {"request_id", "row", "label"}:
        return "expected are request_id, label, and row where the request had several rows"
    if type(item["request_id"]) is not str or not 0 < len(item["request_id"]) <= MAX_ID_CHARACTERS:
        return f"request_id: a text of at most {MAX_ID_CHARACTERS} characters is expected"
    if type(item.get("row", 0)) is not int or not 0 <= item.get("row", 0) <= MAX_ROW:
        return "row: the number of a row is expected, from 0 on"
    if type(item["label"]) not in SCALARS or len(str(item["label"])) > MAX_LABEL_CHARACTERS:
        return f"label: a number or a text of at most {MAX_LABEL_CHARACTERS} characters is expected"
    return ""


def _label_schema() -> dict[str, Any]:
    """Return what `_label_fault` finds in order, as a JSON Schema."""
    required = {
        "request_id": TEXT | {"minLength": 1, "maxLength": MAX_ID_CHARACTERS},
        "label": {"type": ["string", "number", "boolean"], "maxLength": MAX_LABEL_CHARACTERS},
    }
    one = object_schema(required, {"row": {"type": "integer", "minimum": 0, "maximum": MAX_ROW}})
    return object_schema({"labels": {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_LABELS}})


def add_record_routes(app: FastAPI, api: Api, recorder: Recorder) -> None:
    """Add `/labels` and `/refresh`."""
    example = {"labels": [{"request_id": "1", "row": 0, "label": "yes"}]}
    labelled = get("Send late truths, by request id", "400", "404", "422") | takes(_label_schema(), example)
    api.paths |= {"/labels": {"post": labelled}, "/refresh": {"post": get("Look at the aliases now")}}

    async def respond(request: Request, work: Any) -> Response:
        given = request.headers.get("x-request-id", "").encode()
        status, content, headers = await api.respond(work, await request.body(), api.request_id(given))
        return Response(content, status, {name.decode(): value.decode() for name, value in headers})

    @app.post("/labels")
    async def labels(request: Request) -> Response:
        async def work(body: bytes, request_id: str) -> tuple[int, Any]:
            if recorder.log is None:
                raise BadRequest(404, "this service keeps no prediction log", "see serve.log.to")
            found = read_labels(read_body(body))
            return 200, {"accepted": await asyncio.to_thread(recorder.log.add_labels, found, who(request))}

        return await respond(request, work)

    @app.post("/refresh")
    async def refresh(request: Request) -> Response:
        async def work(body: bytes, request_id: str) -> tuple[int, Any]:
            return 200, await recorder.refresh(who(request))

        return await respond(request, work)


def who(request: Request) -> str:
    """Return who sent a request: the name and the id of the key."""
    key: ApiKey | None = request.scope.get("runtree.key")
    return f"{key.name or key.id} ({key.id})" if key else ""
