"""`runtree monitor --watch`: look after look, until a signal comes; what goes wrong in one is a line, and no end."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtree.app import watch
from runtree.app.monitor import MonitorResult
from runtree.app.monitored_rows import MonitorRequest
from runtree.contract.errors import ConfigError, NotFoundError, RequestError
from runtree.records.layout import MonitorFolder, hold_alone

REQUEST = MonitorRequest(SimpleNamespace(folder=Path("run-1"), id="run-1"), "models:/churn@champion", is_watching=True)


def window(name, state="ok"):
    return {"window": {"name": name}, "state": state, "model": {"version": 3}, "alarms": []}


@pytest.fixture
def watched(folder, monkeypatch):
    """Return a function that watches with looks of the test, and returns what was seen, or the error."""
    monkeypatch.setattr(watch, "model_name", lambda record: "churn")

    def run(*looks, make_request=lambda: REQUEST):
        seen, left = [], list(looks)

        def monitor(app, request):
            if len(left) == 1:
                os.kill(os.getpid(), signal.SIGTERM)  # the look goes on to its end
            look = left.pop(0)
            if isinstance(look, BaseException):
                raise look
            return MonitorResult(MonitorFolder(folder / "monitoring" / "churn"), (window(look),), (), tested=(look,))

        monkeypatch.setattr(watch, "monitor_run", monitor)
        watch.watch_model(make_request, 0.01, lambda result: seen.append(result.tested[0]), seen.append, seen.append)
        return seen

    return run


def test_errors_of_a_look_are_lines_and_a_signal_ends_it_after_the_look(watched):
    errors = [NotFoundError("predictions: there is no prediction log", "serve it"), ValueError("odd"), OSError("disk")]
    seen = watched("a", *errors, ConfigError("later, by another champion"), "b")
    assert seen[0] == "a" and seen[-1] == "b" and len(seen) == 6
    assert seen[1] == "predictions: there is no prediction log serve it" and "\n" not in "".join(seen)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    # also while nothing of the log is there yet
    assert watched(NotFoundError("no log"), "a") == ["no log", "a"]


def test_a_wrong_request_ends_the_first_look(watched):
    with pytest.raises(ConfigError, match="windw"):
        watched(ConfigError("monitor.windw"), "b")
    with pytest.raises(KeyboardInterrupt):
        watched("a", KeyboardInterrupt(), "b")


def test_the_alias_is_resolved_at_each_look(watched):
    requests = iter([REQUEST, NotFoundError("models:/churn@champion: no alias"), replace(REQUEST, since="2026-11-01")])
    made = []

    def make_request():
        found = next(requests)
        made.append(found)
        if isinstance(found, NotFoundError):
            raise found
        return found

    assert watched("a", "b", make_request=make_request) == ["a", "models:/churn@champion: no alias", "b"]
    assert len(made) == 3


def test_a_second_watcher_is_told_who_watches(watched, folder):
    place = MonitorFolder(folder / "monitoring" / "churn")
    place.path.mkdir(parents=True)
    said = f"churn is watched by another process: process {os.getpid()} on"
    with hold_alone(place.watch_lock, RequestError), pytest.raises(RequestError, match=said):
        watched("a", "b")
    assert watched("a", "b") == ["a", "b"]
