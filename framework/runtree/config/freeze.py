"""A composed config is resolved, checked, fingerprinted, and never changed afterwards."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from runtree.config.catalogue import flatten
from runtree.config.hydra_versions import hydra_values, register_resolver
from runtree.config.secrets import keep_reference
from runtree.config.value_types import how_to_write
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, first_line, unknown
from runtree.contract.fingerprint import COPIES, affects_fingerprint
from runtree.contract.fingerprint import IGNORED_GROUPS as OUTSIDE
from runtree.contract.redaction import redact

# no slash, so that a name cannot leave the output folder; no leading dot, because listings ignore hidden folders; and
# well below the 255 bytes that file systems allow
FOLDER_NAME = r"(?!\.)[A-Za-z0-9._-]{1,128}"


GROUPS = ("data", "schema", "preprocess", "algorithm", "evaluator", "compute", "tuner")
BLOCKS = ("experiment", "objective", "fit", "decision", "target", "imbalance")  # mappings of which no file is chosen


def check_blocks(config: Mapping[str, Any]) -> None:
    """Refuse a group or block of keys that is something else, such as ``fit=1``."""
    for name in (*GROUPS, *BLOCKS):
        if name in config and not isinstance(config[name], Mapping):
            choose = f"choose an option: {command('list', name)}" if name in GROUPS else f"set its keys: {name}.KEY=…"
            raise ConfigError(f"{name}: {config[name]!r} is no mapping of keys to values", choose)


def check_root(config: Mapping[str, Any]) -> None:
    """Check the keys that every config has."""
    check_blocks(config)
    seed = config.get("seed")
    # numpy and scikit-learn take seeds of 32 bits
    # bool is a subclass of int: `seed=true` would be 1
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        message = f"seed: {seed!r} is not an integer from 0 to 4294967295"
        raise ConfigError(message, "" if isinstance(seed, int) else how_to_write(seed, (int,), "seed"))
    check_name("experiment.name", (config.get("experiment") or {}).get("name"))
    check_objective(config.get("objective") or {})
    outputs = config.get("outputs")
    if not isinstance(outputs, str):
        raise ConfigError(f"outputs: {outputs!r} is not a folder", how_to_write(outputs, (str,), "outputs"))


def check_name(path: str, name: Any) -> None:
    """Refuse a name that is not valid for a folder."""
    # YAML reads `experiment.name=7` as a number
    if not isinstance(name, (str, int)) or not re.fullmatch(FOLDER_NAME, str(name)):
        is_name = name is None or isinstance(name, str)
        raise ConfigError(
            f"{path}: {name!r} is not a valid folder name",
            "use letters, digits, '.', '_' and '-', and no leading dot",
            "" if is_name else how_to_write(name, (str,), path),
        )


def check_objective(objective: Mapping[str, Any]) -> None:
    """Refuse an objective with unknown keys or an unknown direction."""
    for key in objective:
        if key not in ("metric", "direction"):
            known = ["objective.metric", "objective.direction"]
            raise unknown("config key", f"objective.{key}", known, error=ConfigError)
    directions = objective.get("direction", "auto")
    for direction in directions if isinstance(directions, list) else [directions]:
        if direction not in ("auto", "maximize", "minimize"):
            raise ConfigError(f"objective.direction: {direction!r} is not one of auto, maximize, minimize")


JOB_VALUE = re.compile(r"\$\{(hydra|now):")
NOT_OF_RUNS = ("hydra", "tuner")  # keys of Hydra and of sweeps


@dataclass(frozen=True)
class FrozenConfig:
    """A resolved config (plain dicts and lists) and its fingerprint."""

    config: dict[str, Any]
    fingerprint: str

    @cached_property
    def written(self) -> dict[str, Any]:
        """Return the config with secrets redacted, as it may be written to files."""
        redacted: dict[str, Any] = redact(self.config)
        return redacted

    @cached_property
    def flat(self) -> dict[str, Any]:
        """Return the redacted config by dotted path."""
        return flatten(self.written)


def freeze(composed: DictConfig | Mapping[str, Any]) -> FrozenConfig:
    """Resolve a config, check the keys that every run has, and fingerprint it."""
    register_resolvers()
    node = composed if isinstance(composed, DictConfig) else OmegaConf.create(dict(composed))
    if any(name in node for name in NOT_OF_RUNS):
        # before resolving: Hydra's own node has interpolations that hold only inside a job
        node = OmegaConf.masked_copy(node, [str(name) for name in node if name not in NOT_OF_RUNS])
    with hydra_values(composed):
        config = _resolve(_with_train_part(node))
    # ${secret:NAME} stands for itself here, so that another password gives the same fingerprint
    frozen = FrozenConfig(config, fingerprint(config, uncounted_paths(node)))
    # evaluated now, because it makes the secrets in it known to the redactor, before anything may fail and quote them
    frozen.written  # noqa: B018
    check_root(config)
    return frozen


def _with_train_part(node: DictConfig) -> DictConfig:
    """Return a config in which a required `data.path` that is not set is that of the train part, if there is one."""
    data = OmegaConf.select(node, "data")
    if not OmegaConf.is_dict(data) or not OmegaConf.is_missing(data, "path"):
        return node
    train = OmegaConf.select(data, "parts.train")
    path = train.get("path") if OmegaConf.is_dict(train) else train
    if not path:
        return node
    filled = OmegaConf.masked_copy(node, [str(name) for name in node])
    OmegaConf.update(filled, "data.path", path)
    return filled


def register_resolvers() -> None:
    """Register ``${secret:NAME}``, ``${padded:7}`` (0007) and ``${if_iterates:3}`` with OmegaConf."""
    # OmegaConf keeps resolvers for the whole process, and refuses to register one twice
    if not OmegaConf.has_resolver("secret"):
        register_resolver("secret", keep_reference)
        register_resolver("padded", lambda number: f"{int(number):04d}")
        register_resolver("if_iterates", _if_iterates)


def _if_iterates(value: Any, *, _root_: DictConfig) -> Any:
    """Return the value if the algorithm's iterations can be limited, else None: a preset is for any algorithm."""
    own = OmegaConf.select(_root_, "algorithm.iterations.honours")
    return value if own is not None and "max_iterations" in own else None


def _resolve(node: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        path = error.full_key or str(error)
        raise ConfigError(f"{path}: a value is required", f"set it on the command line: {path}=…") from None
    except InterpolationResolutionError as error:
        raise ConfigError(f"{error.full_key}: {first_line(error)}") from None
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key or 'config'}: {first_line(error)}") from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def uncounted_paths(node: DictConfig) -> set[str]:
    """Return the paths whose value is interpolated from keys outside the fingerprint, such as `algorithm.n_jobs`.

    `${hydra:…}` and `${now:…}` are outside, too: the folder of a run, its number, the time.
    """
    # resolved values no longer show where they come from
    raw = OmegaConf.to_container(node, resolve=False)
    assert isinstance(raw, dict)
    leaves = flatten({str(key): value for key, value in raw.items()})
    texts = {path: value for path, value in leaves.items() if isinstance(value, str) and "${" in value}
    # `n_jobs: ${compute.threads}` depends on the machine, and the same run elsewhere must have the same fingerprint
    # a key of the user's own counts where it is used: ${extras.folder}/train.csv
    references = tuple(f"${{{name}" for name in OUTSIDE if name != "extras")
    found = {path for path, value in texts.items() if value.startswith(references) or JOB_VALUE.search(value)}
    new = found
    while new:  # and what refers to those in turn
        marks = [f"${{{path}}}" for path in new]
        new = {path for path, value in texts.items() if any(mark in value for mark in marks)} - found
        found |= new
    return found


def fingerprint(config: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """Return the sha256 of what makes two runs comparable: the leaves that count, sorted."""
    return fingerprint_of_leaves(flatten(config), without)


def fingerprint_of_leaves(leaves: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """Return the fingerprint of a flat config."""
    own = {f"algorithm.{key}": other for key, other in COPIES.items()}
    left_out = {*without, *(path for path, other in own.items() if leaves.get(path) == leaves.get(other))}
    counted = {path: value for path, value in leaves.items() if path not in left_out and affects_fingerprint(path)}
    # sorted keys: the order of groups and overrides must not matter
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
