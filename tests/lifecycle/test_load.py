import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.load import to_table
from runtree.lifecycle.row_choice import MIN_CLASS_ROWS, sample_rows
from runtree.lifecycle.table_options import TableOptions, table_options
from runtree.tables.fingerprint import hash_table


def table(frame, **options):
    return to_table(frame, TableOptions(**{"target": "y", **options}), "t", seed=0)


def frame(**columns):
    return pd.DataFrame({"a": np.arange(12.0), "y": ["p", "q"] * 6, **columns})


@pytest.mark.parametrize(
    ("target", "task", "why"),
    [
        (["p", "q"] * 6, "classification", "not numeric"),
        ([True, False] * 6, "classification", "not numeric"),
        ([0, 1] * 6, "classification", "2 distinct whole numbers"),
        (list(range(12)), "classification", "12 distinct whole numbers"),
        ([0.0, 1.0] * 6, "regression", "numeric with 2"),
        ([n + 0.5 for n in range(12)], "regression", "numeric with 12"),
    ],
)
def test_auto_chooses_the_task_and_says_why(target, task, why):
    if task == "classification" and len(set(target)) == 12:
        with pytest.raises(DataError, match="12 classes in 12 rows"):
            table(frame(y=target))
        return
    found = table(frame(y=target))
    assert (found.task, why in found.reason) == (task, True)


def test_many_whole_numbers_are_a_quantity():
    found = table(pd.DataFrame({"a": range(50), "y": range(50)}))
    assert found.task == "regression"


def test_the_user_has_the_last_word_on_the_task():
    assert table(frame(y=[0, 1] * 6), task="regression").task == "regression"
    assert table(frame(y=[0.0, 1.0] * 6), task="classification").classes == (0.0, 1.0)


@pytest.mark.parametrize(
    ("columns", "options", "says"),
    [
        ({"y": ["p", None] * 6}, {}, "data.target: column 'y' is missing in 6 of 12 rows"),
        ({"y": ["p"] * 12}, {}, "only one class: 'p'"),
        ({}, {"task": "regression"}, "holds text; a regression needs numbers"),
        ({}, {"target": "Y"}, "unknown column at data.target: 'Y'"),
        ({}, {"drop": ["b"]}, "unknown column at data.drop: 'b'"),
        ({}, {"group": "g"}, "unknown column at data.group: 'g'"),
        ({}, {"drop": ["a"]}, "no feature columns are left"),
    ],
)
def test_bad_data_is_refused(columns, options, says):
    with pytest.raises(DataError) as caught:
        table(frame(**columns), **options)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("target", "positive", "classes"),
    [
        (["p", "q"] * 6, None, ("p", "q")),
        (["p", "q"] * 6, "p", ("q", "p")),
        (["p", "q"] * 6, "q", ("p", "q")),
        ([0, 1] * 6, 0, (1, 0)),
        ([0, 1] * 6, "0", (1, 0)),
        ([True, False] * 6, False, (True, False)),
        ([True, False] * 6, "false", (True, False)),
        (["1", "2"] * 6, 1, ("2", "1")),
    ],
)
def test_the_positive_of_two_classes_is_the_last(target, positive, classes):
    found = table(frame(y=target), positive=positive)
    assert (found.classes, found.positive) == (classes, classes[1])
    # the data is the same, and so is the split that is keyed by it
    assert found.fingerprint == table(frame(y=target)).fingerprint


@pytest.mark.parametrize(
    ("target", "positive", "says"),
    [
        (["good", "bad"] * 6, "goood", "unknown class at data.positive: 'goood'"),
        (["p", "q", "r"] * 4, "p", "data.positive: only one of two classes can be the positive one"),
        ([0.5, 1.5] * 6, 0.5, "the target holds a quantity, not classes"),
    ],
)
def test_a_positive_class_that_cannot_be_is_refused(target, positive, says):
    with pytest.raises((ConfigError, DataError)) as caught:
        table(frame(y=target), positive=positive)
    assert says in str(caught.value)


def test_an_empty_table_and_repeated_columns_are_refused():
    with pytest.raises(DataError, match="no rows"):
        table(frame().iloc[:0])
    with pytest.raises(DataError, match="two columns are named 'a'"):
        table(pd.DataFrame([[1, 2, "p"], [3, 4, "q"]], columns=["a", "a", "y"]))


@pytest.mark.parametrize(("sample", "rows"), [(0.5, 6), (5, 5), (100, 12), (1.0, 12)])
def test_a_sample_is_a_share_or_a_count_and_repeats(sample, rows):
    first, second = table(frame(), sample=sample), table(frame(), sample=sample)
    assert len(first.features) == rows
    assert first.fingerprint == second.fingerprint
    assert first.features["a"].is_monotonic_increasing


@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=5), share=st.floats(0.05, 1.0), seed=st.integers(0, 9))
def test_a_sample_keeps_the_shares_of_the_classes_and_no_class_is_lost(sizes, share, seed):
    labels = [name for name, size in zip("pqrst", sizes, strict=False) for _ in range(size)]
    count = max(1, round(share * len(labels)))
    whole = pd.DataFrame(
        {"a": np.arange(len(labels), dtype=float), "y": np.random.default_rng(seed).permutation(labels)}
    )
    sampled = sample_rows(whole, TableOptions(target="y", sample=count), seed)
    assert len(sampled) == count and sampled["a"].is_monotonic_increasing and sampled["a"].is_unique
    assert sampled.equals(sample_rows(whole, TableOptions(target="y", sample=count), seed))
    if 2 * len(sizes) > count:  # too few rows for shares
        return
    kept = sampled["y"].value_counts()
    assert set(kept.index) == set(whole["y"])
    least = min(MIN_CLASS_ROWS, count // (2 * len(sizes)))
    for name, size in whole["y"].value_counts().items():
        # a share is rounded, and a class below the minimum takes its rows from the others
        borrowed = sum(max(0.0, min(least, other) - other * count / len(labels)) for other in sizes)
        assert kept[name] >= min(size, least)
        assert abs(kept[name] - size * count / len(labels)) < 1 + max(borrowed, least)


def test_a_sample_is_stratified_by_few_whole_numbers_and_by_bins_of_a_quantity():
    whole = pd.DataFrame({"a": range(400), "y": [0] * 360 + [1] * 40})
    assert sample_rows(whole, TableOptions(target="y", sample=0.1), 0)["y"].sum() == 4
    even = pd.DataFrame({"a": range(400), "y": np.random.default_rng(0).permutation(400) / 7})
    sampled = sample_rows(even, TableOptions(target="y", sample=0.1), 3)["y"]
    assert np.histogram(sampled, bins=10, range=(0, 57))[0].tolist() == [4] * 10


@pytest.mark.parametrize("sample", [0, -1, 1.5])
def test_a_senseless_sample_is_refused(sample):
    with pytest.raises(ConfigError, match=r"data\.sample"):
        table(frame(), sample=sample)


def test_groups_are_no_feature_and_times_are():
    found = table(frame(g=list("abcabcabcabc"), t=range(12)), group="g", time="t")
    assert list(found.features) == ["a", "t"]
    assert found.groups is not None
    assert list(found.groups[:3]) == ["a", "b", "c"]


def test_the_fingerprint_sees_values_names_types_and_order():
    base = frame()
    prints = {
        hash_table(each.drop(columns="y"), each["y"])[0]
        for each in (
            base,
            base.rename(columns={"a": "b"}),
            base.astype({"a": "float32"}),
            base.iloc[::-1],
            frame(a=range(1, 13)),
        )
    }
    assert len(prints) == 5


def test_types_of_the_common_keys_are_checked():
    with pytest.raises(ConfigError, match=r"data\.test_size: 'half' is not of the type float \| int"):
        table_options({"target": "y", "test_size": "half"})


@pytest.mark.parametrize(
    ("labels", "task", "noted"),
    [
        ([str(number) for number in range(10)], "auto", False),  # as numbers they would be classes, too
        (["-1", "1"], "auto", False),
        (["007", "7"], "auto", True),
        ([str(number) for number in range(30)], "auto", True),  # as numbers they would be a quantity
        (["1.5", "2.5"], "auto", True),
        (["1", "2", "n/d"], "auto", True),
    ],
)
def test_a_note_on_a_target_of_text_is_about_another_task(labels, task, noted):
    rows = pd.DataFrame({"a": range(3 * len(labels)), "y": labels * 3})
    assert any("'y'" in note for note in table(rows, task=task).notes) == noted
