"""What is sent for the windows on disk: once at the beginning, reminders, once at the end; twice at most after a kill."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from runtree.contract.alerting import AlertChannel
from runtree.contract.errors import ConfigError
from runtree.monitoring.alerts import AlertSender, open_channels
from runtree.monitoring.options import MonitorOptions
from runtree.records.layout import MonitorFolder

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Channel:
    def __init__(self):
        self.sent, self.fails, self.ids = [], False, []

    def send(self, alert):
        if self.fails:
            raise OSError("no route to the pager")
        self.sent.append((alert.event, alert.window, alert.since))
        self.ids.append(alert.id)

    def take(self):
        sent, self.sent = self.sent, []
        return sent


@pytest.fixture
def place(tmp_path):
    return MonitorFolder(tmp_path / "churn")


def record(place, day, state, **window):
    """Write the record of the window of a day; `closed` unless it is said."""
    name = f"2026-11-{day:02d}"
    place.window(name).path.mkdir(parents=True, exist_ok=True)
    content = {
        "window": {"name": name, "begin": f"{name}T00:00:00+00:00", "closed": True, **window},
        "model": {"reference": "models:/churn@champion", "version": 3, "run": "r"},
        "state": state, "drift": [], "alarms": ["drift: 'age'"] if state == "alarm" else [], "figures": {"rows": 9},
    }  # fmt: skip
    place.window(name).result.write_text(json.dumps(content))


def look(place, channel, after=timedelta(0), remind=86_400.0):
    return AlertSender({"pager": channel}, remind, clock=lambda: NOON + after).send(place)


def test_an_alarm_is_sent_at_its_beginning_reminded_of_and_sent_when_it_is_over(place):
    pager = Channel()
    record(place, 1, "ok")
    assert look(place, pager) == [] and pager.take() == []
    record(place, 2, "alarm")
    look(place, pager)
    assert pager.take() == [("alarm", "2026-11-02", "2026-11-02")]
    record(place, 3, "alarm")
    record(place, 4, "small")
    look(place, pager, timedelta(hours=23))
    assert pager.take() == []
    for hours, number in ((25, 1), (26, 1), (50, 2)):
        look(place, pager, timedelta(hours=hours))
        assert pager.take() == ([("reminder", "2026-11-03", "2026-11-02")] if hours != 26 else [])
        assert pager.ids[-1] == f"churn/2026-11-02/reminder-{number}"
    look(place, pager, timedelta(days=90), remind=None)
    record(place, 5, "ok")
    look(place, pager)
    look(place, pager, timedelta(days=90))
    assert pager.take() == [("over", "2026-11-05", "2026-11-02")]
    record(place, 6, "alarm")
    look(place, pager)
    assert pager.take() == [("alarm", "2026-11-06", "2026-11-06")]


def test_the_window_that_grows_while_a_channel_begins_is_sent_if_it_raises_an_alarm(place):
    pager = Channel()
    record(place, 1, "ok")
    record(place, 2, "small", closed=False)
    look(place, pager)
    record(place, 2, "alarm")
    look(place, pager)
    record(place, 1, "alarm")  # its labels came late
    look(place, pager)
    assert pager.take() == [("alarm", "2026-11-02", "2026-11-02")]
    record(place, 3, "ok")
    look(place, pager)
    assert pager.take() == [("over", "2026-11-03", "2026-11-01")]


def test_what_a_channel_missed_is_sent_later_and_what_was_before_it_is_not(place):
    pager, mail = Channel(), Channel()
    for day, state in enumerate(("alarm", "ok", "alarm", "alarm"), 1):
        record(place, day, state)
    look(place, pager)
    # the alarm that lasts, and not the one that was over before anything was sent
    assert pager.take() == [("alarm", "2026-11-04", "2026-11-03")]
    record(place, 5, "ok")
    for day, state in ((6, "alarm"), (7, "ok")):  # begun and over between two looks
        record(place, day, state)
    pager.fails = True
    assert look(place, pager) == ["alerts: pager: OSError: no route to the pager; it is tried again at the next look"]
    pager.fails = False
    look(place, pager)
    assert pager.take() == [
        ("over", "2026-11-05", "2026-11-03"),
        ("alarm", "2026-11-06", "2026-11-06"),
        ("over", "2026-11-07", "2026-11-06"),
    ]
    look(place, mail)  # another channel has lines of its own, in the same file
    assert AlertSender({"mail": mail}, None).send(place) == [] and mail.take() == [] and look(place, pager) == []


def test_a_window_that_grows_ends_no_alarm_and_one_that_turns_out_well_does(place):
    pager = Channel()
    record(place, 1, "ok")
    look(place, pager)
    record(place, 2, "alarm")
    look(place, pager)
    record(place, 3, "ok", closed=False)
    look(place, pager)
    assert pager.take() == [("alarm", "2026-11-02", "2026-11-02")]
    record(place, 3, "ok")
    look(place, pager)
    assert pager.take() == [("over", "2026-11-03", "2026-11-02")]
    record(place, 4, "alarm", closed=False)
    look(place, pager)
    record(place, 4, "ok")
    look(place, pager)
    look(place, pager)
    assert pager.take() == [("alarm", "2026-11-04", "2026-11-04"), ("over", "2026-11-04", "2026-11-04")]
    record(place, 4, "alarm")  # with the labels, which came late
    look(place, pager)
    look(place, pager)
    assert pager.take() == [("alarm", "2026-11-04", "2026-11-04")] and len(set(pager.ids)) == len(pager.ids)


@pytest.mark.parametrize("dies", ["after sending", "while writing"])
def test_a_kill_between_sending_and_writing_sends_again_and_loses_nothing(place, tmp_path, dies):
    class Killed(Channel):
        def send(self, alert):
            (tmp_path / "arrived").write_text(alert.id)
            os.kill(os.getpid(), signal.SIGKILL)

    record(place, 1, "ok")
    pager = Channel()
    look(place, pager)
    record(place, 2, "alarm")
    if dies == "while writing":
        place.alerts.write_text(place.alerts.read_text() + '{"torn')
    if not (child := os.fork()):
        look(place, Killed())
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    look(place, pager)  # the lock has died with its holder
    assert (tmp_path / "arrived").read_text().split() == pager.ids == ["churn/2026-11-02/alarm"]
    for _ in range(2):
        look(place, pager)
    record(place, 3, "ok")
    look(place, pager)
    assert pager.take()[-1] == ("over", "2026-11-03", "2026-11-02")


def test_a_channel_that_hangs_or_exits_fails_alone(place, monkeypatch):
    from threading import Event

    monkeypatch.setattr("runtree.monitoring.alerts.SEND_SECONDS", 1.0)
    released, pager = Event(), Channel()
    hanging = type("Hanging", (), {"send": lambda self, alert: released.wait(60)})()
    leaving = type("Leaving", (), {"send": lambda self, alert: exit(3)})()
    record(place, 1, "alarm")
    failures = AlertSender({"hanging": hanging, "leaving": leaving, "pager": pager}, None).send(place)
    released.set()
    assert "has not ended after a minute" in failures[0] and "sys.exit(3)" in failures[1] and len(failures) == 2
    assert pager.take() == [("alarm", "2026-11-01", "2026-11-01")]


def test_the_options_choose_the_channels():
    offered = [("p", AlertChannel(name, Channel)) for name in ("console", "pager", "mail")]

    def chosen(watching=False, **options):
        return list(open_channels(MonitorOptions(**options), offered, watching).channels)

    assert chosen() == [] and chosen(True) == ["console"]
    assert chosen(True, alerting={"pager": {}}) == ["console", "pager"]
    assert chosen(True, alerts="none", alerting={"pager": {}}) == [] == chosen(alerts=[])
    assert chosen(alerts=["mail"], alerting={"pager": {}}) == ["mail"]
    for options in ({"alerts": ["pagr"]}, {"alerting": {"pagr": {}}}):
        with pytest.raises(ConfigError, match="did you mean: pager"):
            chosen(**options)

    def broken():
        raise OSError("no pager here")

    found = open_channels(MonitorOptions(alerts=["x"]), [("p", AlertChannel("x", broken))])
    assert found.problems == ("alerts: x: it cannot be made: OSError: no pager here",)
