"""What one configuration is: runs that differ in nothing but the seed, wherever its value is written."""

from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runtree.records.compare.configurations import Configuration, RankingMetric, group_configurations
from runtree.records.index import RunIndex
from runtree.records.index_builder import IndexBuilder, open_in_memory
from runtree.records.record import RecordFile

MEASURE = RankingMetric("validation", "accuracy", "maximize")


def runs_of(*settings: dict, splits: bool = True, scores: tuple[float, ...] = ()) -> RunIndex:
    """Return runs with these settings; the number of a run is its name, and one less than its row."""
    builder = IndexBuilder(open_in_memory())
    for number, config in enumerate(settings):
        seed = config.get("seed", 0)
        content = {
            "id": str(number), "started": f"2026-{number:04d}", "state": "completed", "config": {"seed": 0} | config,
            "metrics": {"validation": {"accuracy": scores[number] if scores else 0.5}},
            "fingerprints": {"data": "d", "split": f"s{seed * splits}"}, "objective": {}, "error": None,
        }  # fmt: skip
        builder.add("e", str(number), RecordFile(f"e/{number}", content, (0, 0, 0), True))
    builder.flush()
    return RunIndex(Path(), builder.connection)


def grouped(*settings: dict) -> list[Configuration]:
    runs = runs_of(*settings)
    return group_configurations(runs, runs.rows(), MEASURE)


def rows(*settings: dict) -> list[set[int]]:
    return [{row - 1 for row in one.rows} for one in grouped(*settings)]


def test_runs_that_differ_in_the_seed_alone_are_one():
    [found] = grouped(*({"seed": seed, "algorithm.random_state": seed} for seed in (3, 1, 2)))
    assert found.seeds == (1, 2, 3)
    assert found.followers == {"algorithm.random_state"}


def test_another_value_is_another_configuration():
    assert rows({"algorithm.alpha": 1.0}, {"algorithm.alpha": 2.0}, {"algorithm.alpha": 1}) == [{0}, {1}, {2}]


def test_a_seed_that_was_typed_is_a_setting():
    typed = [{"seed": seed, "algorithm.random_state": 7} for seed in (1, 2)]
    bound = [{"seed": seed, "algorithm.random_state": seed} for seed in (1, 2)]
    assert rows(*typed, *bound) == [{0, 1}, {2, 3}]


def test_a_plugins_key_may_be_bound_to_the_seed():
    assert rows(*({"seed": seed, "algorithm.dice": seed} for seed in (1, 2))) == [{0, 1}]


def test_a_key_that_happens_to_equal_the_seed_is_a_setting():
    grid = [{"seed": seed, "algorithm.max_depth": depth} for seed, depth in product((1, 2, 3), (1, 2, 3))]
    found = [{grid[row]["algorithm.max_depth"] for row in one} for one in rows(*grid)]
    assert sorted(map(sorted, found)) == [[1], [2], [3]]
    lone = grouped({"seed": 1, "algorithm.max_depth": 1, "algorithm.alpha": 1.0}, {"seed": 1, "algorithm.max_depth": 4})
    assert all("algorithm.max_depth" not in one.followers for one in lone)


def test_where_a_run_ran_and_how_it_was_looked_at_is_no_setting():
    here = {"compute.threads": 2, "algorithm.n_jobs": 2, "outputs": "a", "evaluator.report": True}
    there = {"compute.threads": 8, "algorithm.n_jobs": 8, "outputs": "b", "evaluator.report": False, "seed": 1}
    assert rows(here, there) == [{0, 1}]
    assert rows(here, {**there, "algorithm.n_jobs": 3}) == [{0}, {1}]


def test_of_runs_with_one_seed_and_one_split_the_newest_counts():
    [found] = grouped({"seed": 1}, {"seed": 2}, {"seed": 1})
    assert found.rows == (3, 2)
    assert found.repeated == 1


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.5, 1, True, None, "x", [1]])), max_size=25
    )
)
def test_groups_are_those_of_everything_but_the_seed(many):
    fixed = [{"seed": 9, "algorithm.random_state": 9, "algorithm.depth": 1, "algorithm.a": 0.5}]
    settings = fixed + [
        {"seed": seed, "algorithm.random_state": seed, "algorithm.depth": depth + 10, "algorithm.a": a}
        for seed, depth, a in many
    ]
    runs = runs_of(*settings)
    found = group_configurations(runs, runs.rows(), MEASURE)
    expected: dict[str, set[int]] = {}
    for one in settings:
        expected.setdefault(repr((one["algorithm.depth"], one["algorithm.a"])), set()).add(one["seed"])
    assert sorted(sorted(one.seeds) for one in found) == sorted(map(sorted, expected.values()))
    assert sum(len(one.rows) + one.repeated for one in found) == len(settings)


def test_the_best_comes_first_whichever_way_is_better():
    runs = runs_of({"algorithm.alpha": 1.0}, {"algorithm.alpha": 2.0}, scores=(0.4, 0.6))
    assert [one.rows for one in group_configurations(runs, (1, 2), MEASURE)] == [(2,), (1,)]
    downwards = RankingMetric("validation", "accuracy", "minimize")
    assert [one.rows for one in group_configurations(runs, (1, 2), downwards)] == [(1,), (2,)]
