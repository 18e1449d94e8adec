"""The description of the service for programs: paths, schemas and examples, made of the schema of the model."""

from collections.abc import Mapping
from typing import Any

from runtree.serving.access import HEALTH, REFUSALS
from runtree.serving.inference_protocol import tensors_of
from runtree.serving.served_model import ServedModel
from runtree.serving.settings import VERSION, ServeSettings

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
ERROR = {"type": "object", "properties": {"error": TEXT, "hints": {"type": "array", "items": TEXT}}}
WARNINGS = {"type": "array", "items": TEXT}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic"},
}


def openapi_document(
    model: ServedModel, settings: ServeSettings, more: Mapping[str, Any], needs_key: bool
) -> dict[str, Any]:
    """Return the document of a model: OpenAPI 3.1.

    Parameters
    ----------
    more
        The paths of further routes.
    """
    row, label = model.schema.document(), _label_schema(model)
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}, "minItems": 1}
    predict = object_schema({"rows": rows | {"maxItems": settings.batch.queue_rows}})
    explain = object_schema({"row": {"$ref": "#/components/schemas/Row"}}, {"class": _class_names(model)})
    example, output = model.schema.example(), model.predict([model.schema.check(model.schema.example()).values])[0]
    answer = {"request_id": "1", "model": model.name, "version": model.version, "predictions": [output]}
    paths: dict[str, Any] = {
        "/predict": {"post": _post("Predict rows", predict, {"rows": [example]}, "Predictions", answer)},
        "/explain": {"post": _post("Explain the prediction for a row", explain, {"row": example}, "Explanation")},
        "/v2/health/live": {"get": get("Whether the process lives")},
        "/v2/health/ready": {"get": get("Whether it takes requests", "503")},
        "/v2": {"get": get("The server")},
        "/metrics": {"get": get("Counters, as Prometheus reads them", kinds=("text/plain",))},
        "/": {"get": get("The form for people", kinds=("text/html",))},
        "/openapi.json": {"get": get("This document")},
        **more,
    }
    infer = _post("Predict by the Open Inference Protocol", _inference(model), _tensors(model), "Inference")
    infer["responses"] |= {"400": json_content(ERROR), "404": json_content(ERROR)}
    name = {"name": "name", "in": "path", "required": True, "schema": {"enum": [model.name]}}
    version = {"name": "version", "in": "path", "required": True, "schema": {"enum": [model.version]}}
    for place, parameters in (("", [name]), ("/versions/{version}", [name, version])):
        for end, operation in (
            ("", {"get": get("The model, its inputs and outputs", "404")}),
            ("/ready", {"get": get("Whether the model is ready", "404")}),
            ("/infer", {"post": infer}),
        ):
            paths[f"/v2/models/{{name}}{place}{end}"] = operation | {"parameters": parameters}
    output_fields = {"prediction": label, "error": TEXT, "more": WARNINGS, "warnings": WARNINGS}
    output_fields["probabilities"] = {"type": "object", "additionalProperties": NUMBER}
    output_schema = {"type": "object", "properties": output_fields}
    contribution = {"field": TEXT, "value": {}, "amount": NUMBER, "error": NUMBER}
    schemas = {
        "Row": row,
        "Error": ERROR,
        "Predictions": {
            "type": "object",
            "properties": {
                "request_id": TEXT,
                "model": TEXT,
                "version": TEXT,
                "classes": {"type": "array"},
                "threshold": {"type": ["number", "null"]},
                "error": TEXT,
                "predictions": {"type": "array", "items": output_schema},
            },
            "required": ["request_id", "model", "version", "predictions"],
        },
        "Explanation": {
            "type": "object",
            "properties": {
                "output": TEXT,
                "prediction": NUMBER,
                "base": NUMBER,
                "contributions": {"type": "array", "items": {"type": "object", "properties": contribution}},
            },
            "required": ["output", "prediction", "base", "contributions"],
        },
        "Inference": {
            "type": "object",
            "properties": {"model_name": TEXT, "outputs": {"type": "array", "items": {"type": "object"}}},
            "required": ["model_name", "outputs"],
        },
    }
    info = {"title": f"{model.name} (version {model.version})", "version": VERSION}
    components = {"schemas": schemas, "responses": _refusals(), "securitySchemes": SECURITY if needs_key else {}}
    paths = {path: _behind_doors(path, item, needs_key) for path, item in paths.items()}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}


def _refusals() -> dict[str, Any]:
    answers = {str(code): json_content(ERROR, says) for code, says in REFUSALS.items()}
    answers["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return answers


def _behind_doors(path: str, item: Mapping[str, Any], needs_key: bool) -> dict[str, Any]:
    """Return a path with what is answered before its route is asked."""
    codes = {"400", "403", "421"} | ({"401", "429"} if path not in HEALTH else set())
    described = dict(item)
    for method in item.keys() & {"get", "post"}:
        possible = sorted(codes | ({"413"} if method == "post" else set()))
        refused = {code: {"$ref": f"#/components/responses/{code}"} for code in possible}
        described[method] = item[method] | {"responses": refused | item[method]["responses"]}
        if needs_key and path not in HEALTH:
            described[method]["security"] = [{name: []} for name in SECURITY]
    return described


def _label_schema(model: ServedModel) -> dict[str, Any]:
    return {"enum": list(model.classes)} if model.classes else NUMBER


def _class_names(model: ServedModel) -> dict[str, Any]:
    return {"enum": [*model.class_names, None]} if model.classes else {"type": "null"}


def object_schema(
    required: dict[str, Any], optional: dict[str, Any] | None = None, is_open: bool = False
) -> dict[str, Any]:
    """Return the schema of an object; other properties are refused unless it is open."""
    properties = required | (optional or {})
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": is_open}


def json_content(schema: dict[str, Any], says: str = "What is wrong") -> dict[str, Any]:
    """Return an answer of JSON."""
    return {"description": says, "content": {"application/json": {"schema": schema}}}


def takes(body: dict[str, Any], example: Any) -> dict[str, Any]:
    """Return what is sent to an operation."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": example}}}}


def _post(
    summary: str, body: dict[str, Any], example: Any, answer: str, answered: dict[str, Any] | None = None
) -> dict[str, Any]:
    good = json_content({"$ref": f"#/components/schemas/{answer}"}, "The answer")
    if answered is not None:
        good["content"]["application/json"]["example"] = answered
    # rows that cannot be predicted are reported beside the predictions of the others
    either = {"anyOf": [{"$ref": f"#/components/schemas/{answer}"}, ERROR]}
    wrong = json_content(either, "Something in it cannot be predicted")
    busy = json_content(ERROR, "Too much waits") | {"headers": {"Retry-After": {"schema": {"type": "integer"}}}}
    return {
        "summary": summary,
        **takes(body, example),
        "responses": {"200": good, "422": wrong, "503": busy, **{code: json_content(ERROR) for code in ("400", "415")}},
    }


def get(summary: str, *faults: str, kinds: tuple[str, ...] = ("application/json",)) -> dict[str, Any]:
    """Return an operation that answers with one of these kinds of content, or with errors of these statuses."""
    contents = {kind: {"schema": {"type": "object" if "json" in kind else "string"}} for kind in kinds}
    good = {"description": "The answer", "content": contents}
    return {"summary": summary, "responses": {"200": good, **{code: json_content(ERROR) for code in faults}}}


def _inference(model: ServedModel) -> dict[str, Any]:
    """Return the schema of one row as tensors; JSON Schema cannot say that data is as long as the shape."""
    fields = model.schema.document()["properties"]
    truth = {one.name for one in model.schema.fields if one.type == "boolean"}
    fields |= {name: {"anyOf": [fields[name], {"enum": [0, 1]}]} for name in truth}
    tensors = [
        object_schema(
            {
                "name": {"const": one["name"]},
                "shape": {"const": one["shape"]},
                "datatype": {"const": one["datatype"]},
                "data": {"type": "array", "prefixItems": [fields[one["name"]]], "minItems": 1, "maxItems": 1},
            },
            is_open=True,
        )
        for one in tensors_of(model.schema, [model.schema.example()])
    ]
    size = len(tensors)
    return object_schema(
        {"inputs": {"type": "array", "prefixItems": tensors, "minItems": size, "maxItems": size}}, is_open=True
    )


def _tensors(model: ServedModel) -> dict[str, Any]:
    return {"inputs": tensors_of(model.schema, [model.schema.example()])}
