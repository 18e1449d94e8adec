"""Who takes part: runtree itself, and every installed package with an entry point in the group `runtree`.

A plugin that cannot be loaded, or whose contribution is not what its hook asks for, is named and left out.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from runtree import builtin
from runtree.contract import hookspecs
from runtree.contract.errors import MissingError, RuntreeError
from runtree.contract.run import Stage
from runtree.contract.types import AlgorithmOption, Command, Metric, Tracker

log = logging.getLogger(__name__)

ENTRY_POINT_GROUP = hookspecs.PROJECT
BLOCK_VARIABLE = "RUNTREE_BLOCK"  # names of plugins to leave out, separated by commas
BUILTIN = "runtree"
CONTRIBUTION_TYPES: Mapping[str, type] = {
    "config_paths": str,
    "register_algorithms": AlgorithmOption,
    "register_stages": Stage,
    "register_metrics": Metric,
    "register_commands": Command,
    "register_trackers": Tracker,
    "trusted_types": str,
    "environment_facts": tuple,
}


@dataclass
class Plugins:
    """The plugins that were found.

    `broken` holds name → why for those that were left out, `extra` those that no entry point brought.
    """

    manager: pluggy.PluginManager
    versions: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    extra: tuple[tuple[str, object], ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the names of the plugins that take part, runtree itself first."""
        return [
            name for name, _ in self.manager.list_name_plugin() if name not in self.broken and name not in self.blocked
        ]

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield (plugin name, item), by registration; a plugin that fails or returns something else is left out."""
        for implementation in getattr(self.manager.hook, name).get_hookimpls():
            plugin = implementation.plugin_name
            if plugin in self.broken:
                continue
            try:
                items = _items(implementation.function(), CONTRIBUTION_TYPES[name])
            except Exception as error:
                self._break(plugin, f"{name}: {type(error).__name__}: {error}")
                continue
            yield from ((plugin, item) for item in items)

    def _break(self, plugin: str, why: str) -> None:
        if plugin == BUILTIN:
            raise RuntreeError(f"runtree itself is broken: {why}")
        self.broken[plugin] = why
        log.warning("plugin %s is left out: %s", plugin, why)

    def moment(self, name: str, **arguments: Any) -> None:
        """Tell every plugin; one that fails is logged by name, and neither the run nor the others suffer."""
        for implementation in getattr(self.manager.hook, name).get_hookimpls():
            if implementation.plugin_name in self.broken:
                continue
            try:
                implementation.function(*(arguments[argument] for argument in implementation.argnames))
            except Exception as error:
                log.warning(
                    "plugin %s failed in %s: %s: %s", implementation.plugin_name, name, type(error).__name__, error
                )

    def first(self, name: str, **arguments: Any) -> Any:
        """Return the first answer that is not None, the last registered asked first, as pluggy does.

        An error carries the name of the plugin.
        """
        for implementation in reversed(getattr(self.manager.hook, name).get_hookimpls()):
            try:
                answer = implementation.function(*(arguments[argument] for argument in implementation.argnames))
            except RuntreeError:
                raise
            except Exception as error:
                raise MissingError(
                    f"plugin '{implementation.plugin_name}' failed in {name}: {type(error).__name__}: {error}",
                    f"leave it out with: runtree --block {implementation.plugin_name} …",
                ) from error
            if answer is not None:
                return answer
        return None

    def trusted_types(self, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Return every type that a saved model may hold: what plugins vouch for, and `more`."""
        return (*(name for _, name in self.contributions("trusted_types")), *more)


def _items(found: Any, kind: type) -> list[Any]:
    items = list(found.items()) if isinstance(found, Mapping) else list(found or ())
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"expected items of the type {kind.__name__}, got {item!r}")
    return items


def make_plugins(
    found: Iterable[EntryPoint] | None = None, extra: Iterable[tuple[str, object]] = (), blocked: Iterable[str] = ()
) -> Plugins:
    """Make a manager with runtree's own hooks, those of entry points, and those of `extra` (name, plugin) pairs."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager, blocked=frozenset(blocked))
    plugins.versions[BUILTIN] = _own_version()
    manager.register(builtin, BUILTIN)
    for name in plugins.blocked:
        manager.set_blocked(name)
    for point in entry_points(group=ENTRY_POINT_GROUP) if found is None else found:
        if point.name not in plugins.blocked:
            _load(plugins, point)
    plugins.extra = tuple(extra)
    for name, plugin in plugins.extra:
        _register(plugins, name, plugin)
    return plugins


def _own_version() -> str:
    from runtree import __version__

    return __version__


def _load(plugins: Plugins, point: EntryPoint) -> None:
    plugins.versions[point.name] = point.dist.version if point.dist else "?"
    try:
        plugin = point.load()
    except Exception as error:
        plugins._break(point.name, f"cannot be imported: {type(error).__name__}: {error}")
        return
    _register(plugins, point.name, plugin)


def _register(plugins: Plugins, name: str, plugin: object) -> None:
    try:
        plugins.manager.register(plugin, name)
        _check(plugins.manager, plugin)
    except (pluggy.PluginValidationError, ValueError) as error:
        if plugins.manager.has_plugin(name) and plugins.manager.get_plugin(name) is plugin:
            plugins.manager.unregister(plugin)
        plugins._break(name, " ".join(str(error).split()))


def _check(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse a hook that does not exist: a typo in a hook's name would else go unnoticed for ever."""
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise ValueError(f"it implements a hook '{caller.name}' that does not exist")


@lru_cache(maxsize=1)
def installed_plugins() -> Plugins:
    """Return the plugins of this environment, less those that ``--block`` or RUNTREE_BLOCK name."""
    return installed_plugins_with()


def installed_plugins_with(*extra: tuple[str, object]) -> Plugins:
    """Return the same with more (name, plugin) pairs, for one piece of work."""
    blocked = (name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(","))
    return make_plugins(extra=extra, blocked=[name for name in blocked if name])
