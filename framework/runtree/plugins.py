"""The plugin manager: runtree's own hooks, and those of every installed package with an entry point `runtree`.

Every hook is called by pluggy, each implementation within a guard that knows whose it is. A plugin that cannot be
loaded, or that returns something wrong from a contribution hook, is named in a warning and left out: it is asked
nothing any more. One that fails in a moment is named once, and one that fails in a decision is passed over.
"""

import logging
import os
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import pluggy

from runtree import builtin
from runtree.config.plugin_options import option_types, options_by_plugin
from runtree.contract import hookspecs
from runtree.contract.errors import (
    RequestError,
    RuntreeError,
    describe_error,
    raise_if_ours,
    unknown,
)
from runtree.contract.faults import warn_of_fault
from runtree.contract.hook_guard import CONTRIBUTION_TYPES, HookGuard
from runtree.contract.run import lent_arguments
from runtree.contract.types import AlgorithmOption, PluginIdentity
from runtree.contract.validation import check_name, taken_name
from runtree.records.plugin_identity import identify

log = logging.getLogger(__name__)

ENTRY_POINT_GROUP = hookspecs.PROJECT
BLOCK_VARIABLE = "RUNTREE_BLOCK"  # names of plugins to leave out, comma-separated
BUILTIN = "runtree"


@dataclass
class Plugins:
    """The plugins of a process.

    Attributes
    ----------
    points
        The entry points, those of plugins that are left out or blocked included.
    import_seconds
        How long each import took in this process: of a library that several plugins need, the first one paid.
    broken
        The plugins that are left out, with the reason.
    extra
        (name, plugin) pairs without an entry point.
    """

    manager: pluggy.PluginManager
    versions: dict[str, str] = field(default_factory=dict)
    points: dict[str, EntryPoint] = field(default_factory=dict)
    import_seconds: dict[str, float] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    extra: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        self._guard = HookGuard(self.leave_out, log)
        self.taken: list[tuple[str, str]] = []  # (plugin, contribution) pairs with a name that is runtree's

    @property
    def names(self) -> list[str]:
        """Return the names of the active plugins, runtree first, then by name."""
        names = {name for name, plugin in self.manager.list_name_plugin() if plugin is not None}
        return sorted(names, key=lambda name: (name != BUILTIN, name))

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Return (plugin name, item) pairs: runtree's own, then those of plugins by name.

        A plugin that raises or returns another type is left out, and so is an item with a name that is runtree's.
        """
        given = [(items.plugin, item) for items in getattr(self.manager.hook, name)() for item in items]
        own = {str(item.name) for plugin, item in given if plugin == BUILTIN and hasattr(item, "name")}
        kept = [pair for pair in given if pair[0] == BUILTIN or not self._takes_name(*pair, own)]
        return iter(sorted(kept, key=lambda pair: pair[0] != BUILTIN))

    def _takes_name(self, plugin: str, item: Any, own: Container[str]) -> bool:
        name = getattr(item, "name", "")
        if name not in own:
            return False
        found = plugin, f"{type(item).__name__.lower()} '{name}'"
        if found not in self.taken:
            self.taken.append(found)
            warn_of_fault(log, taken_name(*found))
        return True

    def moment(self, name: str, /, **arguments: Any) -> None:
        """Call a hook of every plugin; an exception is logged with the plugin's name, and the others are called."""
        hook = getattr(self.manager.hook, name)
        if hook.get_hookimpls():
            with lent_arguments(arguments) as lent:
                hook(**lent)

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Return the first result that is not None: plugins are asked by name, then runtree itself.

        A plugin that fails, or whose answer is none, is passed over with a warning; if nobody else answers, it is an
        error with the plugin's name. A RuntreeError was raised on purpose and ends the search.
        """
        decision = self._guard.begin(name, arguments)
        try:
            result = getattr(self.manager.hook, name)(**arguments)
        except RuntreeError as error:
            if not decision.faults:
                raise
            raise decision.faults[0] from error  # runtree itself could not make up for the plugin
        if result is None and decision.faults:
            raise decision.faults[0]
        for fault in decision.faults:
            warn_of_fault(log, f"{fault.message}; another one did it")
        return result

    def trusted_types(self, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Return every type that a saved model may hold: those that plugins allow or have options for, and `more`."""
        return (*(name for _, name in self.contributions("trusted_types")), *option_types(*self._provided()), *more)

    @property
    def identities(self) -> dict[str, PluginIdentity]:
        """Return distribution and version of each plugin, blocked and broken ones included; not of runtree itself."""
        broken = {name: f"broken ({why})" for name, why in self.broken.items()}
        problems = dict.fromkeys(self.blocked, PluginIdentity.BLOCKED) | broken
        found = self._identified
        return {name: replace(identity, problem=problems.get(name, "")) for name, identity in found.items()}

    @cached_property
    def _identified(self) -> dict[str, PluginIdentity]:
        origins = {name: (point.module, point.dist) for name, point in self.points.items()}
        for name, plugin in self.extra:  # of a rerun, for example, one of runtree's own
            module = str(getattr(plugin, "__name__", "") or type(plugin).__module__)
            origins |= {} if module.partition(".")[0] == BUILTIN else {name: (module, None)}
        options, active = options_by_plugin(*self._provided()), self.names
        return {
            name: identify(name, *origin, self._listens(name) if name in active else (), options.get(name, ()))
            for name, origin in sorted(origins.items())
        }

    def _listens(self, name: str) -> list[str]:
        """Return the moment and decision hooks that a plugin implements."""
        callers = self.manager.get_hookcallers(self.manager.get_plugin(name)) or []
        return [caller.name for caller in callers if caller.name not in CONTRIBUTION_TYPES]

    def _provided(self) -> tuple[list[tuple[str, str]], list[tuple[str, AlgorithmOption]]]:
        return list(self.contributions("config_paths")), list(self.contributions("register_algorithms"))

    def register(self, name: str, plugin: object) -> None:
        """Add a plugin; one whose hooks pluggy refuses is left out."""
        try:
            self.manager.register(plugin, name)
            _refuse_unknown_hooks(self.manager, plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            self.leave_out(name, " ".join(str(error).split()))
            return
        for caller in self.manager.get_hookcallers(plugin) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    # the function alone is replaced: pluggy has read its arguments by now, and calls it as it is
                    guard = self._guard.wrapper if _is_wrapper(implementation) else self._guard.function
                    setattr(implementation, "function", guard(caller.name, name, implementation.function))  # noqa: B010

    def leave_out(self, plugin: str, why: str) -> None:
        """Ask a plugin nothing from here on, and say why."""
        # nothing works without runtree's own contributions, and a warning would hide a bug of ours
        if plugin == BUILTIN:
            raise RuntreeError(f"runtree itself is broken: {why}")
        if self.manager.has_plugin(plugin):
            self.manager.unregister(name=plugin)
        self.broken[plugin] = why
        warn_of_fault(log, f"plugin {plugin} is left out: {why}")


def _is_wrapper(implementation: pluggy.HookImpl) -> bool:
    return bool(implementation.wrapper or implementation.hookwrapper)


def _refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse a hook that does not exist: pluggy would register it silently and never call it."""
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise ValueError(f"it implements the hook '{caller.name}', which does not exist")


def make_plugins(
    found: Iterable[EntryPoint] | None = None, extra: Iterable[tuple[str, object]] = (), blocked: Iterable[str] = ()
) -> Plugins:
    """Register runtree's own hooks, those of entry points, and those of `extra` (name, plugin) pairs.

    Raises
    ------
    RequestError
        `blocked` names runtree itself.
    """
    rest_idle_threads()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager, blocked=frozenset(blocked), extra=tuple(extra))
    if BUILTIN in plugins.blocked:
        raise RequestError("--block runtree: runtree's own stages, metrics and options cannot be left out")
    plugins.versions[BUILTIN] = version(BUILTIN)
    plugins.register(BUILTIN, builtin)
    for name in plugins.blocked:
        manager.set_blocked(name)
    loaded = dict(_load(plugins, _installed() if found is None else found)) | {
        name: plugin for name, plugin in plugins.extra if name not in plugins.blocked
    }
    # pluggy calls the last one first. By name, and not in the order of folders on the disk, which differs by machine
    for name in sorted(loaded, reverse=True):
        plugins.register(name, loaded[name])
    return plugins


def rest_idle_threads() -> None:
    """Let OpenMP's idle threads sleep instead of spin. A value that the user has set stays.

    Spinning threads take the cores from each other on a busy machine: boosting 341 rows took 28 s instead of 0.3 s on
    two busy cores. OpenMP reads the variable when the first library loads it, and a plugin's module may import one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=ENTRY_POINT_GROUP)


def _load(plugins: Plugins, found: Iterable[EntryPoint]) -> Iterator[tuple[str, object]]:
    """Import the plugins of entry points, save blocked ones: those must not even be imported."""
    # not pluggy's `load_setuptools_entrypoints`, which stops at the first plugin that cannot be imported
    by_name = defaultdict[str, list[EntryPoint]](list)
    for point in found:
        by_name[point.name].append(point)
    for name, points in sorted(by_name.items()):
        plugins.points[name] = points[0]
        if name in plugins.blocked:
            continue
        owners = [f"{point.dist.name} {point.dist.version}" if point.dist else "?" for point in points]
        if name == BUILTIN:
            plugins.leave_out(owners[0], "its entry point is named 'runtree', as runtree itself: choose another name")
            continue
        plugins.versions[name] = points[0].dist.version if points[0].dist else "?"
        try:
            check_name("entry point", name)
            if len(points) > 1:  # which of them is found first depends on the machine
                raise ValueError(f"packages with the same entry point: {', '.join(sorted(owners))}; uninstall one")
            started = time.perf_counter()
            plugin = points[0].load()
            plugins.import_seconds[name] = time.perf_counter() - started
            yield name, plugin
        except BaseException as error:
            raise_if_ours(error)
            why = str(error) if isinstance(error, ValueError) else f"cannot be imported: {describe_error(error)}"
            plugins.leave_out(name, why)


# the only state of the module: entry points are read from the disk, and plugins are imported once
@lru_cache(maxsize=1)
def installed_plugins() -> Plugins:
    """Return the plugins of this environment without those that ``--block`` or RUNTREE_BLOCK names."""
    return installed_plugins_with()


def installed_plugins_with(*extra: tuple[str, object]) -> Plugins:
    """Return the installed plugins with more (name, plugin) pairs."""
    return make_plugins(extra=extra, blocked=blocked_names())


def blocked_names() -> tuple[str, ...]:
    """Return the names in RUNTREE_BLOCK."""
    names = (name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(","))
    return tuple(name for name in names if name)


def block(names: Iterable[str]) -> None:
    """Leave plugins out, in this process and in those that it starts.

    Raises
    ------
    RequestError
        There is no plugin of that name, or it is runtree itself.
    """
    installed = {point.name for point in _installed()}
    for name in names:
        if name == BUILTIN:
            raise RequestError("--block runtree: runtree's own stages, metrics and options cannot be left out")
        if name not in installed:
            raise unknown("plugin", name, installed, "see: runtree plugins")
    # through the environment, so that the workers of a sweep leave the same plugins out
    os.environ[BLOCK_VARIABLE] = ",".join(dict.fromkeys([*blocked_names(), *names]))
    installed_plugins.cache_clear()
