"""Alerts: each channel gets one at the beginning of an alarm, reminders while it lasts, and one when it is over.

What is due is computed from the windows on disk and from ``alerts.jsonl``, which has a line for each alert that was
sent. The line is written after the alert is sent: a kill in between sends it twice, and never not at all.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runtree.contract.alerting import Alert, AlertChannel, AlertEvent
from runtree.contract.durations import read_duration
from runtree.contract.errors import ConfigError, RuntreeError, describe_error, first_line, raise_if_ours, unknown
from runtree.contract.files import open_regular
from runtree.contract.redaction import REFERENCE, is_secret_key, redact_text
from runtree.contract.validation import unique_by_name
from runtree.lifecycle.trackers import build_by_settings
from runtree.monitoring.options import AUTO, MonitorOptions
from runtree.monitoring.page import read_windows
from runtree.records.layout import MonitorFolder
from runtree.records.locks import acquire_lock
from runtree.records.reader import read_lines
from runtree.records.writer import append_line
from runtree.reports.model_page import alarm_spans

CONSOLE = "console"
START = "start"  # of the lines of a channel: what was before is not sent
SEND_SECONDS = 60.0  # for one alert through one channel, whatever it does
LOCK_SECONDS = 120.0  # another process may be sending
Content = Mapping[str, Any]


@dataclass(frozen=True)
class AlertSender:
    """The channels that a monitor sends through, by name, and sentences on those that cannot be made."""

    channels: Mapping[str, Any]
    remind: float | None  # seconds
    problems: Sequence[str] = ()
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def send(self, folder: MonitorFolder) -> list[str]:
        """Send what is due for the windows of a model, and return a sentence for each channel that failed."""
        if not self.channels:
            return list(self.problems)
        try:
            with os.fdopen(open_regular(folder.alert_lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)) as lock:
                acquire_lock(lock.fileno(), folder.alert_lock, seconds=LOCK_SECONDS)
                failures = [self._send_through(name, channel, folder) for name, channel in self.channels.items()]
        except BlockingIOError:
            failures = ["another process has been sending for two minutes; what is due is sent at the next look"]
        except (OSError, RuntreeError) as error:
            failures = [f"nothing can be sent: {first_line(error)}"]
        return [*self.problems, *(f"alerts: {text}" for text in failures if text)]

    def _send_through(self, name: str, channel: Any, folder: MonitorFolder) -> str:
        windows = read_windows(folder)
        lines = [line for line in read_lines(folder.alerts) if line.get("channel") == name]
        if not any(line.get("event") == START for line in lines):
            # not the newest window: it may still grow, or get its labels, and raise an alarm then
            past = [span[-2] for span in alarm_spans(windows) if span[-1] is not None]
            lines.append({"event": START, "channel": name, "after": place_of(past[-1]) if past else None})
            append_line(folder.alerts, lines[-1])
        now = self.clock()
        for due in find_due(windows, lines, self.remind, now):
            alert = due.alert(folder, now)
            failure = deliver(channel, alert)
            if failure:
                return f"{name}: {failure}; it is tried again at the next look"
            sent = {"time": alert.time, "event": due.event, "channel": name, "id": alert.id}
            append_line(folder.alerts, {**sent, "window": alert.window, "since": alert.since})
        return ""


@dataclass(frozen=True)
class DueAlert:
    """An event of an alarm: its windows, the one that the event is about, and how often it was sent before."""

    event: AlertEvent
    windows: Sequence[Content]
    about: Content
    number: int = 0

    def alert(self, folder: MonitorFolder, now: datetime) -> Alert:
        """Return the alert."""
        window, model = self.about, self.about.get("model") or {}
        since = name_of(self.windows[0])
        return Alert(
            f"{folder.path.name}/{since}/{self.event}{f'-{self.number}' if self.number else ''}",
            self.event,
            folder.path.name,
            str(model.get("reference") or ""),
            model.get("version"),
            name_of(window),
            since,
            len(self.windows),
            tuple(str(text) for text in window.get("alarms") or ()) if self.event != "over" else (),
            dict(window.get("figures") or {}),
            str(folder.report.resolve()),
            now.isoformat(timespec="milliseconds"),
        )


def find_due(
    windows: Sequence[Content], lines: Sequence[Content], remind: float | None, now: datetime
) -> Iterator[DueAlert]:
    """Yield what a channel has to send, given its lines, the first of which says where it started."""
    start = next(line for line in lines if line.get("event") == START).get("after")
    spans = [(span[:-1], span[-1]) for span in alarm_spans(windows)]
    of_alerts = [line for line in lines if line.get("event") != START]
    for span, end in spans:
        names = {name_of(window) for window in span}
        own = [line for line in of_alerts if {line.get("window"), line.get("since")} & names]
        lasts = bool(own) and own[-1]["event"] != "over"
        repeated = sum(line["event"] == "alarm" for line in own)
        if not own and (start is None or place_of(span[0]) > list(start)):
            yield DueAlert("alarm", span, span[-1])
            lasts = True
        elif own and not lasts and end is None:  # over, and then labels came late, for example
            yield DueAlert("alarm", span, span[-1], repeated)
        if lasts and end is not None:
            yield DueAlert("over", span, end, max(repeated - 1, 0))
        elif lasts and own and remind and (now - datetime.fromisoformat(own[-1]["time"])).total_seconds() >= remind:
            yield DueAlert("reminder", span, span[-1], 1 + sum(line["event"] == "reminder" for line in own))
    # a window that raised an alarm while it was growing may raise none in the end
    known, alarming = (
        {name_of(window): window for window in windows},
        {name_of(one) for span, _ in spans for one in span},
    )
    latest = {str(line["since"]): line for line in of_alerts}
    for since, line in latest.items():
        if line["event"] != "over" and since in known and not {since, line["window"]} & alarming:
            yield DueAlert("over", [known[since]], known.get(line["window"], known[since]))


def name_of(window: Content) -> str:
    """Return the name of a window."""
    return str(window["window"]["name"])


def place_of(window: Content) -> list[str]:
    """Return what windows are ordered by."""
    return [str(window["window"].get("begin") or window.get("checked")), name_of(window)]


def deliver(channel: Any, alert: Alert) -> str:
    """Send an alert; return why it failed, else "". A channel that hangs is left behind in its thread."""
    failures = ["it has not ended after a minute"]

    def run() -> None:
        try:
            channel.send(alert)
            failures.clear()
        except RuntreeError as error:
            failures[:] = [first_line(error)]
        except BaseException as error:  # of a plugin; nothing of the thread reaches the monitor otherwise
            failures[:] = [describe_error(error)]

    thread = threading.Thread(target=run, name="alert", daemon=True)
    thread.start()
    thread.join(SEND_SECONDS)
    return failures[0] if failures else ""


# --- The config: which channels, and their settings.


def open_channels(
    options: MonitorOptions, contributed: Iterable[tuple[str, AlertChannel]], is_watching: bool = False
) -> AlertSender:
    """Make the channels that the options choose.

    Raises
    ------
    ConfigError
        There is no such channel or setting, or a secret was typed instead of being named.
    """
    names = list(options.alerting) + (options.alerts if isinstance(options.alerts, list) else [])
    known = unique_by_name("alert channel", contributed, lambda name: name in names)
    for path, several in (("alerting", options.alerting), ("alerts", options.alerts)):
        for name in several if not isinstance(several, str) else ():
            if name not in known:
                raise unknown(f"alert channel at monitor.{path}:", name, known, error=ConfigError)
    if options.alerts == AUTO:
        chosen = [*([CONSOLE] if is_watching else []), *options.alerting]
    else:
        chosen = [] if isinstance(options.alerts, str) else options.alerts
    channels, problems = {}, []
    for name in dict.fromkeys(chosen):
        settings = options.alerting.get(name) or {}
        refuse_typed_secrets(settings, f"monitor.alerting.{name}")
        try:
            channels[name] = build_by_settings(known[name][1].target, settings, f"monitor.alerting.{name}")
        except RuntreeError:
            raise
        except BaseException as error:
            raise_if_ours(error)
            problems.append(f"alerts: {name}: it cannot be made: {describe_error(error)}")
    remind = None if options.remind is None else read_duration(options.remind, "monitor.remind")
    return AlertSender(channels, remind, tuple(problems))


def refuse_typed_secrets(settings: Any, path: str) -> None:
    """Refuse a secret whose value was typed: it would stand in the history of the shell, and in every process list."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            typed = isinstance(value, (str, int)) and not REFERENCE.search(str(value))
            if typed and (is_secret_key(str(key)) or redact_text(str(value)) != str(value)):
                raise ConfigError(
                    f"{path}.{key}: a secret is not typed, but named", f"type: '{path}.{key}=${{secret:NAME}}'"
                )
            refuse_typed_secrets(value, f"{path}.{key}")
