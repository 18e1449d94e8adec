"""The Open Inference Protocol (V2), so that its clients work unchanged.

Each column of the model is an input tensor of shape (rows) or (rows, 1); a model of numbers alone also takes one tensor
of shape (rows, columns). https://github.com/kserve/open-inference-protocol
Tensors may follow the JSON as bytes, as Triton's client sends them: its extension `binary_tensor_data`.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from runtree.serving.row_schema import RowField, RowSchema
from runtree.serving.served_model import ServedModel
from runtree.serving.settings import VERSION

INTEGERS = frozenset(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
DATATYPES = {"number": "FP64", "boolean": "BOOL", "text": "BYTES", "date": "BYTES", "any": "BYTES"}
WHOLE = "input"  # the name that is shown for the one tensor of all columns
MAX_VALUES = 10_000_000
BINARY_HEADER = "inference-header-content-length"  # the bytes of JSON before those of tensors
BINARY_TYPES = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
BINARY_TYPES |= {
    f"{sign}INT{bits}": f"<{kind}{bits // 8}" for sign, kind in (("", "i"), ("U", "u")) for bits in (8, 16, 32, 64)
}


class ProtocolError(Exception):
    """A request that is not of the protocol, or does not fit the model."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def protocol_routes(api: Any) -> APIRouter:
    """Return the routes below `/v2`; `api` is the `Api` of the service."""
    router, service = APIRouter(prefix="/v2"), api.service

    def find(name: str, version: str | None) -> ServedModel:
        model: ServedModel = service.model
        if name != model.name or version not in (None, model.version):
            wanted = f"{name} {version}" if version else name
            raise ProtocolError(f"there is no model {wanted}; it is {model.name} {model.version}", 404)
        return model

    def guarded(work: Any) -> Response:
        try:
            return JSONResponse(work())
        except ProtocolError as error:
            return JSONResponse({"error": str(error)}, error.status)

    @router.get("/health/live")
    async def live() -> Response:
        return JSONResponse({"live": True})

    @router.get("/health/ready")
    async def ready() -> Response:
        return JSONResponse({"ready": service.is_ready}, 200 if service.is_ready else 503)

    @router.get("")
    async def server() -> Response:
        return JSONResponse({"name": "runtree", "version": VERSION, "extensions": ["binary_tensor_data"]})

    @router.get("/models/{name}/ready")
    @router.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> Response:
        return guarded(lambda: {"name": find(name, version).name, "ready": service.is_ready})

    @router.get("/models/{name}")
    @router.get("/models/{name}/versions/{version}")
    async def metadata(name: str, version: str | None = None) -> Response:
        return guarded(lambda: describe_model(find(name, version)))

    @router.post("/models/{name}/infer")
    @router.post("/models/{name}/versions/{version}/infer")
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        from runtree.serving.routes import read_body

        async def work(body: bytes, request_id: str) -> tuple[int, Any]:
            try:
                model = find(name, version)
                length = request.headers.get(BINARY_HEADER)
                size = _header_size(length, len(body)) if length is not None else len(body)
                document = read_body(body[:size])
                if length is not None:
                    document = with_binary(document, memoryview(body)[size:])
                records = read_tensors(model.schema, document, service.settings.batch.queue_rows)
                answer = await service.answer(records, request_id, is_pinned=version is not None)
                failed = [place for place, output in enumerate(answer.outputs) if "error" in output]
                if failed:
                    raise ProtocolError(f"row {failed[0]}: {answer.outputs[failed[0]]['error']}")
                return 200, _outputs(answer.model, answer.outputs, document, request_id)
            except ProtocolError as error:
                return error.status, {"error": str(error)}

        request_id = api.request_id(request.headers.get("x-request-id", "").encode() or None)
        status, content, headers = await api.respond(work, await request.body(), request_id)
        return Response(content, status, {key.decode(): value.decode() for key, value in headers})

    return router


def describe_model(model: ServedModel) -> dict[str, Any]:
    """Return the metadata of a model: its inputs and outputs."""
    inputs = [{"name": one.name, "datatype": DATATYPES[one.type], "shape": [-1]} for one in _read(model.schema)]
    outputs = [{"name": "prediction", "datatype": _label_type(model), "shape": [-1]}]
    if model.has_probabilities:
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(model.classes)]})
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": "runtree",
        "inputs": inputs,
        "outputs": outputs,
        "parameters": {"classes": model.class_names, "target": model.target, **model.facts},
    }


def _read(schema: RowSchema) -> list[RowField]:
    return [one for one in schema.fields if one.type != "any"]


def tensors_of(schema: RowSchema, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return records as input tensors, one for each column."""
    return [
        {
            "name": one.name,
            "shape": [len(records)],
            "datatype": DATATYPES[one.type],
            "data": [record.get(one.name) for record in records],
        }
        for one in _read(schema)
    ]


def read_tensors(schema: RowSchema, document: Any, limit: int) -> list[dict[str, Any]]:
    """Return the rows that input tensors hold.

    Raises
    ------
    ProtocolError
        They are not of the protocol, or differ in their number of rows.
    """
    inputs = document.get("inputs") if type(document) is dict else None
    if type(inputs) is not list or not inputs:
        raise ProtocolError("inputs: a list of tensors is needed")
    read = [_read_tensor(tensor) for tensor in inputs]
    if len(read) == 1 and len(read[0][1]) == 2 and read[0][0] not in schema.names:
        read = _split_columns(schema, *read[0])
    lengths = {shape[0] for _, shape, _ in read}
    if len(lengths) > 1 or any(len(shape) > 1 and shape[1:] != [1] for _, shape, _ in read):
        raise ProtocolError("inputs: all tensors need the shape [rows] or [rows, 1] with the same number of rows")
    [rows] = lengths
    if not 0 < rows <= limit:
        raise ProtocolError(f"inputs: {rows:,} rows, and 1 to {limit:,} are possible in one request")
    names = [name for name, _, _ in read]
    return [dict(zip(names, values, strict=True)) for values in zip(*(data for _, _, data in read), strict=True)]


def _read_tensor(tensor: Any) -> tuple[str, list[int], list[Any]]:
    """Return name, shape and flat data of a tensor."""
    if type(tensor) is not dict or type(tensor.get("name")) is not str:
        raise ProtocolError("inputs: each tensor needs a name")
    name, shape, kind = tensor["name"], tensor.get("shape"), tensor.get("datatype")
    if type(shape) is not list or not 1 <= len(shape) <= 2 or any(type(size) is not int or size < 0 for size in shape):
        raise ProtocolError(f"input '{name}': the shape must be one or two whole numbers")
    if type(kind) is not str or kind not in INTEGERS | FLOATS | {"BOOL", "BYTES"}:
        raise ProtocolError(f"input '{name}': the datatype {str(kind)[:40]!r} is not one of the protocol")
    if "data" not in tensor:
        raise ProtocolError(f"input '{name}': it has no data")
    data = _flatten(tensor["data"])
    if kind == "BOOL":  # clients that were generated from the protocol write truth values as numbers
        data = [bool(value) if type(value) in (int, float) and value in (0, 1) else value for value in data]
    size = shape[0] * (shape[1] if len(shape) == 2 else 1)
    if len(data) != size:
        raise ProtocolError(f"input '{name}': {len(data):,} values, and its shape says {size:,}")
    return name, shape, data


def _header_size(text: str, size: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > size:
        raise ProtocolError(f"{BINARY_HEADER}: {text[:40]!r} is no length within the body of {size:,} bytes")
    return int(text)


def with_binary(document: Any, content: memoryview) -> Any:
    """Return a request with the data of the tensors that follow its JSON as bytes, in the order of its inputs.

    Raises
    ------
    ProtocolError
        The bytes are not those of the tensors.
    """
    inputs = document.get("inputs") if type(document) is dict else None
    if type(inputs) is not list:
        raise ProtocolError("inputs: a list of tensors is needed")
    read, place = [], 0
    for tensor in inputs:
        parameters = tensor.get("parameters") if type(tensor) is dict else None
        size = parameters.get("binary_data_size") if type(parameters) is dict else None
        if size is None:
            read.append(tensor)
            continue
        if type(size) is not int or not 0 <= size <= len(content) - place:
            raise ProtocolError(f"inputs: binary_data_size {str(size)[:40]} does not fit the bytes after the JSON")
        read.append({**tensor, "data": _from_bytes(str(tensor.get("datatype")), content[place : place + size])})
        place += size
    if place != len(content):
        raise ProtocolError(f"inputs: {len(content) - place:,} bytes after the JSON are of no tensor")
    return {**document, "inputs": read}


def _from_bytes(kind: str, content: memoryview) -> list[Any]:
    try:
        if kind != "BYTES":
            return list(np.frombuffer(content, dtype=BINARY_TYPES[kind]).tolist())
        texts, place = [], 0
        while place < len(content):  # each with its length before it
            [size] = struct.unpack_from("<I", content, place)
            if place + 4 + size > len(content):
                raise ValueError("a text ends after the data")
            texts.append(str(content[place + 4 : place + 4 + size], "utf-8"))
            place += 4 + size
        return texts
    except (KeyError, ValueError, struct.error):
        raise ProtocolError(f"inputs: {len(content):,} bytes are no data of the datatype {kind[:40]!r}") from None


def _flatten(data: Any) -> list[Any]:
    if type(data) is not list:
        raise ProtocolError("inputs: data must be a list")
    if len(data) > MAX_VALUES:
        raise ProtocolError(f"inputs: more than {MAX_VALUES:,} values")
    return [value for row in data for value in (row if type(row) is list else [row])]


def _split_columns(
    schema: RowSchema, name: str, shape: list[int], data: list[Any]
) -> list[tuple[str, list[int], list[Any]]]:
    columns = _read(schema)
    if any(one.type not in ("number", "boolean") for one in columns):
        raise ProtocolError(f"input '{name}': columns of texts or dates are needed, each as a tensor of its own")
    if shape[1] != len(columns):
        raise ProtocolError(f"input '{name}': {shape[1]} columns, and the model has {len(columns)}")
    return [(one.name, shape[:1], data[place :: len(columns)]) for place, one in enumerate(columns)]


def _label_type(model: ServedModel) -> str:
    if not model.classes:
        return "FP64"
    kinds = {type(label) for label in model.classes}
    return {frozenset({int}): "INT64", frozenset({bool}): "BOOL", frozenset({float}): "FP64"}.get(
        frozenset(kinds), "BYTES"
    )


def _outputs(model: ServedModel, outputs: Sequence[Any], document: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    kind, rows = _label_type(model), len(outputs)
    labels = [output["prediction"] for output in outputs]
    tensors = [
        {
            "name": "prediction",
            "shape": [rows],
            "datatype": kind,
            "data": [str(label) for label in labels] if kind == "BYTES" else labels,
        }
    ]
    if model.has_probabilities:
        data = [value for output in outputs for value in output["probabilities"].values()]
        shape = [rows, len(model.classes)]
        tensors.append({"name": "probabilities", "shape": shape, "datatype": "FP64", "data": data})
    given = document.get("outputs")
    if type(given) is list and given:
        wanted = {str(one.get("name")) if type(one) is dict else "" for one in given}
        if unknown := wanted - {str(tensor["name"]) for tensor in tensors}:
            raise ProtocolError(f"outputs: the model has no output {min(unknown)[:40]!r}")
        tensors = [tensor for tensor in tensors if tensor["name"] in wanted]
    found = {"model_name": model.name, "model_version": model.version, "outputs": tensors}
    identity = document.get("id")
    found["id"] = identity if type(identity) is str else own_id
    return found
