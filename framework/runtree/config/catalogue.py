"""The groups, options and keys that can be chosen, read from the YAML files.

Hydra is not needed to list options, so help and completion start in a tenth of a second.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from runtree.config.config_files import read_yaml
from runtree.config.migration import missing_plugin
from runtree.config.search_path import SHIPPED, USER, ConfigFolder, shipped_conf
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, MissingError, RuntreeError, unknown
from runtree.contract.faults import warn_of_fault
from runtree.contract.files import read_regular
from runtree.contract.types import TASKS, AlgorithmOption
from runtree.contract.validation import taken_name, way_out

log = logging.getLogger(__name__)

GLOBAL_PACKAGE = re.compile(rb"^\s*#\s*@package\s+_global_\s*$", re.MULTILINE)
EXTENDED = "runtree"  # the shipped config.yaml, as a config.yaml of the user's own may name it in its defaults list


def differs_by_task(value: Any) -> bool:
    """Return whether a value is a mapping from tasks: ``{classification: sqrt, regression: 1.0}``."""
    return isinstance(value, Mapping) and bool(value) and set(value) <= set(TASKS)


def for_task(node: Mapping[str, Any], task: str, path: str) -> dict[str, Any]:
    """Return a node with the values for `task`, without the keys that have none for it.

    Raises
    ------
    ConfigError
        The option does not support the task.
    """
    target = node.get("_target_")
    if differs_by_task(target) and task not in (target or {}):
        supported = ", ".join(target or {})
        raise ConfigError(
            f"{path}={node.get('name', '?')} supports {supported}, but the task is {task}",
            f"see which support {task}: {command('list', path)}",
            f"or set the task yourself: data.task={supported.split(', ')[0]}",
        )
    return {
        key: value[task] if differs_by_task(value) else value
        for key, value in node.items()
        if not differs_by_task(value) or task in value
    }


@dataclass(frozen=True)
class Option:
    """One option of a group: its provider, and its content or the file that contains it.

    `summary`, and `help` by key, are what a plugin says of an option without a file, in which they are comments.
    `rival` is another plugin that provides an option of that name.
    """

    group: str
    name: str
    provider: str
    file: Path | None = None
    node: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    help: Mapping[str, str] = field(default_factory=dict)
    rival: str = ""

    def read(self) -> dict[str, Any]:
        """Return the option's own keys."""
        return read_yaml(self.file) if self.file else dict(self.node)

    @property
    def is_preset(self) -> bool:
        """Whether its file sets keys of the whole config, and has none of its own."""
        try:
            return self.file is not None and bool(GLOBAL_PACKAGE.search(read_regular(self.file, follow=True)))
        except OSError:  # it is named where it is read
            return False


class Catalogue:
    """Every group and option of a list of folders; earlier folders take precedence.

    `absent` names the plugins that are broken: an option that is not found may be one of theirs.
    """

    def __init__(
        self,
        folders: Iterable[ConfigFolder],
        algorithms: Iterable[tuple[str, AlgorithmOption]] = (),
        absent: Iterable[str] = (),
    ) -> None:
        self.folders = list(folders)
        self.algorithms = list(algorithms)
        self._warned: set[Path | None] = set()
        self.absent = tuple(absent)
        self.taken: list[tuple[str, str]] = []  # (plugin, option) pairs with a name that is runtree's

    @cached_property
    def groups(self) -> dict[str, dict[str, Option]]:
        """Return options by group and name.

        The user's folder may replace an option; one that two packages have is refused where it is chosen.
        """
        groups: dict[str, dict[str, Option]] = {}
        for option in self._options():
            known = groups.setdefault(option.group, {})
            # the first one stays, because folders come in the order of precedence
            first = known.setdefault(option.name, option)
            if first is not option and USER not in (first.provider, option.provider):
                known[option.name] = self._take_clash(first, option)
        for option in _stored_options():
            groups.setdefault(option.group, {}).setdefault(option.name, option)
        return {group: dict(sorted(options.items())) for group, options in sorted(groups.items())}

    def _options(self) -> Iterator[Option]:
        for folder in self.folders:
            # at least one folder deep: config.yaml itself is not an option
            for file in sorted(folder.path.glob("*/**/*.yaml")):
                group = file.parent.relative_to(folder.path).as_posix()
                # `_name_.yaml` holds keys that options share; hydra/ is not a group of runs
                if not file.stem.startswith("_") and not group.startswith("hydra"):
                    yield Option(group, file.stem, folder.provider, file)
        for provider, algorithm in self.algorithms:
            node, about = algorithm_node(algorithm), (algorithm.summary, algorithm.help)
            yield Option("algorithm", algorithm.name, provider, None, node, *about)

    def _take_clash(self, first: Option, second: Option) -> Option:
        """Return the option that two packages have: runtree's own, or the first with its rival."""
        if SHIPPED not in (first.provider, second.provider):
            return replace(first, rival=second.provider)
        own, other = (first, second) if first.provider == SHIPPED else (second, first)
        self.taken.append((other.provider, f"option {other.group}={other.name}"))
        warn_of_fault(log, taken_name(*self.taken[-1]))
        return own

    def option(self, group: str, name: str) -> Option:
        """Return one option; the error for an unknown one lists what is possible."""
        if group not in self.groups:
            raise unknown("config group", group, self.groups, error=ConfigError)
        if name not in self.groups[group]:
            raise self.unknown_option(group, name)
        self.refuse_rivals(group, name)
        return self.groups[group][name]

    def refuse_rivals(self, group: str, name: str) -> None:
        """Refuse an option of that name of two packages: the order of installation must not decide which is meant."""
        option = self.groups.get(group, {}).get(name)
        if option is not None and option.rival:
            raise MissingError(
                f"{group}={name} is provided twice: by '{option.provider}' and by '{option.rival}'",
                f"leave one of them out: {way_out(option.rival)}",
            )

    def unknown_option(self, group: str, name: str) -> RuntreeError:
        """Return the error for an option that a group does not have."""
        if not self.absent and (missing := missing_plugin(group, name)) is not None:
            return missing
        absent = f"plugins left out as broken: {', '.join(self.absent)}" if self.absent else ""
        see = f"see: {command('list', group)}"
        return unknown(f"option of {group}", name, self.groups[group], absent, see, error=ConfigError)

    def readable(self, group: str) -> Iterator[tuple[Option, dict[str, Any]]]:
        """Yield the options of a group and their own keys; a file that cannot be read is one warning.

        For what concerns all options of a group: a bad file must not hide the others.
        """
        for option in self.groups[group].values():
            keys = self._read_or_warn(option.read, option.file, option.provider)
            if keys is not None:
                yield option, keys

    def _read_or_warn(
        self, read: Callable[[], dict[str, Any]], file: Path | None, provider: str
    ) -> dict[str, Any] | None:
        try:
            return read()
        except ConfigError as error:
            if file not in self._warned:
                plugin = "" if provider in (USER, SHIPPED) else f"plugin '{provider}': "
                log.warning("%s%s; left out", plugin, error.message)
                self._warned.add(file)
            return None

    def node(self, group: str, name: str) -> dict[str, Any]:
        """Return an option's keys, with those of files of the same group that its defaults list names."""
        own = self.option(group, name).read()
        # the part of Hydra's defaults list that shipped options use:
        # names of files beside them, merged in order, own keys last
        merged: dict[str, Any] = {}
        for entry in own.pop("defaults", []):
            if isinstance(entry, str) and entry != "_self_":
                merged |= self._sibling(group, entry)
        return merged | own

    def _sibling(self, group: str, name: str) -> dict[str, Any]:
        files = (folder.path / group / f"{name}.yaml" for folder in self.folders)
        file = next((file for file in files if file.is_file()), None)
        return read_yaml(file) if file else {}

    @cached_property
    def shipped_root(self) -> dict[str, Any]:
        """Return the primary config that runtree ships."""
        return read_yaml(shipped_conf() / "config.yaml")

    @cached_property
    def root(self) -> dict[str, Any]:
        """Return the primary config, defaults list included: the first that can be read."""
        files = [(folder.path / "config.yaml", folder.provider) for folder in self.folders]
        contents = (self._read_or_warn(partial(read_yaml, file), file, by) for file, by in files if file.is_file())
        content = next((content for content in contents if content is not None), {})
        if EXTENDED not in (content.get("defaults") or ()):
            return content
        defaults = [*self.shipped_root["defaults"], *content["defaults"]]
        return self.shipped_root | content | {"defaults": defaults}

    def choices(self, overrides: Iterable[str] = ()) -> dict[str, str]:
        """Return the chosen option of each group: from the defaults list, then from `overrides`."""
        chosen: dict[str, str] = {}
        for entry in self.root.get("defaults", []):
            if isinstance(entry, dict):
                # null chooses no option, and a key such as `override hydra/launcher` is not a group of runs
                chosen |= {key: value for key, value in entry.items() if value and key in self.groups}
        for override in overrides:
            group, _, name = override.lstrip("+").partition("=")
            if group in self.groups and name in self.groups[group]:
                chosen[group] = name
        return chosen

    def keys(self, overrides: Iterable[str] = ()) -> dict[str, Any]:
        """Return every config path that can be set with these overrides, and its value before interpolation."""
        keys = flatten({key: value for key, value in self.root.items() if key not in ("defaults", "hydra")})
        for group, name in self.choices(overrides).items():
            if not self.option(group, name).is_preset:
                node = self.node(group, name)
                keys |= flatten({key: None if differs_by_task(value) else value for key, value in node.items()}, group)
        return keys


def _stored_options() -> Iterator[Option]:
    """Yield the options in Hydra's store, such as a plugin's structured configs."""
    # a plugin that stores some has imported Hydra; without, this must not take the time to
    module = sys.modules.get("hydra.core.config_store")
    if module is not None:
        yield from _options_below(module.ConfigStore.instance().repo, ())


def _options_below(repository: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[Option]:
    for name, item in repository.items():
        if isinstance(item, Mapping):
            # Hydra's own groups are not those of runs
            if (*parts, name)[0] != "hydra":
                yield from _options_below(item, (*parts, name))
        elif parts and not name.startswith("_"):
            from omegaconf import OmegaConf

            node = OmegaConf.to_container(item.node, resolve=False)
            content = {str(key): value for key, value in node.items()} if isinstance(node, dict) else {}
            yield Option("/".join(parts), name.removesuffix(".yaml"), item.provider or "ConfigStore", node=content)


def algorithm_node(option: AlgorithmOption) -> dict[str, Any]:
    """Return the config node of a contributed algorithm."""
    target = dict.fromkeys(option.tasks, option.target) if isinstance(option.target, str) else dict(option.target)
    return {"name": option.name, "_target_": target, **option.defaults, "space": dict(option.space)}


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return leaves by dotted path; empty mappings and lists are leaves."""
    return dict(_leaves(node, f"{prefix}." if prefix else ""))


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        # dict before Mapping: the check of an abstract class is several times slower, and a sweep flattens each config
        if value and isinstance(value, (dict, Mapping)):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
