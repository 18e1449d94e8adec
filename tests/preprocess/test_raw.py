"""A table that is handed on as it is."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.exceptions import NotFittedError

from runtree.contract.errors import DataError
from runtree.preprocess.numeric import Raw

TABLE = pd.DataFrame(
    {
        "file": ["a.png", None, "b.png"],
        "size": [1.5, np.nan, 3.0],
        "pixel": np.array([0, 255, 7], dtype=np.uint8),
        "seen": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
        "constant": 1,
    }
)


def test_every_column_stays_as_it_is():
    assert_frame_equal(Raw().fit_transform(TABLE), TABLE)


def test_columns_come_in_the_order_of_the_train_part():
    later = TABLE[TABLE.columns[::-1]].assign(another="x")
    assert_frame_equal(Raw().fit(TABLE).transform(later), TABLE)


def test_the_table_does_not_change_with_what_is_handed_on():
    table = TABLE.copy()
    handed = Raw().fit(table).transform(table)
    handed["size"] = 0.0
    handed.loc[0, "file"] = "other"
    assert_frame_equal(table, TABLE)


def test_it_tells_its_columns():
    raw = Raw().fit(TABLE)
    assert raw.get_feature_names_out().tolist() == raw.feature_names_in_.tolist() == list(TABLE.columns)
    assert raw.n_features_in_ == 5


def test_an_array_gets_names():
    assert list(Raw().fit_transform(np.eye(2))) == ["x0", "x1"]


def test_what_cannot_be_handed_on_is_named():
    with pytest.raises(DataError, match="columns 'file', 'size' are missing; the model was trained with them"):
        Raw().fit(TABLE).transform(TABLE.drop(columns=["file", "size"]))
    with pytest.raises(DataError, match="the table has no rows to learn from"):
        Raw().fit(TABLE.iloc[:0])
    with pytest.raises(DataError, match="column 'a' is more than once in the table"):
        Raw().fit(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(NotFittedError):
        Raw().transform(TABLE)
