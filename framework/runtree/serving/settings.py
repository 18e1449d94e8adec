"""The settings of `runtree serve`: an option of the config group `serve`, and what is typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from runtree.config.catalogue import Catalogue
from runtree.config.config_blocks import read_block
from runtree.config.secrets import reveal
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, RequestError, possible, unknown
from runtree.serving.access import AccessOptions, check_access_options
from runtree.serving.prediction_log import LogOptions, check_log_options

VERSION = version("runtree")
GROUP = "serve"
ACTIONS = ("refuse", "warn", "impute")
Number = float | int


@dataclass(frozen=True)
class PolicyOptions:
    """What is done about a value that the model has not been trained on; None: what the model's tags say."""

    missing: str | None = None
    unseen: str | None = None
    range: str | None = None


@dataclass(frozen=True)
class BatchOptions:
    """How rows are predicted together; times in seconds."""

    max_rows: int = 256
    queue_rows: int = 10_000
    timeout: Number = 30
    stuck: Number = 120


@dataclass(frozen=True)
class EncryptOptions:
    """The key of the prediction log; None: that of the run's config."""

    key: str | None = None  # ${secret:NAME}
    file: str | None = None


@dataclass(frozen=True)
class ServeSettings:
    """All keys of the group `serve`; see conf/serve/default.yaml."""

    name: str = "default"
    policy: PolicyOptions = field(default_factory=PolicyOptions)
    batch: BatchOptions = field(default_factory=BatchOptions)
    log: LogOptions = field(default_factory=LogOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    encrypt: EncryptOptions = field(default_factory=EncryptOptions)
    reload: Number = 2
    grace: Number = 1
    drain: Number = 30
    receive: Number = 30
    monitor: str = "monitoring"


PARTS = {
    "policy": PolicyOptions,
    "batch": BatchOptions,
    "log": LogOptions,
    "access": AccessOptions,
    "encrypt": EncryptOptions,
}


def read_settings(catalogue: Catalogue, words: Sequence[str] = ()) -> ServeSettings:
    """Compose an option of the group `serve` and the words ``serve=NAME`` and ``serve.KEY=VALUE``.

    Raises
    ------
    RequestError
        A word is of another form, or a key or a value is not possible.
    """
    option, changes = "default", []
    for word in words:
        key, mark, text = word.partition("=")
        if key == GROUP and mark:
            option = text
        elif key.startswith(f"{GROUP}.") and mark:
            changes.append((key.split(".")[1:], _parse(word, text)))
        else:
            raise RequestError(f"'{word}' sets nothing of a service", f"see: {command('describe', f'{GROUP}=default')}")
    node = catalogue.node(GROUP, option)
    for path, value in changes:
        _set(node, path, value)
    # a key stays named until it is used: it is read with the name of its variable
    node = {**reveal(node, GROUP), **({"encrypt": node["encrypt"]} if "encrypt" in node else {})}
    return read_block(ServeSettings, node, GROUP, PARTS, _check)


def _parse(word: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise RequestError(f"'{word}': '{text}' is no value", "for example serve.batch.max_rows=64") from None


def _set(node: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for depth, key in enumerate(path):
        if not isinstance(node, dict) or key not in node:
            known = node if isinstance(node, Mapping) else ()
            raise unknown(f"key at {'.'.join([GROUP, *path[:depth]])}:", key, known, error=ConfigError)
        if depth < len(path) - 1:
            node = node[key]
    node[path[-1]] = value


def _check(settings: ServeSettings) -> None:
    check_log_options(settings.log)
    check_access_options(settings.access)
    policy, batch = settings.policy, settings.batch
    for name in ("missing", "unseen", "range"):
        check_action(getattr(policy, name), f"{GROUP}.policy.{name}")
    times = {"batch.timeout": batch.timeout, "batch.stuck": batch.stuck, "receive": settings.receive}
    for name, value in {**times, "batch.max_rows": batch.max_rows, "batch.queue_rows": batch.queue_rows}.items():
        if value <= 0:
            raise ConfigError(f"{GROUP}.{name}: {value} must be above 0")
    for name in ("reload", "grace", "drain"):
        if getattr(settings, name) < 0:
            raise ConfigError(f"{GROUP}.{name}: {getattr(settings, name)} must not be negative")


def check_action(action: Any, path: str) -> None:
    """Refuse what is no action of a policy."""
    if action is not None and action not in ACTIONS:
        raise ConfigError(f"{path}: '{action}' is not one of the actions", possible(ACTIONS))
