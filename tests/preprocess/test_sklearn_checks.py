"""The shipped preprocessings are transformers as scikit-learn checks them, outside of a pipeline of runtree's too."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from runtree.contract.errors import DataError
from runtree.preprocess.numeric import ImputeScale, Passthrough, Raw
from runtree.preprocess.tabular import Tabular

NUMBERS_ONLY = {
    "check_dtype_object": "wants NumPy's TypeError for a dict in a cell; here a DataError names the column and the remedy",
}
EXPECTED = {ImputeScale: NUMBERS_ONLY, Passthrough: NUMBERS_ONLY}


# The encoders inside of Tabular take the columns of a table that it has read, and are no transformers of their own.
@parametrize_with_checks(
    [ImputeScale(), Passthrough(), Raw(), Tabular()],
    expected_failed_checks=lambda transformer: EXPECTED.get(type(transformer), {}),
    xfail_strict=True,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("transformer", [ImputeScale(), Passthrough(), Raw(), Tabular()])
def test_an_array_of_another_width_is_refused_and_a_wider_table_is_not(transformer):
    import numpy as np

    from runtree.tables.table import as_table

    rows = np.random.default_rng(0).normal(size=(20, 3))
    fitted = transformer.fit(rows)
    with pytest.raises(DataError, match=r"X has 4 features, but .* is expecting 3 features as input"):
        fitted.transform(np.c_[rows, rows[:, 0]])
    wider = as_table(rows).assign(more=1.0)  # its columns are found by their names
    assert np.array_equal(np.asarray(fitted.transform(wider)), np.asarray(fitted.transform(rows)))
