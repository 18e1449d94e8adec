"""Hydra's loader of configs, which refuses untrusted code before anything is instantiated from the config.

Hydra makes callbacks, log handlers, launcher and sweeper by itself, before the first line of runtree's own that sees
the config. A loader is asked for each config of the process, and for each job of a launcher in other processes.
"""

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runtree.config.allowlist import HYDRA_CALLBACKS, AllowList, not_allowed
from runtree.config.calls import locate_calls, target_names
from runtree.config.hydra_keys import check_hydra_keys
from runtree.config.hydra_repository import FileCheckingLoader
from runtree.config.root_keys import BASE_FILE

PLUGIN_PACKAGES = ("hydra_plugins.", "hydra._internal.core_plugins.")  # where Hydra accepts launchers and sweepers
OWN_NODES = ("launcher", "sweeper")


class NamingConfigLoader(FileCheckingLoader):
    """Hydra's loader, which gives each chosen option a `name`, by which messages and comparisons know it."""

    def _load_configuration_impl(self, *args: Any, **kwargs: Any) -> DictConfig:
        # the one method that composes every config: Hydra 1.4 no longer calls the public `load_configuration` for the
        # jobs of a multirun
        composed: DictConfig = super()._load_configuration_impl(*args, **kwargs)
        for group, option in composed.hydra.runtime.choices.items():
            own = option and "@" not in group and not group.startswith("hydra/")  # Hydra instantiates its own nodes
            node = OmegaConf.select(composed, group.replace("/", ".")) if own else None
            if isinstance(node, DictConfig) and "name" not in node and "_target_" in node:
                with open_dict(node):
                    node.name = option
        return composed

    def get_group_options(self, *args: Any, **kwargs: Any) -> list[str]:
        """Return the options of a group, without the files that options share."""
        options: list[str] = super().get_group_options(*args, **kwargs)
        return [name for name in options if not BASE_FILE.fullmatch(name)]


class CheckedConfigLoader(NamingConfigLoader):
    """Hydra's loader, with a check of each file and of each composed config.

    Parameters
    ----------
    trusted
        The providers of folders that come with an installed package.
    """

    def __init__(self, search_path: ConfigSearchPath, trusted: Collection[str], allow_list: AllowList) -> None:
        super().__init__(search_path)
        self.trusted = frozenset(trusted)
        self.allow_list = allow_list

    def _load_configuration_impl(self, *args: Any, **kwargs: Any) -> DictConfig:
        composed = super()._load_configuration_impl(*args, **kwargs)
        check_targets(composed, self.allow_list)
        return composed

    def _load_single_config(self, default: Any, repo: Any) -> Any:
        loaded = super()._load_single_config(default, repo)
        self._check(default.config_path, loaded)
        return loaded

    def _process_config_searchpath(self, config_name: str | None, parsed_overrides: list[Any], repo: Any) -> None:
        # before Hydra adds the folders that the primary config names: of a package it imports the module
        primary = repo.load_config(config_path=config_name) if config_name is not None else None
        if primary is not None:
            self._check(str(config_name), primary)
        super()._process_config_searchpath(config_name, parsed_overrides, repo)

    def _check(self, config_path: str, loaded: Any) -> None:
        # a path with .. leads out of the folder whose provider Hydra names
        inside = not config_path.startswith("/") and ".." not in config_path.split("/")
        in_store = str(loaded.path).startswith("structured://")
        if (in_store or loaded.provider in self.trusted) and inside:
            return
        content = OmegaConf.to_container(loaded.config, resolve=False)
        if isinstance(content, Mapping) and "hydra" in content:
            folder = str(loaded.path).removeprefix("file://")
            check_hydra_keys(content["hydra"], f"{folder}/{config_path}", self.allow_list.typed.sets)


def check_targets(composed: DictConfig, allow_list: AllowList) -> None:
    """Refuse a composed config that names code which is not allowed, anywhere.

    Raises
    ------
    UntrustedError
        With the option ``--trust`` for each of the targets.
    """
    hydra = {name: _resolve(composed.hydra, name) for name in OWN_NODES}
    callbacks = _callbacks(composed)
    refused = {
        f"{path}._target_": name
        for path, name in _named_in_hydra({**hydra, "callbacks": callbacks})
        if not (allow_list.names(name) or name in HYDRA_CALLBACKS or _is_own_plugin(path, name))
    }
    # unresolved: a name with ${…} is checked when it is built, as is the class behind an allowed name
    task = OmegaConf.to_container(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]))
    named = [(f"{path}._target_", name) for path, call in locate_calls(task, "") for name in target_names(call)]
    named += _imported_algorithm(task)
    refused |= {
        path: name for path, name in named if name != "???" and "${" not in name and not allow_list.permits(name)
    }
    if refused:
        raise not_allowed(refused, allow_list.own)
    for path, call in locate_calls(callbacks, "hydra.callbacks"):
        for name in target_names(call):
            allow_list.check_arguments(name, call, path)


def _imported_algorithm(task: Any) -> list[tuple[str, str]]:
    algorithm = task.get("algorithm")
    path = algorithm.get("path") if isinstance(algorithm, Mapping) and "_target_" not in algorithm else None
    return [("algorithm.path", path.replace(":", "."))] if isinstance(path, str) else []


def _named_in_hydra(hydra: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((path, name) for path, call in locate_calls({"hydra": hydra}, "") for name in target_names(call))


def _is_own_plugin(path: str, name: str) -> bool:
    return path in [f"hydra.{node}" for node in OWN_NODES] and name.startswith(PLUGIN_PACKAGES)


def _callbacks(composed: DictConfig) -> dict[str, Any]:
    callbacks = composed.hydra.get("callbacks") or {}
    return {str(name): _resolve(callbacks, name) for name in callbacks}


def _resolve(parent: Any, name: Any) -> Any:
    """Return a node as Hydra resolves it to instantiate it."""
    try:
        node = parent.get(name)
        if not OmegaConf.is_config(node):
            return None
        # as `instantiate` does it: `to_container(resolve=True)` fails at a reference to a missing value, and this does
        # not
        copy = deepcopy(node)
        copy._set_flag(["struct", "readonly"], [False, False])
        copy._set_parent(node._get_parent())
        OmegaConf.resolve(copy)
        return OmegaConf.to_container(copy)
    except OmegaConfBaseException:  # Hydra cannot resolve it either, and instantiates nothing
        return None
