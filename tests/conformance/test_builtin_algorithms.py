"""Each shipped algorithm passes the suite that a third party's has to pass."""

from conformance.shipped import RUN_CODE, class_name, options
from runtree.testing import AlgorithmSuite

SMALL = {
    "adaboost": ["algorithm.n_estimators=10"],
    "bagging": ["algorithm.n_estimators=10"],
    "extra_trees": ["algorithm.n_estimators=10"],
    "gaussian_process": ["algorithm.n_restarts_optimizer=0"],
    "gradient_boosting": ["algorithm.n_estimators=10"],
    "hist_gradient_boosting": ["algorithm.max_iter=10", "algorithm.min_samples_leaf=5"],
    "mlp": ["algorithm.max_iter=20"],
    "random_forest": ["algorithm.n_estimators=10"],
}

for _option in options("algorithm"):
    if _option not in RUN_CODE and not _option.startswith("torch_"):  # those need torch
        _name = class_name(_option)
        globals()[_name] = type(
            _name, (AlgorithmSuite,), {"option": _option, "overrides": SMALL.get(_option, []), "__module__": __name__}
        )
