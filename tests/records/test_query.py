from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import RequestError
from runtree.contract.expression import Expression
from runtree.contract.types import RunRecord
from runtree.records.index import RunIndex
from runtree.records.index_builder import IndexBuilder, open_in_memory
from runtree.records.query import (
    RunQuery,
    RunSelection,
    is_descending,
    is_shorthand,
    read_where,
    record_value,
    resolve_name,
    select_runs,
)
from runtree.records.record import RecordFile

NAMES = ("algorithm.name", "algorithm.alpha", "algorithm.fit", "seed", "test.r2", "state")


def a_run(name: str = "r", test: float | None = None, overrides: tuple[str, ...] = (), **more) -> RunRecord:
    """Make a record; `more` holds config keys with __ for a dot, and fields of the record."""
    fields = {key: more.pop(key) for key in list(more) if key in RunRecord.__dataclass_fields__}
    config = {"algorithm.name": "ridge", "data.name": "iris"} | {k.replace("__", "."): v for k, v in more.items()}
    metrics = {} if test is None else {"validation": {"accuracy": test / 2}, "test": {"accuracy": test, "rmse": test}}
    values = {
        "id": name, "experiment": "e", "state": "completed", "reason": None, "started": f"2026-01-{name}",
        "finished": None, "seconds": 1.5, "overrides": overrides, "config": config, "metrics": metrics, "objective": {},
        "fingerprints": {}, "stages": {}, "task": None, "error": None, "folder": Path(name),
    }  # fmt: skip
    return RunRecord(**{**values, **fields})


def index_of(runs: list[RunRecord]) -> RunIndex:
    """Return records as an index that was read from a tree."""
    builder, fresh = IndexBuilder(open_in_memory()), {}
    for run in runs:
        content = {name: getattr(run, name) for name in run.__dataclass_fields__ if name != "folder"}
        found = RecordFile(str(run.folder), content, (0, 0, 0), True)
        fresh[builder.add("e", run.id, found)] = found
    builder.flush()
    index = RunIndex(Path(), builder.connection)
    index.fresh = fresh
    return index


def names_of(runs: list[RunRecord]) -> set[str]:
    return index_of(runs).names()


def select_of(runs: list[RunRecord], query: RunQuery, directions) -> RunSelection:
    return select_runs(index_of(runs), query, directions)


def sorted_by(runs: list[RunRecord], name: str, descending: bool) -> list[str]:
    """Return the ids in their order, after a check that a limit returns the first of them."""
    index = index_of(runs)
    ids, rows = index.column("id"), index.rows(sort=name, descending=descending)
    for limit in range(len(runs)):
        assert index.rows(sort=name, descending=descending, limit=limit) == rows[:limit]
    return [ids[row] for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("algorithm.name=ridge", True),
        ("test.r2 > 0.9", True),
        ("seed==1", True),
        ("algorithm.name!=a b", True),
        ("algorithm.name~x=y", True),
        ("algorithm.name=black and white", True),
        ("algorithm.name='and or'", True),
        ("state<x y", True),
        ("started>2026-01", True),
        ("seed=", True),
        ("algorithm.name == 'and or'", False),
        ("test.r2 < algorithm.alpha", False),
        ("test.r2 > algorithm.alpha - 0.1", False),
        ("0 < seed", False),
        ("0 <= seed < 1", False),
        ("seed==1 and state==null", False),
        ("seed in [1, 2]", False),
        ("not fit", False),
        ("(seed == 1)", False),
    ],
)
def test_name_value_is_told_from_an_expression(text, expected):
    assert is_shorthand(text) is expected
    assert isinstance(read_where(text, {*NAMES, "started"}), Expression)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("algorithm=ridge", ("algorithm.name",)),
        ("metrics.test.r2 > 0.9", ("test.r2",)),
        ("r2 > 0.9", ("test.r2",)),
        ("algorithm == 'ridge' and (seed in [0, 2] or r2 >= 0.75)", ("algorithm.name", "seed", "test.r2")),
        ("algorithm.name == ridge and seed == 1", ("algorithm.name", "seed")),
    ],
)
def test_short_names_become_full(text, names):
    assert read_where(text, NAMES).names == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed=1 and alpha=2", "position 8, 'and alpha=2': conditions that are joined with 'and' are written with =="),
        ("sed == 1 and seed == 2", "did you mean: seed"),
        ("sed=1", "did you mean: seed"),
        ("test.r3 == 1 and seed == 2", "did you mean: test.r2"),
        ("rigde and seed == 1", "put it in quotes: 'rigde'"),
        ("seed == 1 and", "position 14"),
        ("=3", "position 1"),
        ("", "incomplete"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text, message):
    with pytest.raises(RequestError) as caught:
        read_where(text, NAMES)
    assert message in str(caught.value)
    assert str(caught.value).startswith("--where: ")
    assert len(str(caught.value).splitlines()) <= 5


@given(st.text(alphabet="aseed 12()[]<>=!'\"andornti.,:{}*@+-_lmbf\n", max_size=40))
def test_any_text_is_parsed_or_refused_in_a_few_lines(text):
    try:
        assert isinstance(read_where(text, None), Expression)
    except RequestError as error:
        assert len(str(error).splitlines()) <= 5


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("test.accuracy>0.9", True),
        ("test.accuracy>0.95", False),
        ("test.accuracy<=0.95", True),
        ("test.accuracy=0.950", True),
        ("test.accuracy!=0.95", False),
        ("train.accuracy>0", False),  # missing
        ("train.accuracy!=0", True),
        ("algorithm.depth=null", True),
        ("algorithm.depth=3", False),
        ("algorithm.fit=true", True),
        ("algorithm.fit=True", True),
        ("algorithm.name=ridge", True),
        ("algorithm.name=rid", False),
        ("algorithm.name~RID", True),
        ("algorithm.depth~n", False),  # null is not the text "None"
        ("started>2026-01", True),
        ("seconds<2", True),
        ("seconds<fast", False),
        ("algorithm.layers~100", True),
        ("100 in algorithm.layers and not algorithm.depth", True),
        ("test.accuracy > validation.accuracy + 0.4", True),
    ],
)
def test_the_index_and_a_record_agree_on_a_condition(text, holds):
    run = a_run(test=0.95, algorithm__depth=None, algorithm__fit=True, algorithm__layers=[50, 100])
    condition = read_where(text, None)
    assert condition.evaluate(lambda name: record_value(run, name)) is holds
    assert index_of([run]).count([condition]) == holds


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
    assert select_of([a_run()], RunQuery(where=("data=wine",)), dict).hints == ("data.name is iris",)


def test_an_unknown_experiment_is_answered_with_the_nearest():
    with pytest.raises(RequestError, match="did you mean: churn"):
        select_of([a_run(experiment="churn")], RunQuery(experiment="churm"), dict)
