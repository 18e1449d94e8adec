"""The description of the service for programs: paths, schemas and examples, made of the schema of the model."""

from typing import Any

from runtree.serving.inference_protocol import tensors_of
from runtree.serving.served_model import ServedModel
from runtree.serving.settings import VERSION, ServeSettings

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
ERROR = {"type": "object", "properties": {"error": TEXT, "hints": {"type": "array", "items": TEXT}}}
WARNINGS = {"type": "array", "items": TEXT}


def openapi_document(model: ServedModel, settings: ServeSettings) -> dict[str, Any]:
    """Return the document of a model: OpenAPI 3.1."""
    row, label = model.schema.document(), _label_schema(model)
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}, "minItems": 1}
    predict = _object({"rows": rows | {"maxItems": settings.batch.queue_rows}})
    explain = _object({"row": {"$ref": "#/components/schemas/Row"}}, {"class": _class_names(model)})
    example, output = model.schema.example(), model.predict([model.schema.check(model.schema.example()).values])[0]
    answer = {"request_id": "1", "model": model.name, "version": model.version, "predictions": [output]}
    paths: dict[str, Any] = {
        "/predict": {"post": _post("Predict rows", predict, {"rows": [example]}, "Predictions", answer)},
        "/explain": {"post": _post("Explain the prediction for a row", explain, {"row": example}, "Explanation")},
        "/v2/health/live": {"get": _get("Whether the process lives")},
        "/v2/health/ready": {"get": _get("Whether it takes requests", "503")},
        "/v2": {"get": _get("The server")},
        "/v2/models/{name}": {"get": _get("The model, its inputs and outputs", "404"), "parameters": _names(model)},
        "/v2/models/{name}/ready": {"get": _get("Whether the model is ready", "404"), "parameters": _names(model)},
        "/v2/models/{name}/infer": {
            "post": _post("Predict by the Open Inference Protocol", _inference(model), _tensors(model), "Inference"),
            "parameters": _names(model),
        },
        "/metrics": {"get": _get("Counters, as Prometheus reads them", kind="text/plain")},
        "/monitor": {
            "get": _get("What was last watched of the model: as page, or as JSON", "404", "422")
            | {"parameters": [{"name": "format", "in": "query", "schema": {"enum": ["html", "json"]}}]}
        },
        "/": {"get": _get("The form for people", kind="text/html")},
        "/openapi.json": {"get": _get("This document")},
    }
    paths["/v2/models/{name}/infer"]["post"]["responses"] |= {"400": _json(ERROR), "404": _json(ERROR)}
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
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _label_schema(model: ServedModel) -> dict[str, Any]:
    return {"enum": list(model.classes)} if model.classes else NUMBER


def _class_names(model: ServedModel) -> dict[str, Any]:
    return {"enum": [*model.class_names, None]} if model.classes else {"type": "null"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, is_open: bool = False) -> dict[str, Any]:
    properties = required | (optional or {})
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": is_open}


def _json(schema: dict[str, Any], says: str = "What is wrong") -> dict[str, Any]:
    return {"description": says, "content": {"application/json": {"schema": schema}}}


def _post(
    summary: str, body: dict[str, Any], example: Any, answer: str, answered: dict[str, Any] | None = None
) -> dict[str, Any]:
    good = _json({"$ref": f"#/components/schemas/{answer}"}, "The answer")
    if answered is not None:
        good["content"]["application/json"]["example"] = answered
    # rows that cannot be predicted are told beside the predictions of the others
    wrong = _json({"anyOf": [{"$ref": f"#/components/schemas/{answer}"}, ERROR]}, "Something in it cannot be predicted")
    busy = _json(ERROR, "Too much waits") | {"headers": {"Retry-After": {"schema": {"type": "integer"}}}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": example}}},
        "responses": {"200": good, "422": wrong, "503": busy, **{code: _json(ERROR) for code in ("400", "415")}},
    }


def _get(summary: str, *faults: str, kind: str = "application/json") -> dict[str, Any]:
    good = {
        "description": "The answer",
        "content": {kind: {"schema": {"type": "object" if "json" in kind else "string"}}},
    }
    return {"summary": summary, "responses": {"200": good, **{code: _json(ERROR) for code in faults}}}


def _names(model: ServedModel) -> list[dict[str, Any]]:
    return [{"name": "name", "in": "path", "required": True, "schema": {"enum": [model.name]}}]


def _inference(model: ServedModel) -> dict[str, Any]:
    """Return the schema of one row as tensors; JSON Schema cannot say that data is as long as the shape."""
    fields = model.schema.document()["properties"]
    truth = {one.name for one in model.schema.fields if one.type == "boolean"}
    fields |= {name: {"anyOf": [fields[name], {"enum": [0, 1]}]} for name in truth}
    tensors = [
        _object(
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
    return _object(
        {"inputs": {"type": "array", "prefixItems": tensors, "minItems": size, "maxItems": size}}, is_open=True
    )


def _tensors(model: ServedModel) -> dict[str, Any]:
    return {"inputs": tensors_of(model.schema, [model.schema.example()])}
