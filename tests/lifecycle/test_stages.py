import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import MissingError
from runtree.contract.run import Stage
from runtree.lifecycle.stages import order_stages, stages

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


def test_one_name_twice_is_refused():
    with pytest.raises(MissingError, match="stage 'fit' is registered twice: by 'runtree' and by 'mine'"):
        names(("mine", Stage("fit", nothing)))


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
