"""Modules from packages of ready-made networks: how they call the number of outputs, and what their answers are."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from runtree.contract.errors import ConfigError

# Package → the number of outputs, which its factories take among their `**keywords`.
OUTPUTS: Mapping[str, str] = {"torchvision": "num_classes", "timm": "num_classes", "transformers": "num_labels"}


def hub_outputs(factory: Any, outputs: int) -> dict[str, int]:
    """Return the number of outputs by the name that a hub's factory knows, unless it was given that already."""
    made_by = getattr(factory, "func", factory)
    name = OUTPUTS.get((getattr(made_by, "__module__", None) or "").partition(".")[0])
    if name is None or name in getattr(factory, "keywords", {}):
        return {}
    parameters = inspect.signature(made_by).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return {name: outputs} if takes_any and name not in parameters else {}


def only_outputs(module: nn.Module, inputs: Any, said: Any) -> Tensor | None:
    """Return the tensor of outputs in what a module says; a forward hook, for which None leaves all as it is.

    It is the answer itself, its `logits`, or the one tensor in a mapping, a list or a tuple.
    """
    if isinstance(said, Tensor):
        return None
    keyed = said.get("logits") if isinstance(said, Mapping) else None
    found = getattr(said, "logits", keyed)
    if isinstance(found, Tensor):
        return found
    parts = list(said.values()) if isinstance(said, Mapping) else list(said) if isinstance(said, (list, tuple)) else []
    if len(parts) == 1 and isinstance(parts[0], Tensor):
        return parts[0]
    held = f" of {', '.join(map(str, said))}" if isinstance(said, Mapping) else f" of {len(parts)}" if parts else ""
    raise ConfigError(
        f"algorithm.module: {type(module).__name__} answers with {type(said).__name__}{held}, not with outputs",
        "possible: a tensor of shape (rows, outputs), or something that has it as 'logits'",
    )
