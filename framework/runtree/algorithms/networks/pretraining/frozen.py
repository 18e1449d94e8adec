"""Layers that are not trained: their weights stay, and so do the statistics of those that keep some."""

from collections.abc import Collection
from functools import partial

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from runtree.contract.errors import ConfigError


def freeze(module: nn.Module, names: Collection[str]) -> None:
    """Leave weights and buffers of these names as they are, however the module is trained.

    A layer whose buffers are among them, as batch normalisation's mean and variance, works as it does when it predicts.
    """
    names = set(names)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        parameter.requires_grad_(parameter.requires_grad and name not in names)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ConfigError("algorithm.frozen: no layer is left to train", "leave out a layer, such as the last one")
    still = {name for name, layer in module.named_modules() if keeps_statistics(layer, name, names)}
    if still:
        # Whoever trains calls `train()` before each epoch; on the instance, so that names of layers stay what they are.
        module.train = partial(train_but, module, frozenset(still))  # type: ignore[method-assign]


def keeps_statistics(layer: nn.Module, name: str, names: Collection[str]) -> bool:
    """Tell whether a layer has buffers of these names: a normalisation, or one that is made of no others."""
    own = [f"{name}.{buffer}" if name else buffer for buffer, _ in layer.named_buffers(recurse=False)]
    single = isinstance(layer, _NormBase) or not any(True for _ in layer.children())
    return single and any(buffer in names for buffer in own)


def train_but(module: nn.Module, still: frozenset[str], mode: bool = True) -> nn.Module:
    """Do what `module.train` does, but leave some layers as they are when they predict."""
    type(module).train(module, mode)
    for name, layer in module.named_modules(remove_duplicate=False):
        if name in still:
            layer.training = False
    return module
