"""A module of the user's as an estimator."""

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.utils.validation import validate_data
from torch import nn

from runtree.algorithms.networks.constraints import CONSTRAINTS
from runtree.algorithms.networks.estimator import Network
from runtree.algorithms.networks.hubs import hub_outputs, only_outputs
from runtree.algorithms.networks.numbers import ArrayEncoder
from runtree.algorithms.networks.tasks import Classification, Regression
from runtree.contract.errors import ConfigError


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

    def learn_inputs(self, X: Any) -> ArrayEncoder:
        """Learn the shape of a row."""
        return ArrayEncoder(list(X.shape[1:]))

    def make_module(self, encoder: ArrayEncoder, outputs: int) -> nn.Module:
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
