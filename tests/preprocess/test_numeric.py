"""The choices that take numbers only."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from runtree.contract.errors import DataError
from runtree.preprocess.numeric import ImputeScale, Passthrough
from runtree.preprocess.tabular import Tabular

HOLED = pd.DataFrame({"a": [1.0, np.nan, 4.0, 9.0], "b": [1, 2, 3, 4], "c": [True, False, True, True]})


def cancer():
    return load_breast_cancer(as_frame=True).data


@pytest.mark.parametrize("choice", [ImputeScale, Tabular])
@pytest.mark.parametrize(
    "arrange",
    [
        lambda table: table,
        lambda table: table.iloc[::2],
        lambda table: pd.DataFrame(np.asfortranarray(table), columns=table.columns),
        lambda table: pd.concat([table[name] for name in table], axis=1),
        lambda table: table.assign(rank=np.arange(len(table))),
    ],
    ids=["array", "part", "columns", "joined", "mixed"],
)
def test_without_holes_it_is_scikit_learns_scaler_to_the_bit(choice, arrange):
    table = arrange(cancer())
    expected = StandardScaler().fit(table)
    fitted = choice()
    assert np.array_equal(fitted.fit_transform(table), expected.transform(table))
    assert np.array_equal(fitted.transform(table.iloc[:7]), expected.transform(table.iloc[:7]))


@pytest.mark.parametrize("choice", [ImputeScale, Tabular])
def test_holes_are_filled_with_the_median_and_marked(choice):
    expected = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    fitted = choice().fit(HOLED)
    assert np.array_equal(fitted.transform(HOLED), expected.fit_transform(HOLED.astype(float)))
    assert fitted.get_feature_names_out().tolist() == ["a", "b", "c", "a_missing"]


@pytest.mark.parametrize("choice", [ImputeScale, Tabular])
def test_a_hole_where_there_was_none_is_filled(choice):
    table = cancer()
    fitted = choice().fit(table)
    row = table.iloc[[0]].copy()
    row.iloc[0, 3] = np.nan
    filled = table.iloc[[0]].copy()
    filled.iloc[0, 3] = table.iloc[:, 3].median()
    assert np.array_equal(fitted.transform(row), fitted.transform(filled))


def test_unchanged_hands_on_numbers_and_holes():
    out = Passthrough().fit_transform(HOLED)
    np.testing.assert_array_equal(out, HOLED.astype(float).to_numpy())
    assert out.flags.c_contiguous
    assert Passthrough().fit(HOLED).get_feature_names_out().tolist() == ["a", "b", "c"]


def test_an_entirely_missing_column_stays_where_only_numbers_are_taken():
    out = ImputeScale().fit_transform(HOLED.assign(d=np.nan))
    assert out.shape == (4, 6)
    assert (out[:, 3] == 0).all()


@pytest.mark.parametrize(("choice", "name"), [(Passthrough, "none"), (ImputeScale, "standard")])
@pytest.mark.parametrize(
    ("values", "content"),
    [
        (["Rome", "Oslo", "Rome", None], "text"),
        (["1", "2", "3", "4"], "text"),
        (pd.date_range("2024-01-01", periods=4), "dates"),
        (pd.Categorical([1, 2, 3, 4]), "categories"),
    ],
)
def test_what_is_no_number_is_refused_by_name(choice, name, values, content):
    with pytest.raises(DataError) as caught:
        choice().fit(HOLED.assign(city=values))
    assert caught.value.message == f"preprocess={name} takes numbers only; column 'city' holds {content}"
    assert caught.value.hints == ("use preprocess=tabular",)


@pytest.mark.parametrize("choice", [Passthrough, ImputeScale, Tabular])
def test_infinity_is_refused_by_name(choice):
    infinite = HOLED.assign(b=[1.0, 2.0, -np.inf, 3.0])
    for work in (lambda: choice().fit(infinite), lambda: choice().fit(HOLED).transform(infinite)):
        with pytest.raises(DataError, match="column 'b' holds infinity"):
            work()


@pytest.mark.parametrize("choice", [Passthrough, ImputeScale, Tabular])
def test_columns_go_by_name_and_numbers_may_come_as_text(choice):
    fitted = choice().fit(HOLED)
    later = HOLED.astype(object).where(HOLED.notna(), None).map(lambda value: value if value is None else str(value))
    later = later[["c", "b", "a"]].assign(other="x")
    assert np.array_equal(fitted.transform(later), fitted.transform(HOLED), equal_nan=True)
    with pytest.raises(DataError, match="column 'b' is missing; the model was trained with it"):
        fitted.transform(HOLED.drop(columns="b"))


@pytest.mark.parametrize("choice", [Passthrough, ImputeScale, Tabular])
def test_no_rows(choice):
    fitted = choice().fit(HOLED)
    assert fitted.transform(HOLED.iloc[:0]).shape == (0, len(fitted.get_feature_names_out()))
    with pytest.raises(DataError, match="no rows"):
        choice().fit(HOLED.iloc[:0])
    with pytest.raises(DataError, match="no columns"):
        choice().fit(HOLED[[]])


@pytest.mark.parametrize("choice", [Passthrough, ImputeScale, Tabular])
def test_arrays_are_tables_too(choice):
    array = cancer().to_numpy()
    assert np.array_equal(choice().fit_transform(array), choice().fit_transform(pd.DataFrame(array)))
