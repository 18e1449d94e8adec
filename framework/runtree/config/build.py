"""The one place where a config node becomes an object. Every failure names the config path."""

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from runtree.config.secrets import reveal
from runtree.config.task import for_task
from runtree.config.trust import targets
from runtree.contract.errors import ConfigError, RuntreeError, unknown
from runtree.contract.protocols import Trust

NOT_ARGUMENTS = ("_target_", "name", "space")  # what an option says of itself


def build(node: Mapping[str, Any], path: str, trust: Trust) -> Any:
    """Make the object that `node` describes: `_target_` called with the other keys.

    Raises
    ------
    ConfigError
        A key that the target does not take, or a value of the wrong type.
    UntrustedError
        A target that nobody vouches for.
    MissingError
        A target whose package is not installed.
    """
    target = node.get("_target_")
    if not isinstance(target, str):
        raise ConfigError(f"{path}: '_target_' must be the dotted name of a class, not {target!r}")
    for name in targets(node):
        trust.resolve(name, f"{path}._target_")
    factory = trust.resolve(target, f"{path}._target_")
    arguments = {key: value for key, value in node.items() if key not in NOT_ARGUMENTS}
    check_arguments(factory, arguments, path)
    return _instantiate({"_target_": target, **reveal(arguments, path)}, path)


def build_algorithm(node: Mapping[str, Any], task: str, trust: Trust) -> Any:
    """Make the unfitted algorithm for a task."""
    chosen = imported(node) if "path" in node and "_target_" not in node else for_task(node, task, "algorithm")
    algorithm = build(chosen, "algorithm", trust)
    for method in ("fit", "predict"):
        if not callable(getattr(algorithm, method, None)):
            raise ConfigError(f"algorithm: {type(algorithm).__name__} has no '{method}', so it cannot be trained")
    validate_parameters(algorithm, "algorithm")
    return algorithm


def imported(node: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``algorithm=import algorithm.path=my.module:MyEstimator`` into a node with a `_target_`."""
    return {"_target_": str(node["path"]).replace(":", "."), **(node.get("params") or {})}


def check_arguments(factory: Any, arguments: Mapping[str, Any], path: str) -> None:
    """Refuse keys that `factory` does not take and values of the wrong type."""
    parameters = inspect.signature(factory).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for key in arguments:
            if key not in parameters and not key.startswith("_"):
                raise unknown(
                    "config key", f"{path}.{key}", [f"{path}.{name}" for name in parameters], error=ConfigError
                )
    hints = _hints(factory)
    for key, value in arguments.items():
        if key in hints and not isinstance(value, Mapping):
            check_type(value, hints[key], f"{path}.{key}")


def _hints(factory: Any) -> dict[str, Any]:
    try:
        return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except (NameError, TypeError):  # annotations that only a type checker can read
        return {}


def check_type(value: Any, hint: Any, path: str) -> None:
    """Refuse a value that is not of the annotated type."""
    from typeguard import CollectionCheckStrategy, TypeCheckError
    from typeguard import check_type as matches

    try:
        matches(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError:
        shown = getattr(hint, "__name__", None) if inspect.isclass(hint) else str(hint).replace("typing.", "")
        raise ConfigError(f"{path}: {value!r} is not of the type {shown}") from None


def validate_parameters(algorithm: Any, path: str) -> None:
    """Ask a scikit-learn estimator whether its parameters are allowed, before any data is read."""
    if not hasattr(algorithm, "_parameter_constraints"):  # an estimator of somebody else's
        return
    try:
        algorithm._validate_params()
    except ValueError as error:
        name = next((key for key in algorithm.get_params(deep=False) if f"'{key}' parameter" in str(error)), "")
        raise ConfigError(f"{path}.{name}".rstrip(".") + f": {error}") from None


def _instantiate(node: dict[str, Any], path: str) -> Any:
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, RuntreeError):
            raise cause from None
        raise ConfigError(f"{path}: {cause or str(error).partition(chr(10))[0]}") from error
