"""The plugin manager: runtree's own hooks, and those of every installed package with an entry point `runtree`.

A plugin that cannot be loaded, or that returns the wrong type from a hook, is named in a warning and left out.
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
from runtree.contract.errors import FOREIGN_ERRORS, MissingError, RunFailedError, RuntreeError, first_line
from runtree.contract.run import Stage
from runtree.contract.types import AlgorithmOption, Command, Metric, Tracker

log = logging.getLogger(__name__)

ENTRY_POINT_GROUP = hookspecs.PROJECT
BLOCK_VARIABLE = "RUNTREE_BLOCK"  # names of plugins to leave out, comma-separated
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
    """The plugins of a process.

    `broken` maps plugins that are left out to the reason; `extra` are (name, plugin) pairs without an entry point.
    """

    manager: pluggy.PluginManager
    versions: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    extra: tuple[tuple[str, object], ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the names of the active plugins, runtree first."""
        return [
            name for name, _ in self.manager.list_name_plugin() if name not in self.broken and name not in self.blocked
        ]

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield (plugin name, item) in the order of registration.

        A plugin that raises or returns another type is left out.
        """
        # pluggy would stop at the first exception, and would not say whose result is whose
        for implementation in getattr(self.manager.hook, name).get_hookimpls():
            plugin = implementation.plugin_name
            if plugin in self.broken:
                continue
            try:
                items = _check_items(implementation.function(), CONTRIBUTION_TYPES[name])
            except FOREIGN_ERRORS as error:
                self._break(plugin, f"{name}: {type(error).__name__}: {error}")
                continue
            yield from ((plugin, item) for item in items)

    def _break(self, plugin: str, why: str) -> None:
        # nothing works without runtree's own contributions, and a warning would hide a bug of ours
        if plugin == BUILTIN:
            raise RuntreeError(f"runtree itself is broken: {why}")
        self.broken[plugin] = why
        log.warning("plugin %s is left out: %s", plugin, why)

    def moment(self, name: str, **arguments: Any) -> None:
        """Call a hook of every plugin; an exception is logged with the plugin's name, and the others are called."""
        for implementation in getattr(self.manager.hook, name).get_hookimpls():
            if implementation.plugin_name in self.broken:
                continue
            try:
                implementation.function(*(arguments[argument] for argument in implementation.argnames))
            except FOREIGN_ERRORS as error:
                log.warning(
                    "plugin %s failed in %s: %s: %s", implementation.plugin_name, name, type(error).__name__, error
                )

    def first(self, name: str, **arguments: Any) -> Any:
        """Return the first result that is not None; plugins registered last are called first, as in pluggy.

        An exception becomes an error with the plugin's name.
        """
        # pluggy keeps implementations with trylast first and calls
        # from the end, so runtree's own come after all plugins
        for implementation in reversed(getattr(self.manager.hook, name).get_hookimpls()):
            try:
                result = implementation.function(*(arguments[argument] for argument in implementation.argnames))
            except RuntreeError:  # an error that the plugin raised on purpose
                raise
            except FOREIGN_ERRORS as error:
                if implementation.plugin_name == BUILTIN:  # not a plugin: what it was given is at fault
                    raise RunFailedError(f"{name}: {type(error).__name__}: {first_line(error)}") from error
                raise MissingError(
                    f"plugin '{implementation.plugin_name}' failed in {name}: {type(error).__name__}: {error}",
                    f"leave it out with: runtree --block {implementation.plugin_name} …",
                ) from error
            if result is not None:
                return result
        return None

    def trusted_types(self, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Return every type that a saved model may hold: those that plugins allow, and `more`."""
        return (*(name for _, name in self.contributions("trusted_types")), *more)


def _check_items(returned: Any, kind: type) -> list[Any]:
    # a generator is consumed here, so that its exceptions count as the plugin's
    items = list(returned.items()) if isinstance(returned, Mapping) else list(returned or ())
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"expected items of the type {kind.__name__}, got {item!r}")
    return items


def make_plugins(
    found: Iterable[EntryPoint] | None = None, extra: Iterable[tuple[str, object]] = (), blocked: Iterable[str] = ()
) -> Plugins:
    """Register runtree's own hooks, those of entry points, and those of `extra` (name, plugin) pairs."""
    rest_idle_threads()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager, blocked=frozenset(blocked))
    plugins.versions[BUILTIN] = _own_version()
    manager.register(builtin, BUILTIN)
    # before loading: a blocked plugin must not even be imported
    for name in plugins.blocked:
        manager.set_blocked(name)
    # not pluggy's `load_setuptools_entrypoints`, which stops at the first plugin that cannot be imported
    for point in entry_points(group=ENTRY_POINT_GROUP) if found is None else found:
        if point.name not in plugins.blocked:
            _load(plugins, point)
    plugins.extra = tuple(extra)
    for name, plugin in plugins.extra:
        _register(plugins, name, plugin)
    return plugins


def rest_idle_threads() -> None:
    """Let OpenMP's idle threads sleep instead of spin. A value that the user has set stays.

    Spinning threads take the cores from each other on a busy machine: boosting 341 rows took 28 s instead of 0.3 s on
    two busy cores. OpenMP reads the variable when the first library loads it, and a plugin's module may import one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _own_version() -> str:
    from runtree import __version__

    return __version__


def _load(plugins: Plugins, point: EntryPoint) -> None:
    plugins.versions[point.name] = point.dist.version if point.dist else "?"
    try:
        plugin = point.load()
    except FOREIGN_ERRORS as error:
        plugins._break(point.name, f"cannot be imported: {type(error).__name__}: {error}")
        return
    _register(plugins, point.name, plugin)


def _register(plugins: Plugins, name: str, plugin: object) -> None:
    try:
        plugins.manager.register(plugin, name)
        _check(plugins.manager, plugin)
    except (pluggy.PluginValidationError, ValueError) as error:
        # pluggy registers a plugin before it validates the hooks
        if plugins.manager.has_plugin(name) and plugins.manager.get_plugin(name) is plugin:
            plugins.manager.unregister(plugin)
        plugins._break(name, " ".join(str(error).split()))


def _check(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse a hook that does not exist: pluggy would register it silently and never call it."""
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise ValueError(f"it implements the hook '{caller.name}', which does not exist")


# the only state of the module: entry points are read from the disk, and plugins are imported once
@lru_cache(maxsize=1)
def installed_plugins() -> Plugins:
    """Return the plugins of this environment without those that ``--block`` or RUNTREE_BLOCK names."""
    return installed_plugins_with()


def installed_plugins_with(*extra: tuple[str, object]) -> Plugins:
    """Return the installed plugins with more (name, plugin) pairs."""
    blocked = (name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(","))
    return make_plugins(extra=extra, blocked=[name for name in blocked if name])
