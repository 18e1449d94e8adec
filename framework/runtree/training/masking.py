"""A model is written without the secrets that it was built with.

An estimator keeps its parameters as attributes, and the formats of models write attributes: a key of a service that was
given as ``${secret:NAME}`` would be in the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from runtree.contract.redaction import knows_secrets, redact_values

CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
Change = tuple[dict[Any, Any] | list[Any], Any, Any]  # a container, a key or position in it, and what stood there


@contextmanager
def without_secrets(model: Any) -> Iterator[None]:
    """Hide known secrets in a model and in all that it consists of, within the context."""
    changes: list[Change] = []
    try:
        if knows_secrets():
            _mask(model, changes, set())
        yield
    finally:
        for container, key, value in reversed(changes):
            container[key] = value


def _mask(value: Any, changes: list[Change], seen: set[int]) -> Any:
    """Hide secrets in what a value refers to, and return what to put in its place: itself unless it is a text."""
    if isinstance(value, str):
        return redact_values(value)
    if isinstance(value, CODE) or id(value) in seen:
        return value
    seen.add(id(value))
    if type(value) is tuple:
        items = tuple(_mask(item, changes, seen) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    container = value if isinstance(value, (dict, list)) else getattr(value, "__dict__", None)
    if isinstance(container, (dict, list)):
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in list(pairs):
            masked = _mask(item, changes, seen)
            if masked is not item and masked != item:
                changes.append((container, key, item))
                container[key] = masked
    return value
