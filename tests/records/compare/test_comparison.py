"""The whole table: order, spread, ties, correction, baseline, what was left out."""

import numpy as np
import pytest
from scipy import stats

from runtree.contract.errors import NotFoundError, RequestError
from runtree.records.compare.table import KnownMetrics, choose_configuration

SCORES = {
    "ridge": [0.90, 0.93, 0.91, 0.94, 0.92],
    "lasso": [0.89, 0.93, 0.92, 0.93, 0.91],
    "tree": [0.80, 0.85, 0.81, 0.83, 0.84],
    "dummy": [0.50, 0.52, 0.49, 0.51, 0.50],
}


@pytest.fixture
def four(write):
    for name, scores in SCORES.items():
        for seed, score in enumerate(scores):
            cost = {"fit": {"lasso": 0.1}.get(name, 1.0)}
            write(f"{name}{seed}", seed=seed, score=score, config={"algorithm.name": name}, stages=cost, bytes=100)


def names(table):
    return [line.records[0].config["algorithm.name"] for line in table.lines]


def test_configurations_come_best_first_with_mean_and_deviation(four, compared):
    table = compared("e")
    assert names(table) == ["ridge", "lasso", "tree", "dummy"]
    for line in table.lines:
        own = SCORES[line.records[0].config["algorithm.name"]]
        assert line.spread.n == 5
        assert line.spread.mean == pytest.approx(np.mean(own))
        assert line.spread.sd == pytest.approx(np.std(own, ddof=1))
    assert (table.total, table.runs) == (4, 20)


def test_the_interval_over_seeds_is_students_with_the_variance_of_overlapping_splits(four, compared):
    found, own = compared("e").lines[0].spread, np.array(SCORES["ridge"])
    reach = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 20 / 60) * own.var(ddof=1))
    assert (found.low, found.high) == pytest.approx((own.mean() - reach, own.mean() + reach))
    wider = compared("e", alpha=0.01).lines[0].spread
    assert wider.low < found.low < found.high < wider.high


def test_the_interval_of_one_run_is_the_bootstrap_of_its_rows(write, compared):
    truth = [0, 1] * 40
    chances = [0.9 if truth[row] ^ (row % 10 == 0) else 0.1 for row in range(80)]
    write("r1", score=0.9, answers=(truth, chances))
    found = compared("e").lines[0].spread
    assert (found.over, found.sd) == ("rows", None)
    assert found.low < 0.9 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / 80), rel=0.2)


def test_scores_that_are_all_the_same_have_no_interval(write, compared):
    for seed in range(3):
        write(f"r{seed}", seed=seed, score=0.0)
    found = compared("e").lines[0].spread
    assert (found.sd, found.low, found.high) == (0.0, None, None)


def test_ties_go_by_the_corrected_p(four, compared):
    table = compared("e", correction="none")
    assert [line.tied for line in table.lines] == [True, True, False, False]
    raw = [line.best.p for line in table.lines[1:]]
    assert [line.p for line in table.lines] == [None, *raw]
    ordered = sorted(raw)
    holm = {p: max((len(raw) - rank) * q for rank, q in enumerate(ordered[: ordered.index(p) + 1])) for p in raw}
    assert [line.p for line in compared("e").lines[1:]] == pytest.approx([min(1, holm[p]) for p in raw])
    hochberg = stats.false_discovery_control(raw)
    assert [line.p for line in compared("e", correction="bh").lines[1:]] == pytest.approx(list(hochberg))
    assert not compared("e", alpha=0.5, correction="none").lines[1].tied or table.lines[1].p >= 0.5


def test_a_dummy_is_the_baseline_unless_another_is_named(four, compared):
    assert [line.is_baseline for line in compared("e").lines] == [False, False, False, True]
    table = compared("e", baseline="lasso")
    assert [line.is_baseline for line in table.lines] == [False, True, False, False]
    assert table.lines[0].baseline.p == pytest.approx(table.lines[1].best.p)
    assert table.lines[1].baseline is None
    assert compared("e", baseline="tree3").lines[2].is_baseline
    with pytest.raises(NotFoundError, match="no run, sweep or experiment 'treee'"):
        compared("e", baseline="treee")


def test_a_baseline_joins_though_it_was_not_asked_for(four, compared):
    table = compared("ridge0", "ridge1", baseline="tree0")
    assert names(table) == ["ridge", "tree"]
    assert table.lines[1].is_baseline


def test_a_baseline_that_may_be_several_is_refused(write, compared):
    for alpha in (1.0, 2.0):
        write(f"r{alpha:g}", config={"algorithm.alpha": alpha})
    with pytest.raises(RequestError, match="'ridge' names 2 configurations"):
        compared("e", baseline="ridge")


def test_a_limit_shows_the_first_and_the_baseline(four, compared):
    table = compared("e", most=1)
    assert [(line.rank, line.is_baseline) for line in table.lines] == [(1, False), (4, True)]
    assert table.total == 4
    assert len(compared("e", most=None).lines) == 4


def test_what_does_not_count_is_counted(four, write, compared):
    write("z1", state="failed", metrics={}, objective={})
    write("z2", metrics={"validation": {"f1": 0.5}})
    write("ridge9", seed=0, score=0.99)
    table = compared("e")
    assert (table.unfinished, table.unscored, table.lines[0].repeated) == (1, 1, 1)
    assert "ridge9" in [record.id for record in table.lines[0].records]


def test_the_run_that_stands_for_a_configuration_has_a_model(write, compared):
    write("r1", seed=0, score=0.7, bytes=10), write("r2", seed=1, score=0.9)
    table = compared("e")
    assert choose_configuration(table, None, KnownMetrics({}, {})).run.id == "r1", "a sweep keeps the model of one seed"


def test_conditions_narrow_it(four, compared):
    assert names(compared("e", where=("algorithm.name in ['ridge', 'tree'] and seed < 3",))) == ["ridge", "tree"]


def test_nothing_to_compare_is_told(four, compared):
    with pytest.raises(NotFoundError, match=r"none of these runs is completed and has test\.accuracy"):
        compared("e", metric="test.accuracy", where=("algorithm.name=none",))
    with pytest.raises(RequestError, match="is not a metric"):
        compared("e", metric="seconds")
    with pytest.raises(RequestError, match="did you mean: accuracy"):
        compared("e", metric="acuracy")


def test_the_smallest_is_best_where_the_metric_says_so(four, compared):
    assert names(compared("e", metric="log_loss"))[0] == "ridge"


DIRECTIONS = KnownMetrics({"accuracy": "maximize", "log_loss": "minimize"}, {})


def test_the_cheapest_of_the_tied_is_taken(four, compared):
    table = compared("e")
    assert choose_configuration(table, None, DIRECTIONS).run.id == "ridge3"
    cheapest = choose_configuration(table, "fit_seconds", DIRECTIONS)
    assert (cheapest.line.rank, cheapest.tied, cheapest.cost, cheapest.cost_of_best) == (2, 2, 0.1, 1.0)
    assert cheapest.run.id == "lasso1"
    assert choose_configuration(table, "size", DIRECTIONS).line.rank == 1
    assert choose_configuration(table, "test.accuracy", DIRECTIONS).line.rank == 1
    assert choose_configuration(table, "log_loss", DIRECTIONS).line.rank == 1
    with pytest.raises(RequestError, match="unknown cost 'fit_second'\n  did you mean: fit_seconds"):
        choose_configuration(table, "fit_second", DIRECTIONS)


def test_models_that_were_not_kept_have_no_size(write, compared):
    write("r1")
    with pytest.raises(RequestError, match="no tied configuration has size"):
        choose_configuration(compared("e"), "size", DIRECTIONS)
