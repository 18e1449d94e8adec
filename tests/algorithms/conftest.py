"""scikit-learn's checks of the networks: all of them for the MLP, for the others those that touch what they override."""

import pytest

# All networks share one base class. What a network brings of its own: an encoder, a module, parameters.
TOUCH_WHAT_A_NETWORK_BRINGS = {
    "check_classifiers_one_label",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_dont_overwrite_attributes",
    "check_dtype_object",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_get_params_invariance",
    "check_methods_sample_order_invariance",
    "check_n_features_in",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the other checks as exhaustive."""
    for item in items:
        if getattr(item, "originalname", "") != "test_scikit_learn_contract":
            continue
        estimator, check = item.callspec.params["estimator"], item.callspec.params["check"]
        if "TorchMLP" not in type(estimator).__name__ and check.func.__name__ not in TOUCH_WHAT_A_NETWORK_BRINGS:
            item.add_marker(pytest.mark.exhaustive)
