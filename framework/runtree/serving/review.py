"""Answers for people to look at, and to decide on: the page and its JSON at `/review`."""

import asyncio
import json
from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response

from runtree.contract.errors import NotFoundError
from runtree.lifecycle.override import override_answer
from runtree.lifecycle.target import as_text
from runtree.records.prediction_labels import find_answer
from runtree.records.prediction_review import ReviewedModel, ReviewSample, sample_for_review
from runtree.serving.form import review_page
from runtree.serving.openapi import get, object_schema, takes
from runtree.serving.recording import MAX_LABEL_CHARACTERS, SCALARS, Recorder, who
from runtree.serving.routes import Api, BadRequest, read_body
from runtree.serving.served_model import ServedModel

ROWS, MAX_ROWS = 20, 500
FIELDS = {"request", "value", "reason"}
UNSAID = "looked at in the review"  # the reason of a decision for which none is given


def reviewed(model: ServedModel) -> ReviewedModel:
    """Return a served model as its answers are looked for."""
    labels = [as_text(label) for label in model.classes]
    return ReviewedModel(model.name, model.version, model.run, labels, model.threshold)


def add_review_routes(app: FastAPI, api: Api, recorder: Recorder, place: str | None) -> None:
    """Add `/review`: what is to be looked at in the log at `place`, and decisions on it."""
    shown = get("Answers for people to look at", "404", "422", kinds=("application/json", "text/html"))
    count = {"name": "rows", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS}}
    value = {"type": ["string", "number", "boolean"], "maxLength": MAX_LABEL_CHARACTERS}
    text = {"type": "string", "maxLength": MAX_LABEL_CHARACTERS}
    body = object_schema({"request": text, "value": value}, {"reason": text})
    decided = get("Decide on an answer", "400", "404", "422") | takes(body, {"request": "q1/0", "value": "yes"})
    api.paths["/review"] = {"get": shown | {"parameters": [count]}, "post": decided}

    def choose(request: Request) -> ReviewSample:
        given = request.query_params
        count = given.get("rows", str(ROWS))
        if not count.isdigit() or not 0 < int(count) <= MAX_ROWS:
            raise BadRequest(422, f"rows: '{count[:20]}': 1 to {MAX_ROWS} are possible")
        log = opened()
        log.flush()
        try:
            return sample_for_review(
                str(place), reviewed(api.service.model), int(count), given.get("since", ""), log.key
            )
        except NotFoundError:  # nothing was asked yet
            return ReviewSample()

    def opened() -> Any:
        if recorder.log is None or place is None:
            raise BadRequest(404, "this service keeps no prediction log", "see serve.log.to")
        return recorder.log

    # one route for both, so that its header Allow names both
    @app.api_route("/review", methods=["GET", "POST"])
    async def review(request: Request) -> Response:
        return await (show(request) if request.method == "GET" else decide(request))

    async def show(request: Request) -> Response:
        model, headers = api.service.model, {"vary": "accept", "cache-control": "no-store"}

        async def work(body: bytes, request_id: str) -> tuple[int, Any]:
            sample = await asyncio.to_thread(choose, request)
            facts = {"classes": reviewed(model).classes, "answers": sample.answers, "labelled": sample.labelled}
            return 200, {"model": reviewed(model).reference, **facts, "rows": [asdict(row) for row in sample.rows]}

        status, content, more = await api.respond(work, b"", api.request_id(None))
        if status == 200 and "text/html" in request.headers.get("accept", ""):
            page, policy = review_page(model, json.loads(content))
            return Response(page, 200, headers | {"content-security-policy": policy}, "text/html; charset=utf-8")
        return Response(content, status, headers | {name.decode(): value.decode() for name, value in more})

    async def decide(request: Request) -> Response:
        async def work(body: bytes, request_id: str) -> tuple[int, Any]:
            document = read_body(body)
            if type(document) is not dict or not {"request", "value"} <= document.keys() <= FIELDS:
                raise BadRequest(
                    422, "expected are request, value and reason", 'such as {"request": "q1/0", "value": …}'
                )
            for name in document:
                if type(document[name]) not in SCALARS or len(str(document[name])) > MAX_LABEL_CHARACTERS:
                    raise BadRequest(422, f"{name}: a text of at most {MAX_LABEL_CHARACTERS} characters is expected")
            return 200, await asyncio.to_thread(keep, document, who(request))

        status, content, more = await api.respond(work, await request.body(), api.request_id(None))
        return Response(content, status, {name.decode(): value.decode() for name, value in more})

    def keep(document: dict[str, Any], by: str) -> dict[str, Any]:
        log = opened()
        log.flush()
        try:
            answer = find_answer(str(place), str(document["request"]), key=log.key)
        except NotFoundError as error:
            raise BadRequest(404, error.message, *error.hints[:1]) from None
        models = [target.model for target in api.service.traffic.targets]
        model = next((one for one in models if (one.name, one.version) == (answer.model, answer.version)), None)
        if model is None:
            raise BadRequest(422, f"{answer.reference} has answered that, which is not served here any more")
        reason = str(document.get("reason") or "").strip() or UNSAID
        write = partial(log.add_labels, by=by)
        value, is_new = override_answer(answer, document["value"], model.classes, by, reason, recorder.registry, write)
        return {"request": answer.name, "value": value, "predicted": answer.prediction, "is_new": is_new}
