"""Each finding is planted in tables of 30 seeds, and found there, and nothing else is."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from runtree.checks.context import CheckContext
from runtree.checks.leakage import check_suspects
from runtree.checks.notes import CHEAP_CHECKS
from runtree.checks.registry import CHECKS
from runtree.checks.rows import repeated_rows
from runtree.checks.values import find_outliers
from runtree.contract.types import SPLITS, Split, Table

SEEDS = 30
ROWS = 300
LOOKED_FOR = {check.name: check.function for check in CHECKS if not check.needs_fit}
for fits in ("shapes", "missing"):  # they fit a preprocessing, and say nothing of the table
    del LOOKED_FOR[fits]
LOOKED_FOR["leakage"] = check_suspects  # as `check_leakage`, on fewer columns
# a run tells nothing of copies, and of few equal rows on two sides, which can be chance
NOT_TOLD = {"copies", "contradictions", "duplicates"}


def sound(seed):
    """Return a table without a fault, split by hand: the checks must not depend on the code that splits."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(ROWS, 3))
    frame = pd.DataFrame(values, columns=list("abc"))
    frame["skewed"] = draw.lognormal(sigma=1.0, size=ROWS).round(2)
    frame["count"] = draw.poisson(3, ROWS)
    frame["kind"] = draw.choice(["red", "green", "blue"], ROWS)
    frame["holes"] = np.where(draw.random(ROWS) < 0.2, np.nan, draw.normal(size=ROWS))
    target = pd.Series(np.where(values[:, 0] + draw.normal(size=ROWS) > 0, "yes", "no"), name="y")
    part = np.repeat(["train", "validation", "test"], [180, 60, 60])
    return frame, target, draw.permutation(part), draw


def context_of(frame, target, part, groups=None, times=None):
    rows = {name: np.flatnonzero(part == name) for name in SPLITS}
    table = Table(frame, target, "classification", tuple(sorted(target.unique())), "0", groups=groups, times=times)
    config = SimpleNamespace(to_dict=lambda: {"evaluator": {"fairness": {"columns": ["kind"]}}})
    run = SimpleNamespace(
        data=table,
        split=Split(**rows, id="0"),
        seed=0,
        config=config,
        metadata={"split": "random"},
        evaluator=SimpleNamespace(holds_out=True),
    )
    return CheckContext(run, None, None, "maximize", rows["train"], rows["validation"])


def findings(context, *without):
    looked = {name: check for name, check in LOOKED_FOR.items() if name not in without}
    return {name for name, check in looked.items() if check(context).state in ("warned", "failed")}


def nothing(frame, target, part, draw):
    return context_of(frame, target, part)


def constant(frame, target, part, draw):
    return context_of(frame.assign(d=1.5), target, part)


def identifiers(frame, target, part, draw):
    return context_of(frame.assign(number=draw.permutation(ROWS)), target, part)


def outliers(frame, target, part, draw):
    frame.loc[draw.choice(ROWS, 3, replace=False), "b"] = -999
    return context_of(frame, target, part)


def missing_by_class(frame, target, part, draw):
    frame.loc[(target == "yes") & (draw.random(ROWS) < 0.6), "b"] = np.nan
    return context_of(frame, target, part)


def missing_by_group(frame, target, part, draw):
    frame.loc[(frame["kind"] == "red") & (draw.random(ROWS) < 0.6), "b"] = np.nan
    return context_of(frame, target, part)


def copies(frame, target, part, draw):
    first, second = np.flatnonzero(part == "train")[:2]
    frame.loc[second], target.loc[second] = frame.loc[first], target.loc[first]
    return context_of(frame, target, part)


def contradictions(frame, target, part, draw):
    train = part == "train"
    yes, no = np.flatnonzero(train & (target == "yes"))[0], np.flatnonzero(train & (target == "no"))[0]
    frame.loc[no] = frame.loc[yes]
    return context_of(frame, target, part)


def duplicates(frame, target, part, draw):
    first, other = np.flatnonzero(part == "train")[0], np.flatnonzero(part == "test")[0]
    frame.loc[other], target.loc[other] = frame.loc[first], target.loc[first]
    return context_of(frame, target, part)


def imbalance(frame, target, part, draw):
    # eight of the rare class stay in each split
    rare = [row for name in SPLITS for row in np.flatnonzero((part == name) & (target == "yes"))[8:]]
    target = target.mask(target.index.isin(rare), "no")
    return context_of(frame, target, part)


def classes(frame, target, part, draw):
    some = [row for name, count in (("train", 15), ("validation", 5)) for row in np.flatnonzero(part == name)[:count]]
    return context_of(frame, target.mask(target.index.isin(some), "maybe"), part)


def groups(frame, target, part, draw):
    column = pd.Series(np.searchsorted(SPLITS, part, sorter=np.argsort(SPLITS)) * 100 + np.arange(ROWS) % 20)
    assert findings(context_of(frame, target, part, groups=column), "leakage") == set()
    column = column.mask(np.arange(ROWS) == np.flatnonzero(part == "test")[0], column[part == "train"].iloc[0])
    return context_of(frame, target, part, groups=column.rename("site"))


def times(frame, target, part, draw):
    days = pd.Series(pd.date_range("2024-01-01", periods=ROWS), name="day")
    part = np.repeat(SPLITS, [180, 60, 60])
    assert findings(context_of(frame, target, part, times=days), "leakage") == set()
    days[ROWS - 1] = days[0]
    return context_of(frame, target, part, times=days)


def leakage(frame, target, part, draw):
    return context_of(frame.assign(answer=(target == "yes") * 2.0 + draw.normal(scale=0.1, size=ROWS)), target, part)


def drift(frame, target, part, draw):
    return context_of(frame.assign(b=frame["b"] + 1.5 * (part == "test")), target, part)


PLANTED = {
    nothing: set(),
    constant: {"constant"},
    identifiers: {"identifiers"},
    outliers: {"outliers"},
    missing_by_class: {"missing by group"},
    missing_by_group: {"missing by group"},
    copies: {"copies"},
    contradictions: {"contradictions"},
    duplicates: {"copies", "duplicates"},
    imbalance: {"imbalance"},
    classes: {"classes"},
    groups: {"groups"},
    times: {"time"},
    leakage: {"leakage"},
    drift: {"drift"},
}


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found_and_no_other(fault):
    # models of columns take most of the time, and the other faults do not touch them
    without = () if fault in (nothing, leakage) else ("leakage",)
    found = {seed: findings(fault(*sound(seed)), *without) for seed in range(SEEDS)}
    assert found == dict.fromkeys(range(SEEDS), PLANTED[fault])


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_every_run_tells_a_planted_fault_before_it_fits(fault):
    context = fault(*sound(0))
    told = {check.name for check in CHEAP_CHECKS if check.function(context).state in ("warned", "failed")}
    assert told == PLANTED[fault] - NOT_TOLD


def test_values_missing_by_group_are_found_in_long_tables(monkeypatch):
    monkeypatch.setattr("runtree.checks.values.GROUPED_ROWS", 100)
    for fault in (missing_by_group, nothing):
        assert ("missing by group" in findings(fault(*sound(1)), "leakage")) is bool(PLANTED[fault])


def test_rows_are_equal_where_their_values_are():
    frame = pd.DataFrame({"a": [0.0, -0.0, np.nan, np.nan, 1.0, 1.0], "b": ["x", "x", None, None, "x", "y"]})
    assert repeated_rows(frame).tolist() == [0, 0, 1, 1, -1, -1]
    assert repeated_rows(frame.assign(c=range(6))).tolist() == [-1] * 6


def test_a_long_tail_has_no_outliers_and_a_code_is_one():
    draw = np.random.default_rng(0)
    for tail in (draw.lognormal(sigma=2, size=5000), draw.pareto(2, 5000), draw.exponential(size=5000) - 3):
        assert find_outliers(pd.Series(tail)) is None
    rows, low, high = find_outliers(pd.Series([*draw.integers(18, 90, 200), 999, 999]))
    assert (rows.tolist(), low >= 18, high < 90) == ([200, 201], True, True)
