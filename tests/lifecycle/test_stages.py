from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import MissingError, Pruned, RunFailedError
from runtree.contract.run import Stage
from runtree.lifecycle.stages import choose_stages, order_stages, run_stage, stages

BUILTIN = [("runtree", stage) for stage in stages()]


def nothing(run):
    return None


def names(*more):
    return [stage.name for stage in order_stages([*BUILTIN, *more])]


def test_the_story_of_a_run():
    assert names() == ["load", "check", "split", "fit", "score", "save", "report"]


def test_a_stage_stands_right_after_the_one_it_names():
    explain, profile = Stage("explain", nothing, after="score"), Stage("profile", nothing, after="load")
    assert names(("a", explain), ("b", profile)) == [
        "load", "profile", "check", "split", "fit", "score", "explain", "save", "report",
    ]  # fmt: skip


def test_a_stage_stands_right_before_the_one_it_names():
    assert names(("a", Stage("encrypt", nothing, before="save"))).index("encrypt") == 5


def test_a_stage_that_names_nothing_comes_last():
    assert names(("a", Stage("notify", nothing)))[-2:] == ["notify", "report"]


def test_an_unknown_neighbour_names_the_plugin_and_the_nearest():
    with pytest.raises(MissingError) as caught:
        names(("mine", Stage("x", nothing, after="scoer")))
    assert "'mine'" in str(caught.value)
    assert "did you mean: score" in str(caught.value)


def test_stages_that_wait_for_each_other_are_named_with_their_plugins():
    a, b = Stage("a", nothing, after="b"), Stage("b", nothing, after="a")
    with pytest.raises(MissingError, match="'a' of 'one', 'b' of 'two'"):
        names(("one", a), ("two", b))


def test_one_name_twice_is_refused_unless_it_is_runtrees(caplog):
    with pytest.raises(MissingError, match="stage 'more' is registered twice: by 'yours' and by 'mine'"):
        names(("yours", Stage("more", nothing)), ("mine", Stage("more", nothing)))
    assert names(("mine", Stage("fit", nothing))) == names()
    assert "plugin mine: its stage 'fit' is left out: runtree has one of that name" in caplog.text


@given(st.data())
def test_every_wish_is_granted_and_the_order_is_stable(data):
    known = [stage.name for _, stage in BUILTIN]
    more = []
    for number in range(data.draw(st.integers(0, 5))):
        wish = data.draw(st.sampled_from(["after", "before"]))
        more.append(("p", Stage(f"s{number}", nothing, **{wish: data.draw(st.sampled_from(known))})))
        known.append(f"s{number}")
    found = names(*more)
    place = found.index
    assert [name for name in found if not name.startswith("s") or name in ("split", "score", "save")] == names()
    for _, stage in more:
        assert stage.after is None or place(stage.after) < place(stage.name)
        assert stage.before is None or place(stage.name) < place(stage.before)
    assert names(*more) == found


class Running:
    """What `run_stage` uses of a run."""

    def __init__(self):
        self.pruned = None

    def lent(self):
        return nullcontext()

    def named(self, error):
        return error

    def report(self):
        self.pruned = Pruned(3)
        raise self.pruned


def stage_of(plugin, function):
    [found] = [stage for stage in order_stages([*BUILTIN, (plugin, Stage("mine", function))]) if stage.name == "mine"]
    return found


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(0), GeneratorExit()])
def test_a_stage_of_a_plugin_fails_alone(caplog, error):
    def fail(run):
        raise error

    assert run_stage(stage_of("bad", fail), Running()) is False
    assert caplog.text.count("stage 'mine' of the plugin 'bad' failed: ") == 1
    assert run_stage(stage_of("good", nothing), Running()) is True
    with pytest.raises(type(error)):
        run_stage(Stage("mine", fail), Running())  # runtree's own


@pytest.mark.parametrize("error", [RunFailedError("the gate is closed"), KeyboardInterrupt()])
def test_an_error_for_the_user_and_ctrl_c_end_the_run(error):
    def fail(run):
        raise error

    with pytest.raises(type(error)):
        run_stage(stage_of("good", fail), Running())


def swallow(run):
    with suppress(BaseException):
        run.report()


def wrap(run):
    try:
        run.report()
    except BaseException:
        raise RuntimeError("helpers.cpp:58: Traceback (most recent call last):") from None


@pytest.mark.parametrize("function", [swallow, wrap, Running.report])
@pytest.mark.parametrize("plugin", ["good", "runtree"])
def test_a_pruned_run_ends_whatever_becomes_of_the_exception(function, plugin):
    stage = stage_of("good", function) if plugin == "good" else Stage("mine", function)
    with pytest.raises(Pruned):
        run_stage(stage, Running())


def test_a_stage_that_the_config_names_fails_the_run():
    def fail(run, size):
        raise ValueError("boom")

    given = [*BUILTIN, ("bad", Stage("mine", fail, settings={"size": 1}))]
    for config, asked in (({}, False), ({"stages": {"mine": {"size": 2}}}, True)):
        [stage] = [stage for stage in choose_stages(given, config) if stage.name == "mine"]
        if asked:
            with pytest.raises(RunFailedError, match="stage 'mine' of the plugin 'bad' failed: ValueError: boom"):
                run_stage(stage, Running())
        else:
            assert run_stage(stage, Running()) is False


def test_a_stage_that_cannot_be_placed_is_left_out_unless_it_is_asked_for(caplog):
    more = [
        ("bad", Stage("lost", nothing, after="nowhere")),
        ("bad", Stage("one", nothing, after="two")),
        ("bad", Stage("two", nothing, after="one")),
        ("twin", Stage("same", nothing)),
        ("other", Stage("same", nothing)),
        ("good", Stage("first", nothing, after="load")),
        ("good", Stage("second", nothing, after="first")),
    ]
    found = [stage.name for stage in choose_stages([*BUILTIN, *more], {})]
    assert [name for name in found if name not in names()] == ["first", "second"]
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("stage 'same' is registered twice: by 'twin' and by 'other'; neither is used. ")
    assert told[1] == ("plugin bad: its stage 'lost' is left out: it stands beside 'nowhere', which does not exist")
    assert [text.partition(":")[0] for text in told[2:]] == ["plugin bad", "plugin bad"]
    for name in ("lost", "one", "same"):
        with pytest.raises(MissingError):
            choose_stages([*BUILTIN, *more], {"stages": {name: {}}})
