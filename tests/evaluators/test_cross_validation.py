"""Fold scores are scikit-learn's for the same splitter and seed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection as of
from sklearn.base import clone

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.run import FrozenMapping
from runtree.evaluators.cross_validation import CrossValidation
from runtree.evaluators.splitting import Splitting
from runtree.testing.fixtures import UNEXAMINED, quoted, train

ROWS = 120
SEED = 7


def table(folder):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    frame["who"] = generator.integers(0, 12, ROWS).astype(str)
    frame["when"] = pd.date_range("2024-01-01", periods=ROWS, freq="D")[generator.permutation(ROWS)].astype(str)
    frame["label"] = np.where(frame["a"] + generator.normal(scale=0.5, size=ROWS) > 0, "yes", "no")
    frame.to_csv(folder / "table.csv", index=False)
    return ["data=csv", f"data.path={quoted(folder / 'table.csv')}", "data.target=label"]


GROUP, TIME = ["data.group=who"], ["data.time=when"]
KINDS = {
    "stratified": ([], of.StratifiedKFold(5, shuffle=True, random_state=SEED)),
    "random": (["evaluator.kind=random"], of.KFold(5, shuffle=True, random_state=SEED)),
    "repeated": (["evaluator.repeats=3"], of.RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=SEED)),
    "repeated random": (
        ["evaluator.kind=random", "evaluator.repeats=2", "evaluator.folds=3"],
        of.RepeatedKFold(n_splits=3, n_repeats=2, random_state=SEED),
    ),
    "group": (GROUP, of.GroupKFold(5)),
    "stratified group": (
        [*GROUP, "evaluator.kind=stratified_group", "evaluator.folds=3"],
        of.StratifiedGroupKFold(3, shuffle=True, random_state=SEED),
    ),
    "one group": ([*GROUP, "evaluator.kind=leave_one_group_out"], of.LeaveOneGroupOut()),
    "time": (
        [*TIME, "evaluator.gap=2", "evaluator.max_train_size=40"],
        of.TimeSeriesSplit(5, gap=2, max_train_size=40),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_fold_scores_equal_scikit_learns(kind, tmp_path):
    asked, splitter = KINDS[kind]
    shared = ["evaluator=cross_validation", "algorithm=logistic", "evaluator.metrics=[accuracy]", f"seed={SEED}"]
    run = train(*table(tmp_path), *shared, *asked, "objective.metric=accuracy", *UNEXAMINED, folder=tmp_path)
    rows, data = run.split.train, run.data
    if kind == "time":
        rows = rows[data.times.iloc[rows].argsort(kind="stable").to_numpy()]
    groups = data.groups.iloc[rows] if data.groups is not None else None
    expected = of.cross_val_score(
        clone(run.model), data.features.iloc[rows], data.target.iloc[rows], cv=splitter, groups=groups
    )
    assert [fold["accuracy"] for fold in run.folds] == expected.tolist()
    assert run.metrics["validation"]["accuracy"] == pytest.approx(expected.mean())
    assert [fold["fold"] for fold in run.folds] == list(range(len(expected)))
    if kind == "repeated":
        assert [fold["repeat"] for fold in run.folds] == [0] * 5 + [1] * 5 + [2] * 5
    assert sum(fold["rows"] for fold in run.folds) == sum(run.predictions["part"] == "validation")


def looked_at(split="random", groups=None, times=None, classes=("no", "yes")):
    target = pd.Series(["yes", "no"] * 10 if classes else np.arange(20.0))
    data = SimpleNamespace(target=target, classes=classes, groups=groups, times=times, firsts=None, given=None)
    config = FrozenMapping({"data": {}})
    return SimpleNamespace(metadata={"split": split}, data=data, seed=0, config=config)


FEW = pd.Series(["a", "b", "c"] * 6 + ["a", "b"])
DAYS = pd.Series(range(20))


@pytest.mark.parametrize(
    ("asked", "run", "error", "says"),
    [
        ({"folds": 1}, looked_at(), ConfigError, "at least 2"),
        ({"kind": "groups"}, looked_at(), ConfigError, "did you mean: group"),
        ({"kind": "group"}, looked_at(), ConfigError, "data.group=COLUMN"),
        ({"kind": "time"}, looked_at(), ConfigError, "data.time=COLUMN"),
        ({"kind": "predefined"}, looked_at(), ConfigError, "data.split_column=COLUMN"),
        ({"kind": "random"}, looked_at("group", groups=FEW), ConfigError, "keeps together"),
        ({"kind": "random"}, looked_at("time", times=DAYS), ConfigError, "possible: auto, time"),
        ({"repeats": 2}, looked_at("time", times=DAYS), ConfigError, "evaluator.repeats=1"),
        ({"gap": 2}, looked_at(), ConfigError, "evaluator.gap"),
        ({"folds": 11}, looked_at("stratified"), DataError, "evaluator.folds=10"),
        ({"folds": 5}, looked_at("group", groups=FEW), DataError, "evaluator.folds"),
        ({"folds": 30}, looked_at(), DataError, "evaluator.folds"),
    ],
)
def test_folds_that_cannot_be_are_refused(asked, run, error, says):
    with pytest.raises(error, match=says):
        list(Splitting(**asked).parts(run, np.arange(20)))
    run.split = SimpleNamespace(train=np.arange(20))
    with pytest.raises(error, match=says):  # asked before the fit
        CrossValidation(**asked).check(run)


def test_repeated_folds_of_groups_differ_and_tear_no_group_apart():
    groups = pd.Series([f"g{number // 4}" for number in range(20)])
    folds = list(Splitting(folds=5, repeats=2).parts(looked_at("group", groups=groups), np.arange(20)))
    assert all(not set(groups[fold.train]) & set(groups[fold.held_out]) for fold in folds)
    first, second = ([tuple(fold.held_out) for fold in folds if fold.repeat == repeat] for repeat in (0, 1))
    assert sorted(first) == sorted(second)
    assert first != second
