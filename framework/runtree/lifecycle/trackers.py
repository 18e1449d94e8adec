"""Trackers: who is told of a run or a sweep besides the plugins, because the config names him."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from runtree.config.allowlist import import_object
from runtree.config.build import check_arguments
from runtree.config.secrets import reveal
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.protocols import Hooks
from runtree.contract.types import Tracker

log = logging.getLogger(__name__)

AUTO = "auto"


class WithTrackers:
    """Hooks whose moments trackers hear too; one that fails is named, and hears no more."""

    def __init__(self, hooks: Hooks, trackers: Mapping[str, Any]) -> None:
        self.hooks, self.trackers = hooks, dict(trackers)

    def moment(self, name: str, **arguments: Any) -> None:
        """Tell the plugins, then the trackers."""
        self.hooks.moment(name, **arguments)
        for tracker, hearer in list(self.trackers.items()):
            method = getattr(hearer, name, None)
            try:
                if method is not None:
                    method(**arguments)
            except Exception as error:
                del self.trackers[tracker]
                log.warning("tracker %s failed in %s: %s: %s", tracker, name, type(error).__name__, error)

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield what plugins contribute."""
        return self.hooks.contributions(name)

    def first(self, name: str, **arguments: Any) -> Any:
        """Return the plugins' first answer."""
        return self.hooks.first(name, **arguments)


def with_trackers(config: Mapping[str, Any], hooks: Hooks) -> Hooks:
    """Return hooks that tell the trackers too that a config asks for: the same hooks where it asks for none.

    Raises
    ------
    ConfigError
        A tracker that nobody offers, a setting that it does not take.
    MissingError
        The package of one is not installed.
    """
    offered = {tracker.name: tracker for _, tracker in hooks.contributions("register_trackers")}
    settings = config.get("tracking") or {}
    for name in settings:
        if name not in offered:
            raise unknown("config key", f"tracking.{name}", [f"tracking.{one}" for one in offered], error=ConfigError)
    asked = chosen(config.get("trackers", AUTO), offered)
    made = {name: make(offered[name], settings.get(name) or {}) for name in asked}
    return WithTrackers(hooks, made) if made else hooks


def chosen(asked: Any, offered: Mapping[str, Tracker]) -> list[str]:
    """Return the names of the trackers that are asked for: a list, one name, or those that the environment asks for."""
    if asked == AUTO:
        return [name for name, tracker in offered.items() if tracker.automatic()]
    names = [asked] if isinstance(asked, str) else asked or []
    if not isinstance(names, (list, tuple)):
        raise ConfigError(f"trackers: {asked!r} is no list of names", "type: trackers=[tensorboard]")
    for name in names:
        if name not in offered:
            raise unknown("tracker", str(name), offered, "installed ones: runtree plugins", error=ConfigError)
    return list(dict.fromkeys(names))


def make(tracker: Tracker, settings: Mapping[str, Any]) -> Any:
    """Make a tracker for one run or sweep."""
    factory = import_object(tracker.target, "trackers") if isinstance(tracker.target, str) else tracker.target
    path = f"tracking.{tracker.name}"
    check_arguments(factory, settings, path)
    return factory(**reveal(settings, path))
