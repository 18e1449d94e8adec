"""scikit-learn's checks of an estimator, as networks take them: none is left out, and each trains as long as it needs."""

import warnings
from functools import partial
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning

# These ask for a score, or for a share of the predictions; to all others the number of epochs is the same.
LEARNS = ("check_classifiers_train", "check_regressors_train", "check_class_weight_classifiers")
EPOCHS = 2


def carry_out(check: "partial[None]", estimator: Any) -> None:
    """Make a check; one that asks for nothing learned trains for two epochs."""
    if check.func.__name__ not in LEARNS:
        estimator = clone(estimator).set_params(max_epochs=EPOCHS)  # what is given is shared by all checks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        check(estimator)
