"""The hooks of this package. LightGBM is not imported here, so that the command line starts quickly."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

from runtree import AlgorithmOption, hookimpl

DEFAULTS = {
    "n_estimators": 300,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "max_depth": -1,
    "min_child_samples": 20,
    "min_split_gain": 0.0,
    "subsample": 1.0,
    "subsample_freq": 1,
    "colsample_bytree": 1.0,
    "reg_alpha": 0.0,
    "reg_lambda": 0.0,
    "max_bin": 255,
    "boosting_type": "gbdt",
    "objective": None,
    "class_weight": None,
    "early_stopping_rounds": None,
    "random_state": "${seed}",
    "n_jobs": "${compute.threads}",
    "iterations": {
        "unit": "tree",
        "every": 10,
        "honours": {
            "max_iterations": "n_estimators",
            **dict.fromkeys(("max_seconds", "tolerance", "patience", "divergence"), "step"),
        },
    },
}
SPACE = {
    "n_estimators": "tag(log, int(interval(50, 1000)))",
    "learning_rate": "tag(log, interval(0.01, 0.3))",
    "num_leaves": "tag(log, int(interval(7, 255)))",
    "min_child_samples": "tag(log, int(interval(5, 100)))",
    "subsample": "interval(0.5, 1.0)",
    "colsample_bytree": "interval(0.4, 1.0)",
    "reg_lambda": "tag(log, interval(1e-4, 1e1))",
}


@hookimpl
def register_algorithms() -> Iterable[AlgorithmOption]:
    """Return `algorithm=lightgbm`."""
    target = {
        "classification": "runtree_lightgbm.estimators.Classifier",
        "regression": "runtree_lightgbm.estimators.Regressor",
    }
    return [AlgorithmOption("lightgbm", target, defaults=DEFAULTS, space=SPACE)]


@hookimpl
def trusted_types() -> Iterable[str]:
    """Return the types in a saved model. A Booster is read from LightGBM's text format, not unpickled."""
    return [
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "runtree_lightgbm.estimators.Classifier",
        "runtree_lightgbm.estimators.Regressor",
    ]


@hookimpl
def environment_facts() -> Mapping[str, str]:
    """Return LightGBM's version."""
    return {"lightgbm": version("lightgbm")}
