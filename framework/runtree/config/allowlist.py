"""The allow-list: which code a config may name.

A `_target_` is imported only if it is allowed: scikit-learn's estimators, torch's layers and optimizers, optuna's
samplers and pruners, runtree's own options, the targets of an installed plugin's options, and what the user types on
the command line. A config file alone allows nothing.

The list maps onto the `execution_whitelist` of Hydra 1.4.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from runtree.contract.errors import MissingError, UntrustedError

# dotted prefix → the base classes of which a target below it must be a subclass
ALLOWED_PREFIXES: Mapping[str, tuple[str, ...]] = {
    **{f"runtree.{room}.": () for room in ("data", "preprocess", "algorithms", "evaluators", "compute", "tuners")},
    "sklearn.": ("sklearn.base.BaseEstimator",),
    "torch.nn.": ("torch.nn.Module",),
    "torch.optim.": ("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler"),
    "optuna.samplers.": ("optuna.samplers.BaseSampler",),
    "optuna.pruners.": ("optuna.pruners.BasePruner",),
}
# package → the extra that installs it
EXTRAS = {"torch": "torch", "safetensors": "torch", "PIL": "torch", "tensorboard": "tensorboard"}


@dataclass(frozen=True)
class AllowList:
    """The allowed prefixes, and single names that plugins or the command line add."""

    # a function, because plugins contribute names, and a command that builds nothing need not load them
    allowed: Callable[[], Iterable[str]] = field(default=tuple)

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the single names."""
        return frozenset(self.allowed())

    @cached_property
    # the runs of a sweep name the same few targets; a cached_property
    # writes to __dict__ directly, so the dataclass can be frozen
    def _resolved(self) -> dict[str, Any]:
        return {}

    def permits(self, target: str) -> bool:
        """Return whether the name is allowed; the class of the object is checked by `resolve`."""
        return _prefix(target) is not None or target in self.names

    def resolve(self, target: str, path: str) -> Any:
        """Import an allowed target; `path` is the config path for messages.

        Raises
        ------
        UntrustedError
            The target is not allowed.
        MissingError
            Its package is not installed, or has no such name.
        """
        if target not in self._resolved:
            self._resolved[target] = self._resolve(target, path)
        return self._resolved[target]

    def _resolve(self, target: str, path: str) -> Any:
        # a single name was allowed by a plugin or by the user, so it
        # may be anything: a function, a class from any package
        if target in self.names:
            return import_object(target, path)
        # refused before the import: importing a module already executes its code
        prefix = _prefix(target)
        if prefix is None:
            raise _not_allowed(target, path)
        # the class is known only after the import, which is harmless below these prefixes
        resolved = import_object(target, path)
        if not _is_allowed_class(resolved, prefix):
            raise _not_allowed(target, path)
        return resolved


def _prefix(target: str) -> str | None:
    return next((prefix for prefix in ALLOWED_PREFIXES if target.startswith(prefix)), None)


def _is_allowed_class(resolved: Any, prefix: str) -> bool:
    # a module may re-export foreign code (`sklearn.utils.os`), so the class itself must be defined below the prefix
    own = isinstance(resolved, type) and resolved.__module__.startswith(prefix.split(".")[0] + ".")
    bases = ALLOWED_PREFIXES[prefix]
    return own and (not bases or any(issubclass(resolved, import_object(base, base)) for base in bases))


def _not_allowed(target: str, path: str) -> UntrustedError:
    return UntrustedError(
        f"{path}: '{target}' is not code that a config may name",
        "possible: estimators of scikit-learn, modules and optimizers of torch, what installed plugins offer",
        f"if you trust it, type it yourself: {path}={target}",
    )


def import_object(target: str, path: str) -> Any:
    """Import the object with a dotted name; the error for a missing package names the extra that installs it."""
    parts = target.split(".")
    # the longest module name first: a dotted name does not say where modules end and attributes begin
    for length in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:length])
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as error:
            # the rest of the name may be attributes; but a module that is there and misses another one is at fault
            if not module_name.startswith(error.name or "\0"):
                raise _missing(target, path, str(error.name)) from error
            continue
        return _get_attribute(module, parts[length:], target, path)
    raise _missing(target, path, parts[0])


def _get_attribute(parent: Any, names: list[str], target: str, path: str) -> Any:
    for name in names:
        if not hasattr(parent, name):
            raise MissingError(f"{path}: '{target}' does not exist ({parent.__name__} has no '{name}')")
        parent = getattr(parent, name)
    return parent


def _missing(target: str, path: str, package: str) -> MissingError:
    extra = EXTRAS.get(package.split(".")[0])
    hint = f"install it: pip install 'runtree[{extra}]'" if extra else f"is '{package}' installed, or in this folder?"
    return MissingError(f"{path}: '{target}' needs the package '{package}', which is not installed", hint)


def find_targets(node: Any) -> Iterator[str]:
    """Yield every `_target_` in a node, those that differ by task included."""
    return (name for _, name in locate_targets(node, ""))


def locate_targets(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every `_target_` in a node, after its config path."""
    if isinstance(node, Mapping):
        # a target that differs by task is a mapping, and all its names are checked, not only that of the current task
        target = node.get("_target_")
        names = target.values() if isinstance(target, Mapping) else [target] if isinstance(target, str) else []
        yield from ((f"{path}._target_", name) for name in names)
        for key, value in node.items():
            if key != "_target_":
                yield from locate_targets(value, f"{path}.{key}")
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from locate_targets(item, path)


def add_import_folder(folder: Path) -> None:
    """Make the modules in a folder importable, as `python` does for the folder it is started in."""
    # a console script starts with its own folder at the head of sys.path, not with the working one
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def command_line_targets(overrides: Iterable[str]) -> Iterator[str]:
    """Yield the targets that the user typed: values of `_target_` keys, and `algorithm.path`."""
    # typed by the user in this call, and so allowed; the same key
    # in a config file, which may be someone else's, allows nothing
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key.rpartition(".")[2].startswith("_target_") or key.startswith("algorithm._target_."):
            yield value.strip("'\"")
        elif key == "algorithm.path":
            yield value.strip("'\"").replace(":", ".")
