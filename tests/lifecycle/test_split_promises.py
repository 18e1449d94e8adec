"""What each kind of split promises, of hold-outs and of folds, on tables that hypothesis makes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.run import FrozenMapping
from runtree.evaluators.splitting import Splitting
from runtree.lifecycle.load import load, to_table
from runtree.lifecycle.split import choose_strategy, split
from runtree.lifecycle.table_options import TableOptions
from runtree.tables.strata import keep_together, read_gap, strata

FEW = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 9)


@st.composite
def frames(draw, rows=(24, 60), repeats=True):
    """A table with two classes, groups, times with ties, given splits, and some rows that repeat others."""
    count, generator = draw(st.integers(*rows)), np.random.default_rng(draw(st.integers(0, 999)))
    frame = pd.DataFrame(
        {
            "a": generator.normal(size=count),
            "g": generator.integers(0, draw(st.integers(6, 12)), count),
            "t": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(generator.integers(0, draw(st.integers(8, 40)), count), "D"),
            "fold": generator.integers(0, 4, count),
            "y": np.where(np.arange(count) % 3, "p", "q"),
            "z": generator.normal(size=count).round(1),
        }
    )
    if repeats:
        copied = generator.choice(count, size=count // 12, replace=False)
        frame.loc[copied, "a"] = frame["a"].iloc[(copied + 1) % count].to_numpy()
    return frame


def parted(frame, seed=0, holds_out=True, target="y", **options):
    chosen = TableOptions(target=target, **options)
    drop = [name for name in ("g", "t", "fold", "y", "z") if name != target and name not in options.values()]
    table = to_table(frame.drop(columns=drop), chosen, "t", seed=0)
    found = split(table, chosen, seed, holds_out)
    config = FrozenMapping({"data": {"gap": chosen.gap}})
    run = SimpleNamespace(metadata={"split": choose_strategy(table, chosen)}, data=table, seed=seed, config=config)
    run.split = found
    return table, found, run


def sides_of(table, found, run, folds=3, **keys):
    """The pairs of rows that are on two sides: of the hold-out, and of each fold of its train rows."""
    yield found.train, found.validation
    yield found.train, found.test
    yield found.validation, found.test
    for fold in Splitting(folds=folds, **keys).parts(run, found.train):
        assert not set(fold.train) & set(fold.held_out) and len(fold.held_out)
        yield fold.train, fold.held_out


@FEW
@given(frame=frames(), seed=seeds, strategy=st.sampled_from(["random", "stratified"]), target=st.sampled_from("yz"))
def test_no_row_is_on_two_sides_and_neither_is_one_that_repeats_it(frame, seed, strategy, target):
    try:
        table, found, run = parted(frame, seed, target=target, split=strategy)
    except DataError as error:
        assume("data.split=stratified" in str(error))  # a class is left out, which is refused
        return
    assert sorted(np.concatenate([found.train, found.validation, found.test])) == list(range(len(frame)))
    values = table.features["a"].to_numpy()
    for one, two in sides_of(table, found, run):
        assert not set(values[one]) & set(values[two])


@FEW
@given(frame=frames(rows=(60, 120)), seed=seeds, target=st.sampled_from("yz"))
def test_strata_keep_their_shares(frame, seed, target):
    table, found, run = parted(frame, seed, target=target, split="stratified")
    stratum = strata(table.target, bool(table.classes), 5)
    for one, two in sides_of(table, found, run):
        for share in (
            (stratum.iloc[rows].value_counts() / len(rows)).reindex(stratum.unique(), fill_value=0)
            for rows in (one, two)
        ):
            expected = stratum.value_counts(normalize=True).reindex(stratum.unique())
            # a row here or there: of rounding in two splits, and of repeated rows
            assert (abs(share - expected) * min(len(one), len(two))).max() <= 4


@FEW
@given(
    frame=frames(), seed=seeds, strategy=st.sampled_from(["auto", "random", "stratified"]), target=st.sampled_from("yz")
)
def test_no_group_is_divided(frame, seed, strategy, target):
    kinds = {"kind": "stratified_group"} if strategy == "stratified" else {}
    try:
        table, found, run = parted(frame, seed, target=target, split=strategy, group="g")
        sides = list(sides_of(table, found, run, folds=2, **kinds))
    except (ConfigError, DataError) as error:
        assume("data.split" in str(error) or "evaluator.folds" in str(error))
        return
    for one, two in sides:
        assert not set(table.groups.iloc[one]) & set(table.groups.iloc[two])


@FEW
@given(frame=frames(), gap=st.sampled_from([0, 2, "1d", "3d"]), groups=st.booleans())
def test_later_rows_are_held_out_ties_together_and_a_gap_before_them(frame, gap, groups):
    asked = {"group": "g"} if groups else {}
    try:
        table, found, run = parted(frame, target="z", split="time", time="t", gap=gap, **asked)
        sides = list(sides_of(table, found, run, folds=2))
    except (ConfigError, DataError) as error:
        assume(any(key in str(error) for key in ("data.gap", "occurs again later", "different times", "fewer folds")))
        return
    if groups:
        assert not set(table.groups.iloc[found.train]) & set(table.groups.iloc[found.test])
    for one, two in sides if not groups else sides[:3]:
        if not len(one) or not len(two):
            continue
        last, first = table.times.iloc[one].max(), table.times.iloc[two].min()
        assert last < first
        if isinstance(gap, str):
            assert first - last >= pd.Timedelta(int(gap[0]), "D")
        else:
            between = table.times.iloc[np.setdiff1d(np.arange(len(frame)), [*one, *two])]
            assert groups or (between.between(last, first)).sum() >= gap
    left_out = len(frame) - sum(len(found.rows(part)) for part in ("train", "validation", "test"))
    assert bool(left_out) == any("rows are in no split" in note for note in found.notes)


@FEW
@given(frame=frames(), seed=seeds)
def test_a_column_gives_folds_and_the_last_of_them_are_held_out(frame, seed):
    assume(frame["fold"].nunique() == 4)
    table, found, run = parted(frame, seed, target="z", split_column="fold")
    assert "fold" not in table.features
    numbers = frame["fold"].to_numpy()
    assert [set(numbers[found.rows(part)]) for part in ("train", "validation", "test")] == [{0, 1}, {2}, {3}]
    _, whole, run = parted(frame, seed, holds_out=False, target="z", split_column="fold")
    folds = list(Splitting().parts(run, whole.train))
    assert [set(numbers[fold.held_out]) for fold in folds] == [{0}, {1}, {2}]
    assert all(len(fold.train) + len(fold.held_out) == len(whole.train) for fold in folds)


WORDS = pd.DataFrame(
    {"a": range(12), "g": [0, 0, 1, 1] * 3, "y": list("pq") * 6, "part": ["train"] * 8 + ["val"] * 2 + ["Test"] * 2}
)


def test_words_give_the_splits_and_a_missing_one_is_taken_from_the_train_rows():
    chosen = TableOptions(target="y", split_column="part", drop=["g"])
    table = to_table(WORDS, chosen, "t", 0)
    found = split(table, chosen, 0, True)
    assert [found.rows(part).tolist() for part in ("validation", "test")] == [[8, 9], [10, 11]]
    assert found.given == ("validation", "test", "train") or set(found.given) == {"train", "validation", "test"}
    chosen = TableOptions(target="y", split_column="part", drop=["g"], validation_size=2)
    found = split(to_table(WORDS.replace("val", "train"), chosen, "t", 0), chosen, 0, True)
    assert (len(found.train), len(found.validation), found.test.tolist()) == (8, 2, [10, 11])


@pytest.mark.parametrize(
    ("frame", "options", "says"),
    [
        (WORDS.replace("Test", "tset"), {"split_column": "part"}, "holds 'tset', which is no split"),
        (WORDS.replace("Test", None), {"split_column": "part"}, "missing in 2 of 12 rows"),
        (WORDS, {"split_column": "part", "group": "g"}, "divides 2 of 2 groups, such as 0"),
        (WORDS, {"split_column": "part", "split": "random"}, "type: data.split=auto"),
        (WORDS, {"split": "predefined"}, "data.split_file=FILE"),
        (WORDS, {"split_column": "parts"}, "did you mean: part"),
        (WORDS, {"gap": "7d", "drop": ["part"]}, "data.time=COLUMN"),
        (WORDS.replace({"train": "test", "val": "test"}), {"split_column": "part"}, "no row of 'part' is train"),
    ],
)
def test_a_given_split_that_cannot_be_is_refused(frame, options, says):
    chosen = TableOptions(target="y", **options)
    with pytest.raises((ConfigError, DataError)) as caught:
        split(to_table(frame, chosen, "t", 0), chosen, 0, True)
    assert says in str(caught.value)


def test_a_file_gives_the_split_of_rows_by_number_or_in_order(tmp_path):
    WORDS.to_csv(tmp_path / "t.csv", index=False)
    listed = pd.DataFrame({"row": range(12), "part": WORDS["part"].str.lower()}).sample(frac=1, random_state=0)
    listed.to_parquet(tmp_path / "by_row.parquet")
    WORDS[["part"]].to_csv(tmp_path / "in_order.csv", index=False)
    listed.iloc[:5].to_csv(tmp_path / "few.csv", index=False)

    def loaded(name):
        node = {
            "_target_": "runtree.data.files.TableFile",
            "path": str(tmp_path / "t.csv"),
            "target": "y",
            "drop": ["part"],
        }
        return load({"data": {**node, "split_file": str(tmp_path / name)}, "seed": 0}, TRUST)

    for name in ("by_row.parquet", "in_order.csv"):
        table = loaded(name)
        chosen = TableOptions(target="y", split_file=name)
        assert split(table, chosen, 0, True).test.tolist() == [10, 11]
    with pytest.raises(DataError, match="missing in 7 of 12 rows"):
        loaded("few.csv")


class _Trust:
    def authorize(self, node, path):
        pass

    def resolve(self, target, path):
        from runtree.data.files import TableFile

        return TableFile


TRUST = _Trust()


def test_a_split_without_a_class_is_refused_with_what_to_type():
    frame = pd.DataFrame({"a": range(60), "g": np.arange(60) // 4, "y": ["p"] * 56 + ["q"] * 4})
    for seed in range(5):
        with pytest.raises(DataError, match=r"data\.split=stratified"):
            chosen = TableOptions(target="y", split="random", test_size=2, drop=["g"])
            split(to_table(frame, chosen, "t", 0), chosen, seed, True)
    chosen = TableOptions(target="y", group="g")
    refused_or_noted = []
    for seed in range(5):
        try:
            refused_or_noted += [split(to_table(frame, chosen, "t", 0), chosen, seed, True).notes]
        except DataError as error:
            assert "data.split=stratified keeps groups whole" in str(error)
    assert all(any("has no row of class 'q'" in note for note in notes) for notes in refused_or_noted)


def test_tables_made_of_equal_rows_are_split_with_a_note_unless_told_otherwise():
    frame = pd.DataFrame({"a": np.arange(60) % 4, "y": list("pq") * 30})
    chosen = TableOptions(target="y")
    table = to_table(frame, chosen, "t", 0)
    assert table.firsts is None
    assert any("data.duplicates=together" in note for note in split(table, chosen, 0, True).notes)
    chosen = TableOptions(target="y", duplicates="together", split="random")
    with pytest.raises(DataError, match=r"data\.duplicates|data\.split"):
        split(to_table(frame.assign(a=1), chosen, "t", 0), chosen, 0, True)
    chosen = TableOptions(target="y", duplicates="split")
    assert split(to_table(frame, chosen, "t", 0), chosen, 0, True).notes == ()


def test_a_table_whose_rows_were_copied_keeps_the_copies_together_at_its_sizes():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": draw.normal(size=200), "kind": draw.choice(list("ab"), 200), "y": list("pq") * 100})
    frame = pd.concat([frame.assign(g=0, t=0, fold=0, z=0)] * 3, ignore_index=True)
    for strategy in ("random", "stratified"):
        table, found, run = parted(frame, split=strategy)
        assert found.notes == () and abs(len(found.test) - 120) <= 4 and abs(len(found.validation) - 120) <= 4
        for one, two in sides_of(table, found, run):
            assert not set(table.features["amount"].iloc[one]) & set(table.features["amount"].iloc[two])


@given(
    firsts=st.lists(st.integers(0, 6), min_size=4, max_size=30),
    folds=st.integers(2, 4),
    seed=seeds,
)
def test_rows_that_repeat_each_other_end_on_one_side(firsts, folds, seed):
    rows = np.asarray(firsts)
    sides = np.random.default_rng(seed).integers(0, folds, len(rows))
    kept = keep_together(sides, rows, np.zeros(len(rows)), seed)
    assert all(len(set(kept[rows == first])) == 1 for first in set(firsts))
    if len(set(firsts)) == len(firsts):
        assert (kept == sides).all()


@given(copies=st.integers(2, 4), seed=seeds)
def test_a_table_of_copies_keeps_the_sizes_of_its_sides(copies, seed):
    draw = np.random.default_rng(seed)
    firsts, stratum = np.tile(np.arange(200), copies), np.tile(np.arange(200) % 3, copies)
    sides = (draw.random(len(firsts)) < 0.2).astype(int)
    kept = keep_together(sides, firsts, stratum, seed)
    for label in range(3):
        assert abs(kept[stratum == label].sum() - sides[stratum == label].sum()) <= copies


def test_a_row_of_its_class_moves_back_for_each_that_moves():
    sides = np.asarray([0, 1, 0, 0, 1, 1])
    kept = keep_together(sides, np.asarray([0, 0, 2, 3, 4, 5]), np.asarray(list("ppppqq")), 0)
    assert kept[0] == kept[1] and kept.sum() == sides.sum() and kept[4] == kept[5] == 1


@pytest.mark.parametrize("gap", [-1, "soon", "3 fortnights", True])
def test_a_senseless_gap_is_refused(gap):
    with pytest.raises(ConfigError, match="neither a number of rows nor a duration"):
        read_gap(gap, "data.gap")


def test_a_duration_needs_dates():
    frame = pd.DataFrame({"a": range(40), "t": range(40), "y": np.arange(40) / 3})
    with pytest.raises(ConfigError, match=r"number of rows: data\.gap=100"):
        chosen = TableOptions(target="y", time="t", gap="3d")
        split(to_table(frame, chosen, "t", 0), chosen, 0, True)
