"""The state of a training on disk: tensors as safetensors, the rest as JSON. Reading runs no code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

TENSORS, REST = "training.safetensors", "training.json"


def write_state(state: Mapping[str, Any], folder: Path) -> None:
    """Write nested mappings and lists of tensors, numbers and texts into a folder."""
    tensors: dict[str, Tensor] = {}
    rest = _without_tensors(state, "state", tensors)
    save_file(tensors, folder / TENSORS)
    (folder / REST).write_text(json.dumps(rest))


def read_state(folder: Path) -> dict[str, Any]:
    """Read what `write_state` wrote; tensors come into the processor's memory."""
    rest = json.loads((folder / REST).read_text())
    state: dict[str, Any] = _with_tensors(rest, load_file(folder / TENSORS))
    return state


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Put tensors aside; mappings become lists of pairs, for JSON knows no key that is a number."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().clone()  # weights that are tied share memory, which the format refuses
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _without_tensors(below, f"{path}.{key}", tensors)] for key, below in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_without_tensors(below, f"{path}.{place}", tensors) for place, below in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(below, tensors) for below in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    return {key: _with_tensors(below, tensors) for key, below in value["pairs"]}
