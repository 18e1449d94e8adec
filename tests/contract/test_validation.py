"""What a plugin contributes refuses what it cannot be, with its name, where it is made."""

from functools import partial

import pytest

from runtree import AlgorithmOption, Command, Metric, Stage, Tracker
from runtree.contract.errors import MissingError
from runtree.contract.validation import unique_by_name


def nothing(*arguments):
    return 0.0


metric = partial(Metric, "youden", nothing)
option = partial(AlgorithmOption, "stump", "mine.Stump", {"depth": 1, "loss": {"name": "l2"}})

REFUSED = {
    # the field, and what the message says beside the name
    "direction": (lambda: metric("max"), "metric 'youden': direction is 'max'; possible: maximize, minimize"),
    "needs": (lambda: metric("maximize", "proba"), "needs is 'proba'; possible: prediction, probability"),
    "tasks as a text": (lambda: metric("maximize", tasks="regression"), "tasks is 'regression'"),
    "no tasks": (lambda: metric("maximize", tasks=()), "tasks is ()"),
    "an unknown task": (lambda: metric("maximize", tasks=("ranking",)), "tasks is 'ranking'; possible: classification"),
    "default": (lambda: metric("maximize", default="yes"), "default is 'yes', not True or False"),
    "bounds": (lambda: metric("maximize", bounds=(1, 0)), "bounds is (1, 0)"),
    "function": (lambda: Metric("youden", "mine.youden", "maximize"), "function is 'mine.youden', not a function"),
    "a dot in a metric": (lambda: Metric("test.accuracy", nothing, "maximize"), "metric 'test.accuracy': a name has"),
    "a path as an option": (lambda: AlgorithmOption("../evil name", "x.Y"), "algorithm '../evil name': a name has"),
    "no text as a name": (lambda: Stage(5, nothing), "stage 5: a name has"),
    "a stage that is no function": (lambda: Stage("look", "mine.look"), "run is 'mine.look', not a function"),
    "a neighbour": (lambda: Stage("look", nothing, after=nothing), "stage 'look': after is"),
    "a command": (lambda: Command("hello", "hello"), "verb 'hello': command is 'hello'"),
    "a flag as a verb": (lambda: Command("--hello", nothing), "verb '--hello': a name has"),
    "a target without a module": (lambda: AlgorithmOption("stump", "Stump"), "target is 'Stump', not a dotted path"),
    "a class as a target": (lambda: AlgorithmOption("stump", int), "target is <class 'int'>"),
    "a target of no task": (lambda: AlgorithmOption("stump", {"rank": "x.Y"}), "the task in `target` is 'rank'"),
    "defaults": (lambda: AlgorithmOption("stump", "x.Y", ["depth"]), "defaults is ['depth']"),
    "a key that the class has not": (lambda: option({"deepness": "choice(1, 2)"}), "the space has the key 'deepness'"),
    "a function that there is not": (lambda: option({"depth": "intervall(0, 1)"}), "is 'intervall'; possible: choice"),
    "an open parenthesis": (lambda: option({"depth": "interval(0, 1"}), "its parentheses do not match"),
    "a number as a space": (lambda: option({"depth": 5}), "space['depth'] is 5"),
    "a tracker": (lambda: Tracker("board", "board"), "tracker 'board': target is 'board', not a dotted path"),
    "automatic": (lambda: Tracker("board", nothing, True), "tracker 'board': automatic is True"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_contribution_refuses_what_it_cannot_be(case):
    make, says = REFUSED[case]
    with pytest.raises((ValueError, TypeError)) as refused:
        make()
    assert says in str(refused.value)


def test_what_is_right_is_taken():
    option({"depth": "range(1, 5)", "loss.name": "choice(l1, l2)"})
    option({"depth": {"classification": "range(1, 5)", "regression": "range(2, 9)"}})
    option({"depth": "1, 2, 3"})
    AlgorithmOption("stump-2", {"regression": "x.Y"}, tasks=["regression"])
    Command("hello", nothing)
    Tracker("board", lambda: None)
    metric("minimize", bounds=(0, 1))


def test_two_plugins_that_claim_one_name_are_refused_with_both_names():
    with pytest.raises(MissingError, match="metric 'youden' is registered twice: by 'a' and by 'b'") as refused:
        unique_by_name("metric", [("a", metric("maximize")), ("b", metric("minimize"))])
    assert refused.value.exit_code == 4
    assert "runtree --block b" in str(refused.value)


def test_what_nobody_asks_for_is_left_out_where_two_claim_it(caplog):
    claimed = [("a", metric("maximize")), ("b", metric("minimize"))]
    assert unique_by_name("metric", claimed, lambda name: False) == {}
    assert (
        "registered twice: by 'a' and by 'b'; neither is used. leave one of them out: runtree --block b" in caplog.text
    )
