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

# The name under which the factories of a package take the number of outputs among their `**kwargs`.
OUTPUTS: Mapping[str, str] = {"torchvision": "num_classes", "timm": "num_classes", "transformers": "num_labels"}


def hub_outputs(factory: Any, outputs: int) -> dict[str, int]:
    """Return the number of outputs under the name that a model hub's factory takes, unless it is set already."""
    function = getattr(factory, "func", factory)
    name = OUTPUTS.get((getattr(function, "__module__", None) or "").partition(".")[0])
    if name is None or name in getattr(factory, "keywords", {}):
        return {}
    parameters = inspect.signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return {name: outputs} if takes_any and name not in parameters else {}


def only_outputs(module: nn.Module, inputs: Any, result: Any) -> Tensor | None:
    """Return the outputs in the result of a module: its `logits`, or the only tensor of a mapping or sequence.

    A forward hook of torch; None means that the result is a tensor already and stays.
    """
    if isinstance(result, Tensor):
        return None
    keyed = result.get("logits") if isinstance(result, Mapping) else None
    logits = getattr(result, "logits", keyed)
    if isinstance(logits, Tensor):
        return logits
    values = result.values() if isinstance(result, Mapping) else result if isinstance(result, (list, tuple)) else ()
    parts = list(values)
    if len(parts) == 1 and isinstance(parts[0], Tensor):
        return parts[0]
    content = ", ".join(map(str, result)) if isinstance(result, Mapping) else str(len(parts))
    content = f" of {content}" if parts else ""
    raise ConfigError(
        f"algorithm.module: {type(module).__name__} returns {type(result).__name__}{content}, not outputs",
        "expected: a tensor of shape (rows, outputs), or an object with that as `logits`",
    )


# --- Rows of any shape, passed to the user's module unchanged.


@dataclass
class IdentityEncoder:
    """Passes rows on unchanged; only their shape is learned.

    Attributes
    ----------
    shape
        Of one row: (features,), (channels, height, width) or any other.
    """

    shape: list[int]

    def encode(self, X: Any) -> Inputs:
        """Return float32 of shape (rows, …)."""
        return (torch.from_numpy(np.require(X, np.float32, ("C", "W"))),)  # torch warns of arrays that are read-only


# --- The user's module as an estimator.


@dataclass(eq=False, repr=False, kw_only=True)
class TorchModule(Network):
    """Any `torch.nn.Module` that maps float32 rows to outputs of shape (rows, outputs).

    Rows are neither standardised nor imputed here: the preprocessing has to do that. Outputs are a logit for each
    class, or one number for a regression.

    Parameters
    ----------
    module
        A class or function that returns the module, called in `fit` under the seed. It receives `in_features` (the
        length of a row's first axis) and `out_features` or `num_classes`, if it has such a parameter and the config
        does not set it. The module may return an object with `logits`. None: a linear layer.
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
                f"algorithm.module: the {type(factory).__name__} was made before the seed was set",
                "type: algorithm.module._partial_=true",
            )
        arguments = {"in_features": encoder.shape[0], **dict.fromkeys(("out_features", "num_classes"), outputs)}
        module = factory(**accepted_arguments(factory, arguments), **hub_outputs(factory, outputs))
        if not isinstance(module, nn.Module):
            raise ConfigError(f"algorithm.module: returned {type(module).__name__}, not a torch.nn.Module")
        module.register_forward_hook(only_outputs)
        return module

    def __sklearn_tags__(self) -> Any:
        """Declare that missing values are not supported."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags


def accepted_arguments(factory: Any, arguments: dict[str, int]) -> dict[str, int]:
    """Return the arguments that a factory has parameters for and that are not set already."""
    already_set = getattr(factory, "keywords", {})
    try:
        parameters = set(inspect.signature(factory).parameters)
    except ValueError:  # a class written in C has no signature
        parameters = set()
    return {name: value for name, value in arguments.items() if name in parameters and name not in already_set}


@dataclass(eq=False, repr=False, kw_only=True)
class TorchModuleClassifier(Classification, TorchModule):
    """The user's module for classification."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchModuleRegressor(Regression, TorchModule):
    """The user's module for regression."""
