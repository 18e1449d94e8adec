"""Alerts of a watched model, and the channels that they are sent through."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from runtree.contract.validation import check_name, check_path

AlertEvent = Literal["alarm", "reminder", "over"]


@dataclass(frozen=True)
class Alert:
    """What a channel sends.

    Attributes
    ----------
    id
        The same if the alert is sent again, since a kill or a failure left open whether it had arrived.
    event
        "alarm": windows begin to raise an alarm; "reminder": they still do; "over": they do no more.
    model, reference, version
        The name of the model or the id of the run; how it was typed: ``models:/churn@champion``; its version, if any.
    window, since
        The window that the event is about, and the first one of the alarm.
    windows
        How many windows in a row raised the alarm.
    alarms
        A sentence for each alarm of the window.
    figures
        Those of the window by name: ``{"drift.share": 0.5}``.
    page
        The path of the page of all windows.
    """

    id: str
    event: AlertEvent
    model: str
    reference: str
    version: int | None
    window: str
    since: str
    windows: int
    alarms: tuple[str, ...] = ()
    figures: Mapping[str, float | int | None] = field(default_factory=dict)
    page: str = ""
    time: str = ""

    @property
    def subject(self) -> str:
        """One line on what has happened."""
        what = {
            "alarm": f"alarm in window {self.window}",
            "reminder": f"still an alarm in window {self.window}, since {self.since}",
            "over": f"the alarm since window {self.since} is over with {self.window}",
        }
        return f"{self.model}{'' if self.version is None else f' version {self.version}'}: {what[self.event]}"

    @property
    def text(self) -> str:
        """All for a person, in several lines."""
        return "\n".join([self.subject, *(f"- {alarm}" for alarm in self.alarms), *([self.page] if self.page else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return all for a program."""
        return {**asdict(self), "alarms": list(self.alarms), "figures": dict(self.figures), "subject": self.subject}


@dataclass(frozen=True)
class AlertChannel:
    """A channel that alerts can be sent through, contributed by a plugin.

    Parameters
    ----------
    name
        The name in ``monitor.alerts``.
    target
        Dotted name of a class, or a factory. It is called with the settings in ``monitor.alerting.<name>``, and its
        method ``send(alert)`` with each `Alert`; an exception means that nothing arrived, and it is tried again at the
        next look.
    """

    name: str
    target: str | Callable[..., Any]

    def __post_init__(self) -> None:
        check_name("alert channel", self.name)
        if not callable(self.target):
            check_path(f"alert channel '{self.name}'", "target", self.target)
