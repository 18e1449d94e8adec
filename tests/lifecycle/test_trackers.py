"""Who is told: by name, by the environment, or nobody; and what becomes of one that fails."""

import pytest

from runtree import Tracker
from runtree.contract.errors import ConfigError, MissingError, RunFailedError
from runtree.lifecycle.trackers import WithTrackers, with_trackers
from runtree.testing import FakePlugins


class Board:
    """Hears how runs end."""

    def __init__(self, heard=None, size: int = 3):
        self.heard, self.size = [] if heard is None else heard, size

    def run_finished(self, run, record):
        self.heard.append((run, record))


def hooks(**environment):
    automatic = {name: Tracker(name, Board, lambda on=on: on) for name, on in environment.items()}
    return FakePlugins(register_trackers=[Tracker("board", Board), *automatic.values()])


def names(config, **environment):
    found = with_trackers(config, hooks(**environment))
    return list(found.trackers) if isinstance(found, WithTrackers) else []


@pytest.mark.parametrize(
    ("asked", "told"),
    [("auto", ["on"]), ([], []), (None, []), ("board", ["board"]), (["off", "board", "off"], ["off", "board"])],
)
def test_who_is_told(asked, told):
    assert names({"trackers": asked}, on=True, off=False) == told


def test_a_config_from_before_there_were_trackers_means_auto():
    assert names({}, on=True) == ["on"]


def test_where_nobody_is_asked_for_the_hooks_stay_as_they_are():
    plugins = hooks(off=False)
    assert with_trackers({"trackers": "auto"}, plugins) is plugins


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"trackers": ["bord"]}, "unknown tracker 'bord'\n  did you mean: board"),
        ({"trackers": 7}, "trackers: 7 is not a list of names"),
        ({"trackers": "board", "tracking": {"bord": {}}}, "unknown config key 'tracking.bord'"),
        ({"trackers": "board", "tracking": {"board": {"sise": 1}}}, "did you mean: tracking.board.size"),
        (
            {"trackers": "board", "tracking": {"board": {"size": "x"}}},
            "tracking.board.size: 'x' is not of the type int",
        ),
    ],
)
def test_what_cannot_be_is_refused(config, says):
    with pytest.raises(ConfigError) as refused:
        with_trackers(config, hooks())
    assert says in str(refused.value)


def test_settings_reach_it_secrets_in_their_place(monkeypatch):
    monkeypatch.setenv("PLACE", "here")
    found = with_trackers({"trackers": "board", "tracking": {"board": {"heard": ["${secret:PLACE}"]}}}, hooks())
    assert found.trackers["board"].heard == ["here"]


def test_plugins_hear_first_and_a_tracker_hears_what_it_has_a_method_for():
    plugins = hooks()
    found = with_trackers({"trackers": "board"}, plugins)
    found.moment("run_started", run=1)
    found.moment("run_finished", run=1, record=2)
    assert [name for name, _ in plugins.calls] == ["run_started", "run_finished"]
    assert found.trackers["board"].heard == [(1, 2)]


def test_one_that_fails_is_named_once_and_hears_no_more(caplog):
    class Broken(Board):
        def run_finished(self, run, record):
            raise OSError("gone")

    other = Board()
    found = WithTrackers(FakePlugins(), {"broken": Broken(), "board": other})
    found.moment("run_finished", run=1, record=2)
    found.moment("run_finished", run=3, record=4)
    assert [record.message for record in caplog.records] == ["tracker broken failed in run_finished: OSError: gone"]
    assert other.heard == [(1, 2), (3, 4)]


def faulty(error):
    def fail(*arguments):
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError("gone"), SystemExit(2), MissingError("needs a package")])
def test_one_that_nobody_asked_for_is_left_out_where_it_fails(caplog, error):
    plugins = FakePlugins(
        register_trackers=[
            Tracker("unsure", Board, faulty(error)),
            Tracker("unmade", faulty(error), lambda: True),
            Tracker("board", Board, lambda: True),
        ]
    )
    assert list(with_trackers({"trackers": "auto"}, plugins).trackers) == ["board"]
    first, second = (record.message for record in caplog.records)
    assert first.startswith("tracker 'unsure' failed in `automatic`: ")
    assert second.startswith("tracker 'unmade' cannot be made: ")
    with pytest.raises((RunFailedError, MissingError)) as refused:
        with_trackers({"trackers": ["unmade"]}, plugins)
    assert refused.value is error or refused.value.message.startswith("tracker 'unmade' cannot be made: ")


def test_two_of_one_name_are_refused_with_both_plugins():
    class Twice(FakePlugins):
        def contributions(self, name):
            return iter([("yours", Tracker("board", Board)), ("mine", Tracker("board", Board))])

    with pytest.raises(MissingError, match="tracker 'board' is registered twice: by 'yours' and by 'mine'"):
        with_trackers({"trackers": ["board"]}, Twice())
    assert with_trackers({"trackers": []}, Twice()).__class__ is Twice
    with pytest.raises(MissingError, match="registered twice"):
        with_trackers({"trackers": [], "tracking": {"board": {"path": "x"}}}, Twice())
