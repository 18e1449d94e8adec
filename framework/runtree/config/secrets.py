"""Secrets: named in a config, read from the environment, never written.

``data.path=${secret:WAREHOUSE_URL}`` stays this text in every file; only the object that is built gets the value. From
then on the redactor (`contract.redaction`) hides the value in all that this process writes.
"""

import os
from collections.abc import Mapping
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.redaction import REFERENCE, remember_secret


def keep_reference(name: str) -> str:
    """Resolve ``${secret:NAME}`` to itself, so that a frozen config contains no secret."""
    # known from here on: the process that composes a sweep prints the errors of workers, which reveal it
    if name in os.environ:
        remember_secret(os.environ[name], name)
    return f"${{secret:{name}}}"


def reveal(value: Any, path: str = "") -> Any:
    """Return a node with the values of its secrets."""
    if isinstance(value, Mapping):
        return {key: reveal(item, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item, path) for item in value]
    # also inside a text: `postgresql://user:${secret:PASSWORD}@host/db`
    return REFERENCE.sub(lambda match: _from_environment(match[1], path), value) if isinstance(value, str) else value


def _from_environment(name: str, path: str) -> str:
    if name not in os.environ:
        raise ConfigError(f"{path}: the secret {name} is not set", f"set it in the environment: export {name}=…")
    value = os.environ[name]
    remember_secret(value, name)
    return value
