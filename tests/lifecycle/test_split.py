import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.load import to_table
from runtree.lifecycle.split import check_split_classes, split
from runtree.lifecycle.table_options import TableOptions

ROWS = 100


def parted(holds_out=True, seed=0, frame=None, **options):
    rows = np.arange(ROWS)
    if frame is None:
        frame = pd.DataFrame({"a": rows, "g": rows // 10, "t": ROWS - rows, "y": np.where(rows % 4, "p", "q")})
    chosen = TableOptions(target="y", **options)
    table = to_table(frame, chosen, "t", seed=0)
    return table, split(table, chosen, seed, holds_out)


def test_the_parts_are_scikit_learns():
    table, found = parted(seed=5)
    rest, test = train_test_split(np.arange(ROWS), test_size=0.2, random_state=5, stratify=table.target)
    train, validation = train_test_split(rest, test_size=20, random_state=5, stratify=table.target.iloc[rest])
    assert (sorted(train), sorted(validation), sorted(test)) == tuple(
        found.rows(part).tolist() for part in ("train", "validation", "test")
    )


@pytest.mark.parametrize("strategy", ["random", "stratified", "group", "time"])
def test_every_row_is_in_one_part(strategy):
    _, found = parted(split=strategy, group="g", time="t")
    rows = np.concatenate([found.train, found.validation, found.test])
    assert sorted(rows) == list(range(ROWS))


def test_classes_keep_their_shares():
    table, found = parted()
    for part in ("train", "validation", "test"):
        assert (table.target.iloc[found.rows(part)] == "q").mean() == pytest.approx(0.25)


def test_a_group_is_in_one_part_alone():
    table, found = parted(group="g", test_size=0.3, validation_size=2)
    groups = [set(table.groups.iloc[found.rows(part)]) for part in ("train", "validation", "test")]
    assert [len(part) for part in groups] == [5, 2, 3]
    assert not (groups[0] & groups[1] or groups[1] & groups[2] or groups[0] & groups[2])


def test_the_latest_rows_are_held_out():
    table, found = parted(time="t")
    last = [table.times.iloc[found.rows(part)].max() for part in ("train", "validation", "test")]
    first = [table.times.iloc[found.rows(part)].min() for part in ("train", "validation", "test")]
    assert last[0] < first[1] <= last[1] < first[2]


def test_an_evaluator_with_folds_gets_no_validation_part():
    _, found = parted(holds_out=False)
    assert (len(found.train), len(found.validation), len(found.test)) == (80, 0, 20)


def test_the_id_tells_splits_apart_and_repeats():
    assert parted(seed=1)[1].id == parted(seed=1)[1].id != parted(seed=2)[1].id


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split": "group"}, "name it: data.group=COLUMN"),
        ({"split": "time"}, "name it: data.time=COLUMN"),
        ({"test_size": 1.5}, "data.test_size: 1.5 is not between 0 and 1"),
        ({"test_size": 0}, "data.test_size: 0 leaves an empty split"),
        ({"test_size": 100}, "leaves an empty split"),
        ({"test_size": 0.5, "validation_size": 0.5}, "data.validation_size"),
    ],
)
def test_senseless_splits_are_refused(options, says):
    with pytest.raises(ConfigError) as caught:
        parted(**options)
    assert says in str(caught.value)


def test_a_regression_is_stratified_by_bins_of_its_target():
    frame = pd.DataFrame({"a": range(50), "y": np.linspace(0, 1, 50)})
    table, found = parted(frame=frame, split="stratified")
    for part in ("train", "validation", "test"):
        values = table.target.iloc[found.rows(part)].to_numpy()
        assert np.histogram(values, bins=10, range=(0, 1))[0].tolist() == [len(values) // 10] * 10


@pytest.mark.parametrize(
    ("rows", "holds_out", "split_by"),
    [(1, True, []), (1, False, []), (2, True, ["validation"]), (2, False, ["test"]), (3, True, ["validation", "test"])],
)
def test_a_rare_class_is_in_each_part_that_its_rows_are_enough_for(rows, holds_out, split_by):
    frame = pd.DataFrame({"a": range(60), "y": ["p"] * (60 - rows) + ["q"] * rows})
    for seed in range(5):
        table, found = parted(frame=frame, seed=seed, holds_out=holds_out)
        parts = [name for name in ("train", "validation", "test") if (table.target.iloc[found.rows(name)] == "q").any()]
        assert parts == ["train", *split_by]
        assert [len(found.rows(name)) for name in ("validation", "test")] == [12 if holds_out else 0, 12]
        without = {"validation", "test"} - set(split_by) - (set() if holds_out else {"validation"})
        assert [note for note in found.notes if "no row of class 'q'" in note] == [
            f"the {name} split has no row of class 'q'" for name in ("validation", "test") if name in without
        ]


@pytest.mark.parametrize(
    ("strategy", "columns", "options", "hint"),
    [
        ("random", {}, {}, "type: data.split=stratified"),
        ("group", {"g": np.arange(60) // 4}, {"group": "g"}, "data.split=stratified keeps groups whole"),
        ("stratified_group", {"g": np.arange(60) // 4}, {"group": "g"}, "1 group has rows of it: type another seed"),
        ("predefined", {"part": ["train"] * 56 + ["test"] * 4}, {"split_column": "part"}, "data.split_column=null"),
    ],
)
def test_a_class_that_no_train_row_has_is_refused_with_another_way(strategy, columns, options, hint):
    chosen = TableOptions(target="y", **options)
    frame = pd.DataFrame({"a": range(60), "y": ["p"] * 56 + ["q"] * 4, **columns})
    with pytest.raises(DataError, match=hint):
        check_split_classes(
            to_table(frame, chosen, "t", 0), strategy, {"train": np.arange(56), "test": np.arange(56, 60)}
        )


def test_a_train_part_without_a_class_is_refused():
    frame = pd.DataFrame({"a": range(20), "t": range(20), "y": ["p"] * 16 + ["q"] * 4})
    with pytest.raises(DataError, match="the train split has no row of class 'q'"):
        parted(frame=frame, time="t")
