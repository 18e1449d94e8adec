"""Weights as safetensors, and the state of a training on disk. Reading runs no code."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FILE = "weights.safetensors"


class SavedWeights:
    """What a fitted network does with its weights; runtree's contract `HoldsWeights`."""

    module_: nn.Module
    encoder_: Any
    n_outputs_: int

    def bare(self) -> Self:
        """Return the fitted network without its module: what is left is numbers, texts, arrays and lists of them."""
        bare = copy.copy(self)
        del bare.module_
        return bare

    def save_weights(self, folder: Path) -> None:
        """Write `weights.safetensors`."""
        save_file({name: tensor.cpu() for name, tensor in self.copy_weights().items()}, folder / FILE)

    def load_weights(self, folder: Path) -> None:
        """Make the module anew and give it the weights that `save_weights` wrote."""
        with torch.random.fork_rng():
            self.module_ = self.make_module(self.encoder_, self.n_outputs_)  # type: ignore[attr-defined]
        self.module_.load_state_dict(load_file(folder / FILE))
        self.module_.eval()

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a copy of weights and buffers."""
        return {name: tensor.detach().clone() for name, tensor in self.module_.state_dict().items()}

    def take_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights and buffers into the module; its own are there already."""
        own = self.module_.state_dict()
        if any(own[name].data_ptr() != tensor.data_ptr() for name, tensor in weights.items()):
            self.module_.load_state_dict(weights)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: the module in the processor's memory, so that it can be read anywhere."""
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        module = state.get("module_")
        if module is not None and any(tensor.device.type != "cpu" for tensor in module.state_dict().values()):
            state["module_"] = copy.deepcopy(module).cpu()
        return state


# --- The state of a training on disk: tensors as safetensors, the rest as JSON. Reading runs no code.

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
