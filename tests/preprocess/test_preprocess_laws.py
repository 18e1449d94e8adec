"""Laws that hold for any table."""

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtree.preprocess.tabular import Tabular

ROWS = 16
UNREFUSED = ("few", "many", "text")  # text among numbers and numbers among dates are refused, rightly

NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-1000, 1000))
LEVELS = st.sampled_from(["Rome", "Oslo", "", "3", None])
TEXTS = st.one_of(st.none(), st.text(max_size=12), st.text(alphabet="ab ,!", max_size=12))
DATES = st.one_of(st.none(), st.dates().map(str), st.just("?"))
MIXED = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.text(max_size=3))
COLUMN = st.sampled_from([NUMBERS, LEVELS, TEXTS, DATES, MIXED]).flatmap(
    lambda values: st.lists(values, min_size=ROWS, max_size=ROWS)
)
TABLES = st.lists(COLUMN, min_size=1, max_size=4).map(
    lambda columns: (
        pd.DataFrame({f"c{place}": pd.Series(column, dtype=object) for place, column in enumerate(columns)})
        .infer_objects()
        .assign(row=np.arange(ROWS) % 7)
    )
)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(TABLES, TABLES, st.integers(1, 8))
def test_rows_one_by_one_are_encoded_like_all_at_once(train, other, max_levels):
    fitted = Tabular(max_levels=max_levels).fit(train, np.arange(ROWS) % 2)
    later = train[::-1].assign(**{name: other[name] for name in other if fitted.kinds_.get(name) in UNREFUSED})
    whole = fitted.transform(later)
    assert np.isfinite(whole).all()
    assert whole.shape == (ROWS, len(fitted.get_feature_names_out()))
    rows = np.vstack([fitted.transform(later.iloc[[row]]) for row in range(ROWS)])
    np.testing.assert_array_equal(rows, whole)


@QUICK
@given(TABLES, st.integers(1, 8))
def test_order_of_columns_and_a_second_fit_change_nothing(train, max_levels):
    y = np.arange(ROWS) % 3
    first = Tabular(max_levels=max_levels).fit_transform(train, y)
    again = Tabular(max_levels=max_levels)
    assert np.array_equal(again.fit_transform(train, y), first)
    assert np.array_equal(again.transform(train[train.columns[::-1]]), again.transform(train))
