"""Trackers: objects that the config selects, and whose hooks are called after those of the plugins."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runtree.config.allowlist import import_object
from runtree.config.build import check_arguments, check_required
from runtree.config.migration import missing_plugin
from runtree.config.secrets import reveal
from runtree.contract.errors import (
    ConfigError,
    RunFailedError,
    RuntreeError,
    describe_error,
    raise_if_ours,
    unknown,
)
from runtree.contract.faults import warn_of_fault
from runtree.contract.protocols import Hooks
from runtree.contract.run import lent_arguments
from runtree.contract.types import PluginIdentity, Tracker
from runtree.contract.validation import unique_by_name

log = logging.getLogger(__name__)

AUTO = "auto"


class WithTrackers:
    """Hooks that also call the trackers; a tracker that raises is logged and not called again.

    `owners` maps the trackers to the plugins that registered them.
    """

    def __init__(self, hooks: Hooks, trackers: Mapping[str, Any], owners: Mapping[str, str] | None = None) -> None:
        self.hooks, self.trackers, self.owners = hooks, dict(trackers), dict(owners or {})

    @property
    def identities(self) -> Mapping[str, PluginIdentity]:
        """The installed plugins."""
        return self.hooks.identities

    def moment(self, name: str, /, **arguments: Any) -> None:
        """Call a hook of the plugins, then of the trackers."""
        self.hooks.moment(name, **arguments)
        # a copy, because a tracker that fails is removed within the loop
        for tracker_name, tracker in list(self.trackers.items()):
            method = getattr(tracker, name, None)
            try:
                if method is not None:
                    with lent_arguments(arguments) as lent:
                        method(**lent)
            # a service that is down must not end a run of hours; a tracker that has failed is dropped, or it might wait
            # for a time-out at each iteration. KeyboardInterrupt passes
            except BaseException as error:
                raise_if_ours(error)
                del self.trackers[tracker_name]
                warn_of_fault(log, f"tracker {tracker_name} failed in {name}: {describe_error(error)}")

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield the contributions of plugins; trackers have none."""
        return self.hooks.contributions(name)

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Return the first result of a plugin that is not None."""
        return self.hooks.first(name, **arguments)


def with_trackers(config: Mapping[str, Any], hooks: Hooks) -> Hooks:
    """Return hooks that also call the trackers of a config; without trackers the given hooks.

    Raises
    ------
    ConfigError
        A tracker that no plugin registers, or a setting that it does not have.
    MissingError
        The package of a tracker, or the plugin that has it, is not installed.
    """
    wanted, settings = config.get("trackers", AUTO), config.get("tracking") or {}
    offered = offered_trackers(hooks, lambda name: name in settings or (wanted != AUTO and name in (wanted or ())))
    # names are checked also where the tracker is not selected: a typing error shows before the tracker is needed
    for name in settings:
        if name not in offered:
            raise missing_plugin("trackers", name) or unknown(
                "config key", f"tracking.{name}", [f"tracking.{tracker}" for tracker in offered], error=ConfigError
            )
    names = select_names(config.get("trackers", AUTO), offered)
    asked = config.get("trackers", AUTO) != AUTO
    trackers: dict[str, Any] = {}
    for name in names:
        try:
            trackers[name] = build_tracker(offered[name], settings.get(name) or {})
        except BaseException as error:
            _take_fault(f"tracker '{name}' cannot be made", error, asked)
    owners = {item.name: plugin for plugin, item in hooks.contributions("register_trackers") if item.name in trackers}
    return WithTrackers(hooks, trackers, owners) if trackers else hooks


def _take_fault(what: str, error: BaseException, asked: bool) -> None:
    """Raise an error for a tracker that the config names; warn of one that only the environment requests."""
    raise_if_ours(error)
    if asked and isinstance(error, RuntreeError):
        raise error
    if asked:
        raise RunFailedError(f"{what}: {describe_error(error)}", "without it: trackers=[]") from error
    why = str(error) if isinstance(error, RuntreeError) else describe_error(error)
    warn_of_fault(log, f"{what}: {why}; it is left out")


def _is_automatic(tracker: Tracker) -> bool:
    try:
        return bool(tracker.automatic())
    except BaseException as error:
        _take_fault(f"tracker '{tracker.name}' failed in `automatic`", error, asked=False)
        return False


def offered_trackers(hooks: Hooks, is_asked: Callable[[str], bool]) -> dict[str, Tracker]:
    """Return the trackers by name; a name that two plugins claim is refused if it is asked for."""
    found = unique_by_name("tracker", hooks.contributions("register_trackers"), is_asked)
    return {name: tracker for name, (_, tracker) in found.items()}


def select_names(value: Any, offered: Mapping[str, Tracker]) -> list[str]:
    """Return the names of the selected trackers; "auto" selects those that are `automatic()`."""
    if value == AUTO:
        return [name for name, tracker in offered.items() if _is_automatic(tracker)]
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, (list, tuple)):
        raise ConfigError(f"trackers: {value!r} is not a list of names", "type: trackers=[tensorboard]")
    for name in names:
        if name not in offered:
            raise missing_plugin("trackers", str(name)) or unknown(
                "tracker", str(name), offered, "installed ones: runtree plugins", error=ConfigError
            )
    return list(dict.fromkeys(names))


def build_tracker(tracker: Tracker, settings: Mapping[str, Any]) -> Any:
    """Make a tracker for one run or sweep."""
    return build_by_settings(tracker.target, settings, f"tracking.{tracker.name}")


def build_by_settings(target: str | Callable[..., Any], settings: Mapping[str, Any], path: str) -> Any:
    """Make an object of a plugin from the settings at a config path.

    Raises
    ------
    ConfigError
        It has no such setting, one is missing or of another type, or a secret is not set.
    """
    # imported only now: the packages of trackers are slow to import, and most runs use none
    factory = import_object(target, path) if isinstance(target, str) else target
    check_arguments(factory, settings, path)
    check_required(factory, settings, path)
    # secrets are filled in at the last moment, so that the config that is written and hashed holds only their names
    return factory(**reveal(settings, path))
