"""The keys at the root of a config: what may stand there, and what a run cannot do without."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runtree.config.catalogue import EXTENDED, Catalogue
from runtree.config.migration import migration_error
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, nearest, possible
from runtree.contract.redaction import REFERENCE, remember_secret

EXTRAS = "extras"
REQUIRED_GROUPS = ("data", "preprocess", "algorithm", "evaluator", "compute")
REQUIRED_SECTIONS = ("experiment", "objective")
KEYS = ("encrypt.key", "data.hash_key")  # are named, and never typed
OTHER_GROUPS = ("serve",)  # of other verbs: no run has them
BASE_FILE = re.compile(r"_\w*_")  # holds keys that options share


def check_choices(overrides: Iterable[str], catalogue: Catalogue) -> None:
    """Refuse an override that chooses nothing, or a file that is no option, before Hydra composes it."""
    for override in overrides:
        key, _, text = override.lstrip("+").partition("=")
        group = key.partition("@")[0]
        root = group.partition("/")[0].partition(".")[0]
        if override.startswith("+") and root not in known_roots(
            catalogue
        ):  # of a sweep, no config has it before the runs
            raise _unknown_root_key(root, text if root == key else "", catalogue)
        for name in text.strip("[]").split(",") if group in catalogue.groups else ():
            if name == "null":
                needed = group in REQUIRED_GROUPS or group == "tuner"
                hint = possible(list(catalogue.groups[group])) if needed else f"leave it out, or remove it: ~{group}"
                raise ConfigError(f"{group}=null chooses no option{', and a run needs one' * needed}", hint)
            check_option(group, name, catalogue)


def check_option(group: str, name: str, catalogue: Catalogue) -> None:
    """Refuse a base file, whose keys the options of a group share, and an option that two packages have."""
    catalogue.refuse_rivals(group, name)
    if BASE_FILE.fullmatch(name) and name not in catalogue.groups.get(group, ()):
        raise ConfigError(
            f"{group}={name} is a base of options, and no option itself",
            possible(list(catalogue.groups.get(group, ()))),
        )


def check_root_keys(composed: DictConfig, catalogue: Catalogue) -> None:
    """Check the root of a composed config.

    Raises
    ------
    ConfigError
        A key that nothing reads, with the nearest one; a group without an option; a section that is no mapping.
    """
    for group, name in composed.hydra.runtime.choices.items():
        check_option(str(group), str(name), catalogue)
    sections = {key: value for key, value in catalogue.shipped_root.items() if isinstance(value, Mapping)}
    for key in composed:
        if key not in known_roots(catalogue):
            value = None if OmegaConf.is_missing(composed, key) else composed.get(key)
            text = "" if OmegaConf.is_config(value) or value is None else str(value)
            raise _unknown_root_key(str(key), text, catalogue)
    for path in KEYS:
        _refuse_typed_key(composed, path)
    for group in REQUIRED_GROUPS:
        if not OmegaConf.is_config(composed.get(group)):
            raise _absent(
                group, f"choose one: {command('list', group)}", possible(list(catalogue.groups.get(group, ())))
            )
    for name in REQUIRED_SECTIONS:
        if name not in composed:
            raise _absent(name)
    for name, section in sections.items():
        if name in composed and not OmegaConf.is_dict(composed.get(name)):
            keys = f" with {', '.join(section)}" if section else ""
            raise ConfigError(f"{name}: {composed.get(name)!r} is not possible here", f"it is a mapping{keys}")


def _refuse_typed_key(composed: DictConfig, path: str) -> None:
    section, _, name = path.partition(".")
    if not OmegaConf.is_dict(composed.get(section)):
        return
    plain: Any = OmegaConf.to_container(composed[section], resolve=False)
    named = str(plain.get(name) or "")
    if named and not REFERENCE.fullmatch(named):
        remember_secret(named)  # before anything is written
        raise ConfigError(f"{path}: a key is not typed, but named", f"type: '{path}=${{secret:NAME}}'")


def known_roots(catalogue: Catalogue) -> set[str]:
    """Return the keys that a config may have at its root: those of the shipped one, groups, and `extras`."""
    groups = {group.partition("/")[0] for group in catalogue.groups} - set(OTHER_GROUPS)
    return {*catalogue.shipped_root, *groups, EXTRAS, "hydra"}


def _absent(name: str, *hints: str) -> ConfigError:
    extend = f"a config.yaml of your own extends the shipped one by: defaults: [{EXTENDED}, …, _self_]"
    return ConfigError(f"{name}: the config has none, and a run needs it", *hints, extend)


def _unknown_root_key(key: str, text: str, catalogue: Catalogue) -> ConfigError:
    answer = migration_error(key, text, catalogue.groups, catalogue.keys())
    if answer is not None:
        return answer
    close = nearest(key, sorted(known_roots(catalogue) - {EXTRAS, "hydra"}))
    return ConfigError(
        f"unknown config key '{key}'",
        f"did you mean: {', '.join(close)}?" if close else "",
        f"a key of your own belongs below {EXTRAS}: {EXTRAS}.{key}",
    )
