import numpy as np
import pandas as pd
import pytest

from runtree.checks.table import check_identifiers, is_identifier


def test_columns_that_name_their_rows_are_warned_of(looked_at, tables):
    found = check_identifiers(
        looked_at(tables().assign(**{"customer no": range(200), "code": [f"C{n}" for n in range(200)]}))
    )
    assert (found.state, found.advice) == ("warned", "if so, type: data.drop=['customer no',code]")
    assert check_identifiers(looked_at(tables())).state == "passed"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(30), True),
        ([f"C{n}" for n in range(30)], True),
        ([*range(29), 0], False),
        (np.linspace(0, 1, 30), False),
        (pd.date_range("2020-01-01", periods=30), False),
        ([f"2020-01-{n + 1:02d}" for n in range(30)], False),
        ([f"a sentence of many words, number {n}" for n in range(30)], False),
    ],
)
def test_measurements_moments_and_sentences_are_no_identifiers(values, expected):
    assert is_identifier(pd.Series(values)) is expected
