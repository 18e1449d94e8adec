"""Every implementation of a hook is called within a guard, which knows the plugin and the hook.

A contribution hook that raises, or returns something of another type, leaves its plugin out. A decision hook that fails
is passed over, and the next plugin is called. A moment that fails is logged once.
"""

import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.contract.alerting import AlertChannel
from runtree.contract.detection import Detector
from runtree.contract.errors import MissingError, RunFailedError, RuntreeError, describe_error, raise_if_ours
from runtree.contract.faults import warn_of_fault
from runtree.contract.hookspecs import PROJECT
from runtree.contract.run import Stage
from runtree.contract.types import AlgorithmOption, Command, Metric, Tracker

CONTRIBUTION_TYPES: Mapping[str, type] = {
    "config_paths": str,
    "register_algorithms": AlgorithmOption,
    "register_stages": Stage,
    "register_metrics": Metric,
    "register_commands": Command,
    "register_trackers": Tracker,
    "register_detectors": Detector,
    "register_alerts": AlertChannel,
    "trusted_types": str,
    "environment_facts": tuple,
}


class Contributions(list[Any]):
    """What one plugin returned from a contribution hook."""

    def __init__(self, plugin: str, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.plugin = plugin


@dataclass
class Decision:
    """A call of a decision hook that is under way: its arguments, and the plugins that failed in it."""

    hook: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    faults: list[MissingError] = field(default_factory=list)

    def check(self, answer: Any) -> None:
        """Refuse an answer that is no answer to this hook."""
        if answer is None:
            return
        if self.hook == "load_model":
            if not callable(getattr(answer, "predict", None)):
                raise TypeError(f"it returned {answer!r:.80}, which has no method `predict`")
            return
        if not isinstance(answer, str) or not answer:
            wanted = "the name of a format" if self.hook == "save_model" else "a reason"
            raise TypeError(f"it returned {answer!r:.80} instead of {wanted}")
        if self.hook == "save_model" and not any(self.arguments["folder"].iterdir()):
            raise ValueError(f"it returned the format '{answer}', but wrote no file")

    def undo(self) -> None:
        """Remove what a failed `save_model` has written: the next plugin expects an empty folder."""
        if self.hook == "save_model":
            folder: Path = self.arguments["folder"]
            for place in folder.iterdir():
                shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


class HookGuard:
    """The guards of the plugins of a process.

    Parameters
    ----------
    leave_out
        Called with the name of a plugin whose contributions cannot be used, and with the reason.
    """

    def __init__(self, leave_out: Callable[[str, str], None], log: logging.Logger) -> None:
        self._leave_out, self._log = leave_out, log
        self._decision = Decision()
        self._warned: set[tuple[str, str]] = set()

    def begin(self, hook: str, arguments: Mapping[str, Any]) -> Decision:
        """Return the decision that the next calls of a decision hook belong to."""
        self._decision = Decision(hook, arguments)
        return self._decision

    def function(self, hook: str, plugin: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Guard an implementation; its exceptions and wrong results are handled by the kind of its hook."""

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return self._check_answer(hook, plugin, function(*arguments, **named))
            except BaseException as error:
                answer = self._take_fault(hook, plugin, error)
                if hook == self._decision.hook:
                    self._decision.undo()
                return answer

        return call

    def wrapper(self, hook: str, plugin: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Guard a wrapper: where it fails, the outcome of what it wraps stays as it is."""

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                wrapper = function(*arguments, **named)
                next(wrapper)
            except BaseException as error:  # StopIteration, too: it does not yield
                self._take_fault(hook, plugin, error)
                return (yield)
            inner: BaseException | None = None
            outcome: Any = None
            try:
                outcome = yield
            except BaseException as error:  # of runtree's own hooks: those of plugins are within a guard
                inner = error
            try:
                wrapper.send(outcome) if inner is None else wrapper.throw(inner)
            except StopIteration as done:
                try:
                    return self._check_outcome(hook, plugin, done.value)
                except BaseException as error:
                    self._take_fault(hook, plugin, error)
            except BaseException as error:
                if error is inner:
                    raise
                self._take_fault(hook, plugin, error)
            else:
                self._take_fault(hook, plugin, RuntimeError("a wrapper must yield once"))
            if inner is not None:
                raise inner
            return outcome

        return call

    def _check_answer(self, hook: str, plugin: str, answer: Any) -> Any:
        if hook == self._decision.hook:
            self._decision.check(answer)
        if hook not in CONTRIBUTION_TYPES:
            return answer
        return Contributions(plugin, _check_items(answer, CONTRIBUTION_TYPES[hook]))

    def _check_outcome(self, hook: str, plugin: str, outcome: Any) -> Any:
        """Check what a wrapper returns: of a contribution hook the list of what all plugins returned."""
        if hook not in CONTRIBUTION_TYPES:
            return self._check_answer(hook, plugin, outcome)
        if outcome is None:  # of an old wrapper, which returns nothing
            return None
        # what it has put in itself is its own
        owners = [(items.plugin if isinstance(items, Contributions) else plugin, items) for items in outcome]
        return [Contributions(owner, _check_items(items, CONTRIBUTION_TYPES[hook])) for owner, items in owners]

    def _take_fault(self, hook: str, plugin: str, error: BaseException) -> Any:
        """Deal with what a plugin raised, and return what stands for its answer."""
        raise_if_ours(error)
        if hook in CONTRIBUTION_TYPES:
            self._leave_out(plugin, f"{hook}: {describe_error(error)}")
            return Contributions(plugin, ())
        if hook == self._decision.hook:
            if isinstance(error, RuntreeError):
                raise error
            if plugin == PROJECT:  # not a plugin: what it was given is at fault
                raise RunFailedError(f"{hook}: {describe_error(error)}") from error
            fault = MissingError(
                f"plugin '{plugin}' failed in {hook}: {describe_error(error)}",
                f"leave it out with: runtree --block {plugin} …",
            )
            fault.__cause__ = error
            self._decision.faults.append(fault)
            return None
        # once: a moment may come thousands of times in a run
        if (plugin, hook) not in self._warned:
            self._warned.add((plugin, hook))
            warn_of_fault(self._log, f"plugin {plugin} failed in {hook}: {describe_error(error)}")
        return None


def _check_items(returned: Any, kind: type) -> list[Any]:
    if isinstance(returned, str):  # a text is iterable, letter by letter
        raise TypeError(f"expected a list, got the text {returned!r}")
    # a generator is consumed here, so that its exceptions count as the plugin's
    items = list(returned.items()) if isinstance(returned, Mapping) else list(returned or ())
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"expected items of the type {kind.__name__}, got {item!r}")
    return items
