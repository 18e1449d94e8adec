"""Which code a config may name.

A `_target_` is looked up only where somebody vouches for it: scikit-learn's estimators, torch's layers and optimizers,
optuna's samplers and pruners, runtree's own choices, what an installed plugin's options name, and what the user
types on the command line. A file in somebody's folder vouches for nothing.

The list maps onto the `execution_whitelist` that Hydra 1.4 wants.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from runtree.contract.errors import MissingError, UntrustedError

# Dotted prefix → the classes of which a target below it must be a kind.
ALLOWED_PREFIXES: Mapping[str, tuple[str, ...]] = {
    **{f"runtree.{room}.": () for room in ("data", "preprocess", "algorithms", "evaluators", "compute", "tuners")},
    "sklearn.": ("sklearn.base.BaseEstimator",),
    "torch.nn.": ("torch.nn.Module",),
    "torch.optim.": ("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler"),
    "optuna.samplers.": ("optuna.samplers.BaseSampler",),
    "optuna.pruners.": ("optuna.pruners.BasePruner",),
}
# Which extra brings a package that is missing.
EXTRAS = {"torch": "torch", "safetensors": "torch", "PIL": "torch", "tensorboard": "tensorboard"}


@dataclass(frozen=True)
class AllowList:
    """The names that may be resolved: families, and single names that a plugin or the command line vouches for."""

    vouched: Callable[[], Iterable[str]] = field(default=tuple)

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the single names."""
        return frozenset(self.vouched())

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return {}

    def resolve(self, target: str, path: str) -> Any:
        """Import what `target` names if it may be named; `path` is the config path for messages."""
        if target not in self._resolved:
            self._resolved[target] = self._resolve(target, path)
        return self._resolved[target]

    def _resolve(self, target: str, path: str) -> Any:
        if target in self.names:
            return import_object(target, path)
        family = next((prefix for prefix in ALLOWED_PREFIXES if target.startswith(prefix)), None)
        if family is None:
            raise _refused(target, path)
        found = import_object(target, path)
        if not _belongs(found, family):
            raise _refused(target, path)
        return found


def _belongs(found: Any, family: str) -> bool:
    # A module may re-export what is not its own (`sklearn.utils.os`), so the class itself must come from the family.
    own = isinstance(found, type) and found.__module__.startswith(family.split(".")[0] + ".")
    bases = ALLOWED_PREFIXES[family]
    return own and (not bases or any(issubclass(found, import_object(base, base)) for base in bases))


def _refused(target: str, path: str) -> UntrustedError:
    return UntrustedError(
        f"{path}: '{target}' is not code that a config may name",
        "possible: estimators of scikit-learn, modules and optimizers of torch, what installed plugins offer",
        f"if you trust it, type it yourself: {path}={target}",
    )


def import_object(target: str, path: str) -> Any:
    """Import the object with a dotted name; a missing package names the extra that brings it."""
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found = import_module(module_name)
        except ModuleNotFoundError as error:
            if not module_name.startswith(error.name or "\0"):
                raise _missing(target, path, str(error.name)) from error
            continue
        return _attribute(found, parts[cut:], target, path)
    raise _missing(target, path, parts[0])


def _attribute(found: Any, names: list[str], target: str, path: str) -> Any:
    for name in names:
        if not hasattr(found, name):
            raise MissingError(f"{path}: there is no '{target}' ({found.__name__} has no '{name}')")
        found = getattr(found, name)
    return found


def _missing(target: str, path: str, package: str) -> MissingError:
    extra = EXTRAS.get(package.split(".")[0])
    hint = f"install it: pip install 'runtree[{extra}]'" if extra else f"is '{package}' installed, or in this folder?"
    return MissingError(f"{path}: '{target}' needs the package '{package}', which is not there", hint)


def find_targets(node: Any) -> Iterator[str]:
    """Yield every `_target_` in a node, those that differ by task included."""
    return (name for _, name in locate_targets(node, ""))


def locate_targets(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every `_target_` in a node with its config path."""
    if isinstance(node, Mapping):
        own = node.get("_target_")
        names = own.values() if isinstance(own, Mapping) else [own] if isinstance(own, str) else []
        yield from ((f"{path}._target_", name) for name in names)
        for key, value in node.items():
            if key != "_target_":
                yield from locate_targets(value, f"{path}.{key}")
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from locate_targets(item, path)


def add_import_folder(folder: Path) -> None:
    """Let modules in a folder be imported, as `python` does for the folder it is started in."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def command_line_targets(overrides: Iterable[str]) -> Iterator[str]:
    """Yield what the user named on the command line: values of `_target_` keys, and `algorithm.path`."""
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key.rpartition(".")[2].startswith("_target_") or key.startswith("algorithm._target_."):
            yield value.strip("'\"")
        elif key == "algorithm.path":
            yield value.strip("'\"").replace(":", ".")
