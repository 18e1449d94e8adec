"""Weights as safetensors, and the state of a training on disk. Reading executes no code."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FILE = "weights.safetensors"
TRAINING_OBJECTS = ("loss", "optimizer", "scheduler")  # parameters that may be objects; predictions need none


class SavedWeights:
    """Mix-in: saving and loading the weights of a fitted network, as the protocol `HoldsWeights` requires."""

    module_: nn.Module
    encoder_: Any
    n_outputs_: int

    def bare(self) -> Self:
        """Return the fitted network without its module and its training: numbers, strings, arrays and lists of them."""
        bare = copy.copy(self)
        vars(bare).pop("module_", None)
        # without what only training needs: a loss may be of a type that cannot be written, or that must be trusted
        for name in TRAINING_OBJECTS:
            if not isinstance(getattr(bare, name), str | None):
                setattr(bare, name, type(self).__dataclass_fields__[name].default)  # type: ignore[attr-defined]
        return bare

    def save_weights(self, folder: Path) -> None:
        """Write `weights.safetensors`."""
        # contiguous, which safetensors requires: weights may be in the memory format channels_last. They get it back
        # when they are loaded into a new module
        weights = {name: tensor.cpu().contiguous() for name, tensor in self.copy_weights().items()}
        save_file(weights, folder / FILE)

    def load_weights(self, folder: Path) -> None:
        """Make the module and load the weights that `save_weights` wrote."""
        # not under the seed of the fit: a module that keeps random numbers outside its weights would be right on this
        # version of torch only. Such a module is found before its fit
        with torch.random.fork_rng():
            self.module_ = self.make_module(self.encoder_, self.n_outputs_)  # type: ignore[attr-defined]
        self.module_.load_state_dict(load_file(folder / FILE))
        self.module_.eval()

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a copy of weights and buffers."""
        return {name: tensor.detach().clone() for name, tensor in self.module_.state_dict().items()}

    def take_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights and buffers into the module, unless they are its own."""
        own = self.module_.state_dict()
        if any(own[name].data_ptr() != tensor.data_ptr() for name, tensor in weights.items()):
            self.module_.load_state_dict(weights)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a pickle, with the module on the CPU so that any machine can load it."""
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        module = state.get("module_")
        if module is not None and any(tensor.device.type != "cpu" for tensor in module.state_dict().values()):
            state["module_"] = copy.deepcopy(module).cpu()
        return state


# --- The state of a training on disk: tensors as safetensors, the rest as JSON.

TENSORS, REST = "training.safetensors", "training.json"


def write_state(state: Mapping[str, Any], folder: Path) -> None:
    """Write nested mappings and lists of tensors, numbers and texts into a folder."""
    tensors: dict[str, Tensor] = {}
    rest = _without_tensors(state, "state", tensors)
    save_file(tensors, folder / TENSORS)
    (folder / REST).write_text(json.dumps(rest))


def read_state(folder: Path) -> dict[str, Any]:
    """Return the state that `write_state` wrote, with tensors on the CPU."""
    rest = json.loads((folder / REST).read_text())
    state: dict[str, Any] = _with_tensors(rest, load_file(folder / TENSORS))
    return state


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Move tensors into `tensors`; mappings become lists of pairs, as JSON has no numeric keys."""
    if isinstance(value, Tensor):
        # cloned: tied weights share memory, which safetensors refuses; and contiguous, which it requires
        tensors[path] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
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
