"""LightGBM passes the suite that runtree's own algorithms pass."""

from runtree.testing import AlgorithmSuite


class TestLightgbm(AlgorithmSuite):
    option = "lightgbm"
    overrides = ("algorithm.n_estimators=12", "algorithm.min_child_samples=5")
    fails_checks = {
        "check_all_zero_sample_weights_error": "LightGBM itself takes weights that are all zero",
        **dict.fromkeys(
            ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"),
            "LightGBM itself counts rows, not weights, where it bins and where it asks for a smallest leaf",
        ),
    }
