"""Starting from pretrained weights, and freezing layers."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from runtree.algorithms.torch.weight_sources import Weights, find_weights
from runtree.contract.errors import ConfigError, nearest


def begins(name: str, prefix: str) -> bool:
    """Tell whether a name is a layer, or something below it."""
    return name == prefix or name.startswith(f"{prefix}.")


def matched(prefixes: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the names that begin with one of the prefixes, in their order."""
    prefixes = list(prefixes)
    return [name for name in names if any(begins(name, prefix) for prefix in prefixes)]


def avoiding(names: Iterable[str], avoided: Collection[str]) -> list[str]:
    """Return the shortest prefixes that together match `names`, less those that are avoided, and nothing avoided."""
    found = {_shortest(name, avoided): None for name in names if name not in avoided}
    return list(found)


def _shortest(name: str, avoided: Collection[str]) -> str:
    parts = name.split(".")
    stems = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return next(stem for stem in stems if not any(begins(other, stem) for other in avoided))


# --- Layers that are not trained: their weights stay, and so do the statistics of those that keep some.


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


# --- Starting from weights that were trained before, and leaving layers as they are.

LAYERS, FROZEN = "algorithm.pretrained_layers", "algorithm.frozen"
ALL = "all"


@dataclass(eq=False, repr=False, kw_only=True)
class Pretrained:
    """What a network does with the weights that it starts from.

    Parameters
    ----------
    pretrained
        Weights to start from: a name in the zoo, or the path of an entry, a .safetensors file or a run; None: none.
    pretrained_layers
        Which of them are taken, by how their names begin; "all" takes all. Other layers start from scratch.
    frozen
        Layers that are not trained, by how their names begin; "all": what was taken. Their statistics stay too.
    zoo
        The folder or URL in which `pretrained` is looked up by its name.

    Attributes
    ----------
    pretrained_name_, pretrained_sha256_ : str or None
        What was started from.
    """

    pretrained: str | None = None
    pretrained_layers: Any = ALL
    frozen: Any = ()
    zoo: str | None = None

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[misc]
        prefixes(self.pretrained_layers, LAYERS)
        if prefixes(self.frozen, FROZEN) is None and not self.pretrained:
            raise ConfigError(f"{FROZEN}: 'all' is what was loaded, and nothing is", "type: algorithm.pretrained=NAME")

    def prepare(self, module: nn.Module) -> None:
        """Give a new module the weights that it starts from, and freeze what is not to be trained."""
        taken: list[str] = []
        self.pretrained_name_ = self.pretrained_sha256_ = None
        if self.pretrained:
            weights = find_weights(self.pretrained, self.zoo)
            taken = take(module, weights, prefixes(self.pretrained_layers, LAYERS))
            self.pretrained_name_, self.pretrained_sha256_ = weights.name, weights.sha256
        asked = prefixes(self.frozen, FROZEN)
        names = [*module.state_dict()]
        still = taken if asked is None else chosen(asked, names, FROZEN, "the network")
        if still:
            freeze(module, still)


def prefixes(value: Any, path: str) -> list[str] | None:
    """Return beginnings of layers' names; None for "all"."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(item, (str, int, float)) for item in listed):
        raise ConfigError(f"{path}: {value!r} names no layers", "possible: all, or a list of how layers' names begin")
    return None if ALL in listed else [str(item).rstrip(".") for item in listed]


def take(module: nn.Module, weights: Weights, asked: Collection[str] | None) -> list[str]:
    """Put weights into a module; return the names of those that were taken.

    Raises
    ------
    ConfigError
        Where a layer that is asked for is missing on one of the two sides, or has another shape.
    """
    own = dict(module.state_dict())
    names = list(weights.tensors) if asked is None else chosen(asked, weights.tensors, LAYERS, whose(weights))
    here = own if asked is None else matched(asked, own)
    misfits = {name: why for name in dict.fromkeys([*here, *names]) if (why := misfit(name, own, weights))}
    if misfits:
        layers = {name.rpartition(".")[0] for name in misfits} - {""}  # whose other weights are of no use without
        possible = avoiding(names, {name for name in own if name.rpartition(".")[0] in layers} | set(misfits))
        raise ConfigError(
            f"{LAYERS}: {next(iter(misfits.values()))}",
            f"{len(misfits) - 1} more do not fit" if len(misfits) > 1 else "",
            f"type: '{LAYERS}=[{','.join(map(quoted, possible))}]'" if possible else "no layer fits: other weights?",
        )
    module.load_state_dict({**own, **{name: weights.tensors[name] for name in names}})
    return names


def chosen(asked: Collection[str], names: Collection[str], path: str, where: str) -> list[str]:
    """Return the names that begin with one of `asked`; each of these must begin one."""
    for prefix in asked:
        if not matched([prefix], names):
            known = list(dict.fromkeys(".".join(name.split(".")[: n + 1]) for name in names for n in range(9)))
            tops = list(dict.fromkeys(name.split(".")[0] for name in names))
            close = nearest(prefix, known)
            raise ConfigError(
                f"{path}: there is no layer '{prefix}' in {where}",
                f"did you mean: {', '.join(close)}?" if close else f"possible: {', '.join(tops[:12])}",
            )
    return matched(asked, names)


def misfit(name: str, own: Mapping[str, Tensor], weights: Weights) -> str | None:
    """Say why a layer's weights cannot be taken; None where they can."""
    if name not in own:
        return f"layer '{name}' of {whose(weights)} is not in this network"
    if name not in weights.tensors:
        return f"layer '{name}' of this network is not in {whose(weights)}"
    here, there = tuple(own[name].shape), tuple(weights.tensors[name].shape)
    return None if here == there else f"layer '{name}' has the shape {here}, and {there} in {whose(weights)}"


def whose(weights: Weights) -> str:
    """Return how weights are spoken of."""
    made = f" ({weights.architecture.rpartition('.')[2]})" if weights.architecture else ""
    return f"the weights '{weights.name}'{made}"


def quoted(prefix: str) -> str:
    """Return a beginning as it is typed: one of digits would be read as a number."""
    return f'"{prefix}"' if prefix[0].isdigit() else prefix
