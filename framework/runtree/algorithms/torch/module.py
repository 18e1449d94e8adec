"""A user's own `torch.nn.Module` as an estimator."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch import Tensor, nn

from runtree.algorithms.torch.estimator import CONSTRAINTS, Network
from runtree.algorithms.torch.table_encoder import Inputs
from runtree.algorithms.torch.task_heads import Classification, Regression
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


# --- Rows of any shape as they are: what a module of the user's is handed.


@dataclass
class IdentityEncoder:
    """Nothing is learned but the shape.

    Attributes
    ----------
    shape
        Of one row: (features,), or (channels, height, width), or whatever it is.
    """

    shape: list[int]

    def encode(self, X: Any) -> Inputs:
        """Return float32 of shape (rows, …)."""
        return (torch.from_numpy(np.require(X, np.float32, ("C", "W"))),)  # torch takes no arrays that are read-only


# --- A module of the user's as an estimator.


@dataclass(eq=False, repr=False, kw_only=True)
class TorchModule(Network):
    """Any `torch.nn.Module`: it gets float32 rows as they are, and answers with (rows, outputs).

    Rows are not standardised and must not have holes: that is the preprocessing's part. Outputs are an unnormalised
    score for each class, or one number for a regression.

    Parameters
    ----------
    module
        What returns the module, called in `fit` under the seed: a class, or a function. It is handed `in_features` (the
        length of a row's first axis) and `out_features` or `num_classes` where it takes them and they are not given;
        what it makes may answer with something that has `logits`. None: a linear one.
    """

    module: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**CONSTRAINTS, "module": [callable, None]}

    def check_rows(self, X: Any, reset: bool) -> Any:
        """Return numbers of shape (rows, …)."""
        return validate_data(self, X, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=2 if reset else 1)

    def learn_inputs(self, X: Any) -> IdentityEncoder:
        """Learn the shape of a row."""
        return IdentityEncoder(list(X.shape[1:]))

    def make_module(self, encoder: IdentityEncoder, outputs: int) -> nn.Module:
        """Call the factory."""
        factory: Any = nn.Linear if self.module is None else self.module
        if isinstance(factory, nn.Module):
            raise ConfigError(
                f"algorithm.module: a {type(factory).__name__} was made before the seed could govern its weights",
                "type: algorithm.module._partial_=true",
            )
        offered = {"in_features": encoder.shape[0], **dict.fromkeys(("out_features", "num_classes"), outputs)}
        made = factory(**handed(factory, offered), **hub_outputs(factory, outputs))
        if not isinstance(made, nn.Module):
            raise ConfigError(f"algorithm.module: it returned {type(made).__name__}, which is no torch.nn.Module")
        made.register_forward_hook(only_outputs)
        return made

    def __sklearn_tags__(self) -> Any:
        """Say that missing values are not taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags


def handed(factory: Any, offered: dict[str, int]) -> dict[str, int]:
    """Return what a factory takes of what is offered, unless it was given that already."""
    given = getattr(factory, "keywords", {})
    try:
        taken = set(inspect.signature(factory).parameters)
    except ValueError:  # a class of C's, which has no signature
        taken = set()
    return {name: value for name, value in offered.items() if name in taken and name not in given}


@dataclass(eq=False, repr=False, kw_only=True)
class TorchModuleClassifier(Classification, TorchModule):
    """A module of the user's that tells classes."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchModuleRegressor(Regression, TorchModule):
    """A module of the user's that tells numbers."""
