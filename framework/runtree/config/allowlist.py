"""The allow-list: which code a config may name, and with which arguments.

A `_target_` is imported only if it is allowed: scikit-learn's estimators, torch's layers and optimizers, optuna's
samplers and pruners, runtree's own options, the targets of an installed plugin's options, and what the user types on
the command line. A config file or a record alone allows nothing.

The list maps onto the `execution_whitelist` of Hydra 1.4.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from runtree.config.calls import COMMANDS, locate_calls, locate_risks, target_names
from runtree.config.provenance import TypedWords
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
RUNS_COMMANDS = ("runtree.algorithms.command.", "runtree.algorithms.container.")
# Hydra's callbacks that only log or write into the run's folder
HYDRA_CALLBACKS = (
    "hydra.experimental.callbacks.LogJobReturnCallback",
    "hydra.experimental.callbacks.PickleJobInfoCallback",
)
# package → the extra that installs it
EXTRAS = {"torch": "torch", "safetensors": "torch", "PIL": "torch", "tensorboard": "tensorboard"}

Nodes = Callable[[], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class OwnCode:
    """The code that the user's own ``conf/`` names.

    Attributes
    ----------
    calls
        Each dotted name that the user has allowed, with the nodes that name it.
    hints
        What to type for each dotted name that is not.
    """

    calls: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)

    def sets(self, target: str, keys: Sequence[str], call: Mapping[str, Any]) -> bool:
        """Return whether ``conf/`` itself gives an argument of an allowed target the value that a call has."""
        return any(_value_at(node, keys) == _value_at(call, keys) is not None for node in self.calls.get(target, ()))


def _value_at(node: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


@dataclass(frozen=True)
class AllowList:
    """The allowed prefixes, and single names of installed options or of the command line.

    Parameters
    ----------
    options
        Returns the config nodes of installed options. They allow the targets that they name, and the arguments that
        they list.
    read_own
        Returns the code that the user's own ``conf/`` names.
    """

    # a function, because reading every option takes longer than a run that names only shipped classes needs
    options: Nodes = field(default=tuple)
    typed: TypedWords = field(default_factory=TypedWords)
    read_own: Callable[[], OwnCode] = OwnCode

    @cached_property
    def own(self) -> OwnCode:
        """Return the code that the user's own ``conf/`` names; it is read where nothing else allows a name."""
        return self.read_own()

    @cached_property
    def installed(self) -> Mapping[str, frozenset[str]]:
        """Return the arguments that installed options list, by target."""
        listed: dict[str, frozenset[str]] = {}
        for node in self.options():
            for _, call in locate_calls(node, ""):
                for name in target_names(call):
                    listed[name] = listed.get(name, frozenset()).union(call)
        return listed

    @cached_property
    # the runs of a sweep name the same few targets; a cached_property
    # writes to __dict__ directly, so the dataclass can be frozen
    def _resolved(self) -> dict[str, Any]:
        return {}

    def __reduce__(self) -> Any:
        """Pickle for the process of a Hydra launcher."""
        nodes = tuple({"_target_": name, **dict.fromkeys(keys)} for name, keys in self.installed.items())
        return _make_allow_list, (nodes, self.typed, OwnCode(self.own.calls))

    def names(self, target: str) -> bool:
        """Return whether a single name is allowed: by an installed option, or by the user."""
        return target in self.typed.targets or target in self.installed or target in self.own.calls

    def permits(self, target: str) -> bool:
        """Return whether the name is allowed; the class of the object is checked by `resolve`."""
        return _prefix(target) is not None or self.names(target)

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
        if target in self.typed.targets:
            return import_object(target, path)
        # refused before the import: importing a module already executes its code
        prefix = _prefix(target)
        if prefix is not None:
            # the class is known only after the import, which is harmless below these prefixes
            resolved = import_object(target, path)
            if _is_allowed_class(resolved, prefix):
                return resolved
        if target not in self.installed and target not in self.own.calls:
            raise not_allowed({path: target}, self.own)
        return import_object(target, path)

    def authorize(self, node: Mapping[str, Any], path: str) -> None:
        """Refuse a node if a target in it is not allowed, or an argument that the user has not typed.

        All of them are checked before any is called: a constructor that ran before a later target is refused may have
        had effects already.
        """
        for place, call in locate_calls(node, path):
            for name in target_names(call):
                resolved = self.resolve(name, f"{place}._target_")
                self.check_arguments(name, call, place, _parameter_names(resolved) if "_args_" in call else ())

    def check_arguments(
        self, target: str, call: Mapping[str, Any], path: str, positional: tuple[str, ...] = ()
    ) -> None:
        """Refuse an argument that lets an allowed class read, write or run what a file names.

        It is allowed if the user typed it or trusts the class, and where an installed option lists it.
        """
        # a command is code, whichever class runs it, and the shipped option that lists the key does not vouch for it
        if target.startswith(RUNS_COMMANDS):
            for key in COMMANDS:
                if call.get(key) not in (None, ["train"]) and not self.typed.sets(f"{path}.{key}"):
                    raise UntrustedError(
                        f"{path}.{key}: a file or a record may not say what is run",
                        f"if you trust it, type it, or add: --trust {path}.{key}",
                    )
        # the paths of runtree's own classes are checked there: data.path is the file of the table
        if target in self.typed.trusted or target.startswith("runtree."):
            return
        for place, argument in locate_risks(call, path, positional):
            keys = place.removeprefix(f"{path}.").split(".")
            listed = argument in self.installed.get(target, ()) or self.own.sets(target, keys, call)
            if not listed and not self.typed.sets(place):
                raise UntrustedError(
                    f"{place}: a file or a record may not set '{argument}' of {target}",
                    "it names a function, or a path where files are read, written or unpickled",
                    f"if you trust it, add: --trust {place}",
                )


def _make_allow_list(nodes: tuple[Mapping[str, Any], ...], typed: TypedWords, own: OwnCode) -> AllowList:
    return AllowList(lambda: nodes, typed, lambda: own)


def _parameter_names(resolved: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(resolved).parameters)
    except (TypeError, ValueError):  # a class that is written in C
        return ()


def _prefix(target: str) -> str | None:
    return next((prefix for prefix in ALLOWED_PREFIXES if target.startswith(prefix)), None)


def _is_allowed_class(resolved: Any, prefix: str) -> bool:
    # a module may re-export foreign code (`sklearn.utils.os`), so the class itself must be defined below the prefix
    own = isinstance(resolved, type) and f"{resolved.__module__}.".startswith(prefix)
    bases = ALLOWED_PREFIXES[prefix]
    return own and (not bases or any(issubclass(resolved, import_object(base, base)) for base in bases))


def not_allowed(targets: Mapping[str, str], own: OwnCode) -> UntrustedError:
    """Return the error for targets by config path, with what to type if the user's own ``conf/`` names them."""
    (path, target), *_ = targets.items()
    return UntrustedError(
        f"{path}: '{target}' is not code that a file or a record may name",
        "possible: estimators of scikit-learn, modules and optimizers of torch, what installed plugins offer",
        f"if you trust it, add: {' '.join(f'--trust {name}' for name in dict.fromkeys(targets.values()))}",
        next((own.hints[name] for name in targets.values() if name in own.hints), ""),
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
            message = f"{path}: '{target}' does not exist ({parent.__name__} has no '{name}')"
            # what a notebook or a script defines is in the module of its own process, and no worker imports that
            if target.startswith("__main__."):
                raise MissingError(
                    message,
                    "a worker process has another __main__: write the code to a file beside it, such as my_code.py",
                    f"(in a notebook: %%writefile my_code.py), and name my_code.{target.removeprefix('__main__.')}",
                    "or stay in this process: compute.engine=in_process",
                )
            raise MissingError(message)
        parent = getattr(parent, name)
    return parent


def _missing(target: str, path: str, package: str) -> MissingError:
    extra = EXTRAS.get(package.split(".")[0])
    hint = f"install it: pip install 'runtree[{extra}]'" if extra else f"is '{package}' installed, or in this folder?"
    return MissingError(f"{path}: '{target}' needs the package '{package}', which is not installed", hint)


def add_import_folder(folder: Path, targets: Iterable[str]) -> None:
    """Make the modules in a folder importable, as `python` does for the folder it is started in.

    Only if one of the targets lies there: a downloaded folder may hold a `pandas.py`.
    """
    own = {target.partition(".")[0] for target in targets if _prefix(target) is None}
    # a console script starts with its own folder at the head of sys.path, not with the working one
    if str(folder) not in sys.path and any(PathFinder.find_spec(name, [str(folder)]) for name in own):
        sys.path.insert(0, str(folder))
