"""Builds objects from config nodes, and nothing else does. Every error names the config path."""

import inspect
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, get_type_hints

from runtree.config.calls import NOT_ARGUMENTS
from runtree.config.catalogue import for_task
from runtree.config.secrets import reveal
from runtree.config.value_types import check_type, is_node
from runtree.contract.errors import ConfigError, RuntreeError, describe_error, raise_if_ours, unknown
from runtree.contract.protocols import TargetResolver

CALL_KEYS = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")  # how Hydra makes the call


def build(node: Mapping[str, Any], path: str, trust: TargetResolver) -> Any:
    """Build the object that `node` describes: `_target_` called with the other keys.

    Raises
    ------
    ConfigError
        A key that the target does not take, or a value of the wrong type.
    UntrustedError
        A target that is not on the allow-list.
    MissingError
        A target whose package is not installed.
    """
    target = node.get("_target_")
    # a mapping by task must have been resolved before, with `for_task`
    if not isinstance(target, str):
        raise ConfigError(f"{path}: '_target_' must be the dotted name of a class, not {target!r}")
    if node.get("_partial_"):
        raise ConfigError(f"{path}._partial_: a function would be made, and an object is needed", "leave the key out")
    trust.authorize(node, path)
    factory = trust.resolve(target, f"{path}._target_")
    arguments = {key: value for key, value in node.items() if key not in NOT_ARGUMENTS}
    check_arguments(factory, arguments, path)
    if "_args_" not in node:
        check_required(factory, arguments, path)
    # secrets are read here, at the last moment, so that no config that is written or shown contains one
    return construct({"_target_": target, **reveal(arguments, path)}, trust, path)


def build_algorithm(node: Mapping[str, Any], task: str, trust: TargetResolver, validate: bool = True) -> Any:
    """Build the unfitted algorithm for a task; with `validate=False` its parameters are validated by its fit alone."""
    chosen = (
        imported_algorithm_node(node)
        if "path" in node and "_target_" not in node
        else for_task(node, task, "algorithm")
    )
    algorithm = build(chosen, "algorithm", trust)
    for method in ("fit", "predict"):
        if not callable(getattr(algorithm, method, None)):
            raise ConfigError(f"algorithm: {type(algorithm).__name__} has no '{method}', so it cannot be trained")
    if validate:
        validate_parameters(algorithm, "algorithm")
    return algorithm


def imported_algorithm_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node of ``algorithm=import algorithm.path=my.module:MyEstimator`` with a `_target_`."""
    return {"_target_": str(node["path"]).replace(":", "."), **(node.get("params") or {})}


def check_arguments(factory: Any, arguments: Mapping[str, Any], path: str) -> None:
    """Refuse keys that `factory` does not take and values of the wrong type."""
    # **kwargs takes any key; keys with an underscore (_partial_, _args_) are Hydra's and no arguments
    parameters = _parameters(factory)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for key in arguments:
            if key not in parameters and not key.startswith("_"):
                raise unknown(
                    "config key", f"{path}.{key}", [f"{path}.{name}" for name in parameters], error=ConfigError
                )
    # dataclasses do not check types themselves, and a wrong type would fail far from its config path
    hints = _hints(factory)
    for key, value in arguments.items():
        # most values are of the very type and need no typeguard, which is slow
        if key in hints and type(value) is not hints[key] and not is_node(value, hints[key]):
            check_type(value, hints[key], f"{path}.{key}")


def check_required(factory: Any, arguments: Mapping[str, Any], path: str) -> None:
    """Refuse arguments among which one is missing that has no default."""
    for name, parameter in _parameters(factory).items():
        is_variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if name not in arguments and parameter.default is parameter.empty and not is_variable:
            raise ConfigError(f"{path}.{name}: a value is required", f"set it on the command line: {path}.{name}=…")


@lru_cache(maxsize=256)
def _parameters(factory: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(factory).parameters


@lru_cache(maxsize=256)
def _hints(factory: Any) -> dict[str, Any]:
    try:
        return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except (NameError, TypeError):  # annotations that only a type checker can read
        return {}


def validate_parameters(algorithm: Any, path: str) -> None:
    """Validate the parameters of a scikit-learn estimator, before any data is read."""
    if not hasattr(algorithm, "_parameter_constraints"):  # not scikit-learn's: it has its own way
        return
    try:
        # scikit-learn validates in `fit`, after the data was read and split: a typo would show minutes later
        algorithm._validate_params()
    except ValueError as error:
        raise parameter_error(algorithm, path, error) from None


def parameter_error(algorithm: Any, path: str, error: ValueError) -> ConfigError:
    """Return the error of an estimator with the config path of the parameter it names."""
    # scikit-learn quotes the name of the parameter in its message, and there is no attribute for it
    name = next((key for key in algorithm.get_params(deep=False) if f"'{key}' parameter" in str(error)), "")
    return ConfigError(f"{path}.{name}".rstrip(".") + f": {error}")


def construct(node: Any, trust: TargetResolver, path: str) -> Any:
    """Build the objects of a node and of the nodes inside it, as Hydra's `instantiate` would.

    `instantiate` makes an OmegaConf node of each, which takes 20 ms here, and a sweep builds several objects a run.
    """
    if isinstance(node, (list, tuple)):
        return [construct(item, trust, path) for item in node]
    # a value that is no node, such as a number, is passed as it is
    if not isinstance(node, Mapping):
        return node
    built = (
        node if node.get("_recursive_") is False else {k: construct(v, trust, f"{path}.{k}") for k, v in node.items()}
    )
    if "_target_" not in node:
        return dict(built)
    call = trust.resolve(node["_target_"], f"{path}._target_")
    arguments = {key: value for key, value in built.items() if key not in CALL_KEYS}
    # optuna's samplers and torch's optimizers get their last arguments later, when the seed or the weights exist
    if node.get("_partial_"):
        return partial(call, *built.get("_args_", ()), **arguments)
    try:
        return call(*built.get("_args_", ()), **arguments)
    # an error with a config path of its own, from a nested node; any other comes from the constructor
    except RuntreeError:
        raise
    except BaseException as error:
        raise_if_ours(error)
        # what a constructor refuses, it says in words; of other exceptions the text alone means nothing
        message = str(error) if isinstance(error, (ValueError, TypeError)) else describe_error(error)
        raise ConfigError(f"{path}: {message}") from error
