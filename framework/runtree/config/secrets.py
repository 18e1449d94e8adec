"""Secrets: named in a config, read from the environment, never written.

``data.path=${secret:WAREHOUSE_URL}`` stays this text in every file; only the object that is built gets the value.
"""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from runtree.contract.errors import ConfigError

REFERENCE = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_]*)\}")
# the last word of a key, so that `token` and `hf_token` are secret, `tokenizer` and `max_tokens` are not
NAMED = re.compile(r"(^|[._-])(password|passwd|secret|token|api_?key|credentials?|private_key)$", re.IGNORECASE)
# credentials in a URL: user:password@ in any, user@ (a token) in http and https
ADDRESS = re.compile(r"://[^/\s@:]*:[^/\s@]+@|(?<=http)s?://[^/\s@]+@")
HIDDEN = "***"


def keep_reference(name: str) -> str:
    """Resolve ``${secret:NAME}`` to itself, so that a frozen config contains no secret."""
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
    return os.environ[name]


def redact(node: Any, key: str = "") -> Any:
    """Return a node without the values of keys such as `password` and without credentials in URLs."""
    if isinstance(node, str):
        hide = _is_secret(key) and not REFERENCE.fullmatch(node)
        return HIDDEN if hide else ADDRESS.sub(_without_credentials, node) if "://" in node else node
    # dict before Mapping, whose check is slower: each run of a sweep is redacted
    if isinstance(node, (dict, Mapping)):
        return {name: redact(item, str(name)) for name, item in node.items()}
    return [redact(item, key) for item in node] if isinstance(node, list) else node


# a sweep redacts the same keys for each run
@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return NAMED.search(key) is not None


def _without_credentials(match: re.Match[str]) -> str:
    """Return the part of a URL before the host; a ``${secret:NAME}`` is no secret itself and stays."""
    return match[0] if REFERENCE.search(match[0]) else f"{match[0].partition('//')[0]}//{HIDDEN}@"


def redact_override(override: str) -> str:
    """Return an override without the value of a secret key and without credentials in URLs."""
    key, sign, value = override.partition("=")
    # the value may be quoted, for the shell or for Hydra
    hide = sign and NAMED.search(key) and not REFERENCE.fullmatch(value.strip("'\""))
    return f"{key}={HIDDEN}" if hide else ADDRESS.sub(_without_credentials, override)
