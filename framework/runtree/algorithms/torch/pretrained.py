"""Initialisation from pretrained weights, and frozen layers."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from runtree.algorithms.torch.weight_sources import Weights, find_weights
from runtree.contract.errors import ConfigError, nearest


def is_below(name: str, prefix: str) -> bool:
    """Return whether a name is `prefix` or below it: hidden.1.weight is below hidden.1, hidden.10.weight is not."""
    return name == prefix or name.startswith(f"{prefix}.")


def names_below(prefixes: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the names at or below one of the prefixes, in their order."""
    prefixes = list(prefixes)
    return [name for name in names if any(is_below(name, prefix) for prefix in prefixes)]


def prefixes_without(names: Iterable[str], excluded: Collection[str]) -> list[str]:
    """Return the shortest prefixes that match all `names` except the excluded ones."""
    # A dict instead of a set keeps the order of the layers.
    return list({_shortest(name, excluded): None for name in names if name not in excluded})


def _shortest(name: str, excluded: Collection[str]) -> str:
    parts = name.split(".")
    stems = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return next(stem for stem in stems if not any(is_below(name, stem) for name in excluded))


# --- Frozen layers: neither their weights nor their running statistics change.


def freeze(module: nn.Module, names: Collection[str]) -> None:
    """Exclude the weights and buffers of these names from training.

    A layer whose buffers are among them (mean and variance of batch normalisation) stays in evaluation mode.
    """
    names = set(names)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        parameter.requires_grad_(parameter.requires_grad and name not in names)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ConfigError("algorithm.frozen: no layer is left to train", "leave out a layer, such as the last one")
    frozen = {name for name, layer in module.named_modules() if keeps_statistics(layer, name, names)}
    if frozen:
        # The training loop calls `train()` before each epoch, which would unfreeze the statistics. The override is on
        # the instance, because a wrapper module would change the names of the layers.
        module.train = partial(train_except, module, frozenset(frozen))  # type: ignore[method-assign]


def keeps_statistics(layer: nn.Module, name: str, names: Collection[str]) -> bool:
    """Return whether a layer without children, or a batch normalisation, has buffers of these names."""
    buffers = [f"{name}.{buffer}" if name else buffer for buffer, _ in layer.named_buffers(recurse=False)]
    is_leaf = isinstance(layer, _NormBase) or not any(True for _ in layer.children())
    return is_leaf and any(buffer in names for buffer in buffers)


def train_except(module: nn.Module, frozen: frozenset[str], mode: bool = True) -> nn.Module:
    """Call `module.train`, but keep some layers in evaluation mode."""
    type(module).train(module, mode)
    for name, layer in module.named_modules(remove_duplicate=False):
        if name in frozen:
            layer.training = False
    return module


# --- The parameters of a network that concern pretrained weights and frozen layers.

LAYERS, FROZEN = "algorithm.pretrained_layers", "algorithm.frozen"
ALL = "all"


@dataclass(eq=False, repr=False, kw_only=True)
class Pretrained:
    """Mix-in: the parameters for pretrained weights and frozen layers.

    Parameters
    ----------
    pretrained
        Initial weights: a name in the zoo, or the path of a zoo entry, a .safetensors file or a run; None: random.
    pretrained_layers
        Prefixes of the layers to load, or "all". Other layers are initialised at random.
    frozen
        Prefixes of the layers not to train, or "all": every loaded layer. Running statistics are kept too.
    zoo
        Folder or URL in which `pretrained` is looked up by name.

    Attributes
    ----------
    pretrained_name_, pretrained_sha256_ : str or None
        Name and hash of the initial weights.
    """

    pretrained: str | None = None
    pretrained_layers: Any = ALL
    frozen: Any = ()
    zoo: str | None = None

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[misc]
        prefixes(self.pretrained_layers, LAYERS)
        if prefixes(self.frozen, FROZEN) is None and not self.pretrained:
            raise ConfigError(
                f"{FROZEN}: 'all' means all loaded layers, but none are", "type: algorithm.pretrained=NAME"
            )

    def prepare(self, module: nn.Module) -> None:
        """Load the pretrained weights into a new module, then freeze layers."""
        loaded: list[str] = []
        self.pretrained_name_ = self.pretrained_sha256_ = None
        if self.pretrained:
            weights = find_weights(self.pretrained, self.zoo)
            loaded = load_layers(module, weights, prefixes(self.pretrained_layers, LAYERS))
            self.pretrained_name_, self.pretrained_sha256_ = weights.name, weights.sha256
        wanted = prefixes(self.frozen, FROZEN)
        names = [*module.state_dict()]
        frozen = loaded if wanted is None else select(wanted, names, FROZEN, "the network")
        if frozen:
            freeze(module, frozen)


def prefixes(value: Any, path: str) -> list[str] | None:
    """Return a list of layer-name prefixes; None for "all"."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(item, (str, int, float)) for item in listed):
        raise ConfigError(f"{path}: {value!r} is not a list of layers", "possible: all, or a list of name prefixes")
    # `[0]` in a config is a list of an integer, but layer "0" of an `nn.Sequential` is meant.
    return None if ALL in listed else [str(item).rstrip(".") for item in listed]


def load_layers(module: nn.Module, weights: Weights, wanted: Collection[str] | None) -> list[str]:
    """Copy weights into a module; return the names of the copied tensors.

    Raises
    ------
    ConfigError
        If a wanted layer is missing in the weights or in the module, or has another shape there.
    """
    current = dict(module.state_dict())
    names = list(weights.tensors) if wanted is None else select(wanted, weights.tensors, LAYERS, describe(weights))
    expected = current if wanted is None else names_below(wanted, current)
    mismatches = {
        name: reason for name in dict.fromkeys([*expected, *names]) if (reason := mismatch(name, current, weights))
    }
    if mismatches:
        # Suggest whole layers only: the bias of a layer is of no use if its weight does not fit.
        layers = {name.rpartition(".")[0] for name in mismatches} - {""}
        excluded = {name for name in current if name.rpartition(".")[0] in layers} | set(mismatches)
        possible = prefixes_without(names, excluded)
        raise ConfigError(
            f"{LAYERS}: {next(iter(mismatches.values()))}",
            f"{len(mismatches) - 1} more do not fit" if len(mismatches) > 1 else "",
            f"type: '{LAYERS}=[{','.join(map(quoted, possible))}]'" if possible else "no layer fits: other weights?",
        )
    module.load_state_dict({**current, **{name: weights.tensors[name] for name in names}})
    return names


def select(wanted: Collection[str], names: Collection[str], path: str, where: str) -> list[str]:
    """Return the names at or below the wanted prefixes; raise ConfigError if a prefix matches none."""
    for prefix in wanted:
        if not names_below([prefix], names):
            known = list(dict.fromkeys(".".join(name.split(".")[: n + 1]) for name in names for n in range(9)))
            tops = list(dict.fromkeys(name.split(".")[0] for name in names))
            close = nearest(prefix, known)
            raise ConfigError(
                f"{path}: there is no layer '{prefix}' in {where}",
                f"did you mean: {', '.join(close)}?" if close else f"possible: {', '.join(tops[:12])}",
            )
    return names_below(wanted, names)


def mismatch(name: str, current: Mapping[str, Tensor], weights: Weights) -> str | None:
    """Return why a layer's weights cannot be loaded; None if they can."""
    if name not in current:
        return f"layer '{name}' of {describe(weights)} is not in this network"
    if name not in weights.tensors:
        return f"layer '{name}' of this network is not in {describe(weights)}"
    shape, loaded = tuple(current[name].shape), tuple(weights.tensors[name].shape)
    return None if shape == loaded else f"layer '{name}' has shape {shape}, but {loaded} in {describe(weights)}"


def describe(weights: Weights) -> str:
    """Return the words for these weights in an error message."""
    architecture = f" ({weights.architecture.rpartition('.')[2]})" if weights.architecture else ""
    return f"the weights '{weights.name}'{architecture}"


def quoted(prefix: str) -> str:
    """Quote a prefix for the command line if it starts with a digit; Hydra would read it as a number."""
    return f'"{prefix}"' if prefix[0].isdigit() else prefix
