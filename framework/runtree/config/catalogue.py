"""The groups, options and keys that can be chosen, read from the YAML files.

Hydra is not needed to list options, so help and completion start in a tenth of a second.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from runtree.config.search_path import SHIPPED, USER, ConfigFolder
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, MissingError, first_line, unknown
from runtree.contract.files import MAX_YAML_BYTES, check_yaml, load_yaml, read_regular
from runtree.contract.types import TASKS, AlgorithmOption


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
    """One option of a group: its provider, and its content or the file that contains it."""

    group: str
    name: str
    provider: str
    file: Path | None = None
    node: Mapping[str, Any] = field(default_factory=dict)

    def read(self) -> dict[str, Any]:
        """Return the option's own keys."""
        return read_yaml(self.file) if self.file else dict(self.node)


class Catalogue:
    """Every group and option of a list of folders; earlier folders take precedence."""

    def __init__(self, folders: Iterable[ConfigFolder], algorithms: Iterable[tuple[str, AlgorithmOption]] = ()) -> None:
        self.folders = list(folders)
        self.algorithms = list(algorithms)

    @cached_property
    def groups(self) -> dict[str, dict[str, Option]]:
        """Return options by group and name.

        The user's folder may replace an option; two packages with the same one are refused.
        """
        groups: dict[str, dict[str, Option]] = {}
        for option in self._options():
            known = groups.setdefault(option.group, {})
            self._refuse_clash(known.get(option.name), option)
            # the first one stays, because folders come in the order of precedence
            known.setdefault(option.name, option)
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
            yield Option("algorithm", algorithm.name, provider, node=algorithm_node(algorithm))

    @staticmethod
    def _refuse_clash(first: Option | None, second: Option) -> None:
        # which of two packages comes first depends on the order of installation: that must not decide
        if first is not None and USER not in (first.provider, second.provider):
            raise MissingError(
                f"{second.group}={second.name} is provided twice: by '{first.provider}' and by '{second.provider}'",
                "block one of them: runtree --block NAME …",
            )

    def option(self, group: str, name: str) -> Option:
        """Return one option; the error for an unknown one lists what is possible."""
        if group not in self.groups:
            raise unknown("config group", group, self.groups, error=ConfigError)
        if name not in self.groups[group]:
            raise unknown(
                f"option of {group}", name, self.groups[group], f"see: {command('list', group)}", error=ConfigError
            )
        return self.groups[group][name]

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
    def root(self) -> dict[str, Any]:
        """Return the primary config, defaults list included."""
        files = (folder.path / "config.yaml" for folder in self.folders)
        return read_yaml(next(file for file in files if file.is_file()))

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
            if group != "experiment":  # its file sets keys of the whole config, and has none of its own
                node = self.node(group, name)
                keys |= flatten({key: None if differs_by_task(value) else value for key, value in node.items()}, group)
        return keys


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


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML mapping; the error for invalid YAML names the file and the line."""
    import yaml

    try:
        content = load_yaml(read_regular(file, follow=True))
    except yaml.YAMLError as error:
        raise syntax_error(error, file) from None
    # ValueError: it is not UTF-8, or its aliases or brackets are a bomb
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None
    if not isinstance(content or {}, dict):
        raise ConfigError(f"{file}: a config file must hold a mapping, got {type(content).__name__}")
    return content or {}


def refuse_bombs(folder: Path) -> None:
    """Refuse a config folder with a file that Hydra could not load in reasonable time and memory.

    Hydra copies what an alias stands for at each alias, and waits for ever for the content of a FIFO.
    """
    import yaml

    for file in sorted(folder.glob("**/*.yaml")):
        try:
            check_yaml(read_regular(file, MAX_YAML_BYTES, follow=True))
        except yaml.YAMLError:  # Hydra says so, if it is chosen
            continue
        except (OSError, ValueError) as error:
            raise unreadable(file, error) from None


def unreadable(file: Path, error: Exception) -> ConfigError:
    """Return the error for a config file that is not read."""
    return ConfigError(f"{file}: cannot be read: {first_line(error)}", "correct the file, or remove it")


def syntax_error(error: BaseException, file: Path | str | None = None) -> ConfigError:
    """Return the error for an invalid YAML file."""
    mark = getattr(error, "problem_mark", None)
    place = f"{file or getattr(mark, 'name', 'a config file')}" + (f", line {mark.line + 1}" if mark else "")
    problem = getattr(error, "problem", None) or first_line(error)
    return ConfigError(
        f"{place}: not valid YAML: {problem}", "compare its indentation, quotes and colons with a shipped file"
    )


__all__ = ["SHIPPED", "Catalogue", "Option", "algorithm_node", "flatten", "read_yaml", "syntax_error"]
