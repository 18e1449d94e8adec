from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import RequestError
from runtree.contract.types import RunRecord
from runtree.records.diff import varying_keys
from runtree.records.index import Fresh, RunIndex
from runtree.records.query import (
    Condition,
    RunQuery,
    RunSelection,
    is_descending,
    leading_rows,
    order_rows,
    parse,
    record_value,
    resolve_name,
    select_runs,
    sort_keys,
)
from runtree.records.record import RecordFile


def a_run(name: str = "r", test: float | None = None, overrides: tuple[str, ...] = (), **more) -> RunRecord:
    """Make a record; `more` holds config keys with __ for a dot, and a record's own fields."""
    fields = {key: more.pop(key) for key in list(more) if key in RunRecord.__dataclass_fields__}
    config = {"algorithm.name": "ridge", "data.name": "iris"} | {k.replace("__", "."): v for k, v in more.items()}
    metrics = {} if test is None else {"validation": {"accuracy": test / 2}, "test": {"accuracy": test, "rmse": test}}
    values = {
        "id": name, "experiment": "e", "state": "completed", "reason": None, "started": f"2026-01-{name}",
        "finished": None, "seconds": 1.5, "overrides": overrides, "config": config, "metrics": metrics, "objective": {},
        "fingerprints": {}, "stages": {}, "task": None, "error": None, "folder": Path(name),
    }  # fmt: skip
    return RunRecord(**{**values, **fields})


def runs_of(runs: list[RunRecord]) -> RunIndex:
    """Return records as what was read from a tree."""
    fresh = Fresh()
    for run in runs:
        content = {name: getattr(run, name) for name in run.__dataclass_fields__ if name != "folder"}
        fresh.add("e", run.id, RecordFile(str(run.folder), content, (0, 0, 0), True), 0)
    return RunIndex(Path(), None, [], fresh.whole())


def names_of(runs: list[RunRecord]) -> set[str]:
    return runs_of(runs).names()


def select_of(runs: list[RunRecord], wish: RunQuery, directions) -> RunSelection:
    return select_runs(runs_of(runs), wish, directions)


def sorted_by(runs: list[RunRecord], name: str, largest_first: bool) -> list[str]:
    """Return the ids in their order; the few that are first are the same as where all are sorted."""
    by, rows = sort_keys(runs_of(runs).value(name)), range(len(runs))
    found = order_rows(rows, by, largest_first)
    for most in range(len(runs)):
        few = leading_rows(rows, by, largest_first, most)
        assert order_rows(few, by, largest_first)[:most] == found[:most]
    return [runs[row].id for row in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("algorithm.name=ridge", ("algorithm.name", "=", "ridge")),
        ("test.accuracy > 0.9", ("test.accuracy", ">", "0.9")),
        ("a>=1", ("a", ">=", "1")),
        ("a<=1", ("a", "<=", "1")),
        ("a!=b c", ("a", "!=", "b c")),
        ("a==b", ("a", "=", "b")),
        ("a~x=y", ("a", "~", "x=y")),
        ("a='x y'", ("a", "=", "x y")),
        ("a=", ("a", "=", "")),
    ],
)
def test_a_condition_is_read(text, expected):
    found = parse(text)
    assert (found.name, found.operator, found.text) == expected


@pytest.mark.parametrize("text", ["", "accuracy", "=3", ">", "a b=3"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(RequestError, match="is not a condition"):
        parse(text)


@given(
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~"]),
    st.from_regex(r"[a-z_.]{1,9}", fullmatch=True),
    st.integers(),
)
def test_a_condition_survives_being_written(operator, name, number):
    assert parse(f"{name}{operator}{number}") == Condition(name, operator, str(number))


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("test.accuracy>0.9", True),
        ("test.accuracy>0.95", False),
        ("test.accuracy<=0.95", True),
        ("test.accuracy=0.950", True),
        ("test.accuracy!=0.95", False),
        ("train.accuracy>0", False),  # it is not there
        ("train.accuracy!=0", True),
        ("algorithm.depth=null", True),
        ("algorithm.depth=3", False),
        ("algorithm.fit=true", True),
        ("algorithm.fit=True", True),
        ("algorithm.fit=1", False),
        ("algorithm.name=ridge", True),
        ("algorithm.name=rid", False),
        ("algorithm.name~RID", True),
        ("algorithm.depth~n", False),  # null is not the text "None"
        ("started>2026-01", True),
        ("seconds<2", True),
        ("algorithm.layers~100", True),
    ],
)
def test_a_condition_compares_as_the_value_is(expression, holds):
    run = a_run(test=0.95, algorithm__depth=None, algorithm__fit=True, algorithm__layers=[50, 100])
    condition = parse(expression)
    assert condition.holds(record_value(run, condition.name)) is holds
    assert condition.holds(*runs_of([run]).value(condition.name)) is holds


def test_a_number_is_not_compared_with_a_word():
    with pytest.raises(RequestError, match=r"--where: 'fast' is not a number, and seconds holds numbers"):
        parse("seconds<fast").holds(1.5)


def test_names_are_those_of_fields_metrics_and_config_keys():
    known = names_of([a_run(test=0.5), a_run(seed=3)])
    assert {"state", "seconds", "test.accuracy", "validation.accuracy", "algorithm.name", "seed"} <= known
    assert "train.accuracy" not in known


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("test.accuracy", "test.accuracy"),
        ("accuracy", "validation.accuracy"),
        ("rmse", "test.rmse"),
        ("algorithm", "algorithm.name"),
        ("alpha", "algorithm.alpha"),
        ("seed", "seed"),
        ("state", "state"),
    ],
)
def test_a_short_name_is_made_full(short, full):
    assert resolve_name(short, names_of([a_run(test=0.5, seed=1, algorithm__alpha=1, data__seed=2)])) == full


def test_a_short_name_of_several_keys_is_refused():
    with pytest.raises(RequestError, match=r"'tol' may be any of 2 keys: algorithm\.tol, evaluator\.tol"):
        resolve_name("tol", names_of([a_run(algorithm__tol=1, evaluator__tol=2)]))


@pytest.mark.parametrize(("typo", "suggestion"), [("acuracy", "accuracy"), ("test.acuracy", "test.accuracy")])
def test_an_unknown_name_is_answered_with_the_nearest(typo, suggestion):
    with pytest.raises(RequestError, match=f"did you mean: {suggestion}"):
        resolve_name(typo, names_of([a_run(test=0.5)]))


def test_a_metric_is_sorted_best_first():
    directions = {"accuracy": "maximize", "rmse": "minimize"}
    assert is_descending("test.accuracy", directions)
    assert not is_descending("validation.rmse", directions)
    assert not is_descending("algorithm.alpha", directions)
    assert not is_descending("seconds", directions)
    assert is_descending("started", directions)


@pytest.mark.parametrize("largest_first", [True, False])
def test_runs_without_the_value_come_last_in_both_directions(largest_first):
    runs = [a_run("none"), a_run("low", 0.1), a_run("nan", float("nan")), a_run("high", 0.9)]
    found = sorted_by(runs, "test.accuracy", largest_first)
    assert found[:2] == (["high", "low"] if largest_first else ["low", "high"])
    assert set(found[2:]) == {"none", "nan"}


def test_numbers_and_words_under_one_key_can_be_sorted():
    runs = [a_run("word", algorithm__a="sqrt"), a_run("two", algorithm__a=2), a_run("list", algorithm__a=[1])]
    assert sorted_by(runs, "algorithm.a", False)[0] == "two"


def test_equals_keep_their_order():
    runs = [a_run(name, 0.5) for name in "cab"]
    assert sorted_by(runs, "test.accuracy", True) == ["c", "a", "b"]


def test_a_key_varies_where_runs_of_one_option_differ():
    runs = [
        a_run(seed=0, algorithm__alpha=1.0, algorithm__tol=1),
        a_run(seed=0, algorithm__alpha=2.0, algorithm__tol=1),
    ]
    assert varying_keys(runs) == ["algorithm.alpha"]
    assert varying_keys(runs[:1]) == []
    assert varying_keys([]) == []


def test_other_options_differ_by_name_and_not_by_every_key_that_they_have():
    forest = {"algorithm__name": "forest", "algorithm__trees": 100, "algorithm__tol": 2}
    runs = [a_run(algorithm__alpha=1.0, algorithm__tol=1), a_run(**forest)]
    assert varying_keys(runs) == ["algorithm.name"]


def test_a_key_that_was_typed_varies_across_options():
    runs = [
        a_run(algorithm__alpha=1.0),
        a_run(algorithm__name="lasso", algorithm__alpha=0.1, overrides=("algorithm=lasso", "algorithm.alpha=0.1")),
    ]
    assert varying_keys(runs) == ["algorithm.name", "algorithm.alpha"]


def test_a_key_that_only_some_runs_of_an_option_have_varies():
    runs = [a_run(algorithm__params__depth=3), a_run(algorithm__params={})]
    assert varying_keys(runs) == ["algorithm.params.depth"]


def test_targets_spaces_and_places_are_no_differences():
    noise = [
        {"algorithm___target_": name, "algorithm__space__alpha": name, "outputs": name, "experiment__name": name}
        for name in "ab"
    ]
    assert (
        varying_keys([a_run(**keys, overrides=tuple(key.replace("__", ".") for key in keys)) for keys in noise]) == []
    )


def test_a_group_without_a_name_differs_by_its_target():
    runs = [a_run(preprocess___target_="p.Tabular", preprocess__levels=20), a_run(preprocess___target_="p.Standard")]
    assert varying_keys(runs) == ["preprocess._target_"]


def test_what_follows_the_seed_says_nothing_new():
    following = [a_run(seed=number, algorithm__random_state=number) for number in (0, 1)]
    assert varying_keys(following) == ["seed"]
    own = [a_run(seed=number, algorithm__random_state=7 + number) for number in (0, 1)]
    assert varying_keys(own) == ["seed", "algorithm.random_state"]


def test_a_value_is_found_by_its_full_name():
    run = a_run("r", 0.5, seed=3)
    found = [record_value(run, name) for name in ("id", "seed", "test.accuracy", "test.nothing", "nothing")]
    assert found == ["r", 3, 0.5, None, None]


def test_conditions_are_all_to_hold():
    runs = [a_run("1", 0.2), a_run("2", 0.8), a_run("3", 0.9, data__name="wine")]
    found = select_of(runs, RunQuery(where=("test.accuracy>0.5", "data=iris")), dict)
    assert [run.id for run in found.records] == ["2"]
    assert found.counts == "1 of 3 runs"


def test_the_newest_run_comes_first():
    assert [run.id for run in select_of([a_run("01"), a_run("03"), a_run("02")], RunQuery(), dict).records] == [
        "03",
        "02",
        "01",
    ]


def test_among_equals_the_newest_comes_first():
    runs = [a_run("01", 0.5), a_run("03", 0.5), a_run("02", 0.5)]
    assert [run.id for run in select_of(runs, RunQuery(sort="accuracy"), dict).records] == ["03", "02", "01"]


def test_a_metric_to_minimise_is_sorted_ascending_and_reversed_on_request():
    runs = [a_run("1", 0.2), a_run("2", 0.8)]
    found = [
        [run.id for run in select_of(runs, RunQuery(sort="rmse", reverse=back), lambda: {"rmse": "minimize"}).records]
        for back in (False, True)
    ]
    assert found == [["1", "2"], ["2", "1"]]


def test_directions_are_asked_for_only_where_a_metric_is_sorted_by():
    def asked() -> dict[str, str]:
        raise AssertionError("not needed")

    found = select_of([a_run("1", 0.2)], RunQuery(sort="seconds", where=("accuracy>0",)), asked)
    assert [run.id for run in found.records] == ["1"]
    with pytest.raises(AssertionError, match="not needed"):
        select_of([a_run("1", 0.2)], RunQuery(sort="accuracy"), asked)


def test_counts_are_honest():
    runs = [a_run(str(number), number / 10) for number in range(8)]
    assert select_of(runs, RunQuery(), dict).counts == "8 runs"
    assert select_of(runs, RunQuery(most=3), dict).counts == "3 of 8 runs"
    assert (
        select_of(runs, RunQuery(where=("test.accuracy<0.5",), most=3), dict).counts == "3 of 5 that match, of 8 runs"
    )
    assert RunSelection((), 0, 1).counts == "0 of 1 run"


def test_where_nothing_matches_the_values_that_there_are_are_told():
    assert select_of([a_run()], RunQuery(where=("data=wine",)), dict).unmet == ("data.name is iris",)


def test_an_unknown_experiment_is_answered_with_the_nearest():
    with pytest.raises(RequestError, match="did you mean: churn"):
        select_of([a_run(experiment="churn")], RunQuery(experiment="churm"), dict)
