"""The hooks of this package. Keras and torch are not imported here, so that the command line starts quickly."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

from runtree import AlgorithmOption, hookimpl

ITERATIONS = {
    "unit": "epoch",
    "history": True,
    "honours": {
        "max_iterations": "max_epochs",
        "max_seconds": "step",
        "tolerance": "step",
        "patience": "step",
        "divergence": "step",
        "checkpoint": "step",
    },
}
TRAINING = {
    "optimizer": "adam",
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "gradient_clip": None,
    "batch_size": 64,
    "max_epochs": 50,
    "class_weight": {"classification": None},
    "random_state": "${seed}",
    "device": "${compute.device}",
    "threads": "${compute.threads}",
    "iterations": ITERATIONS,
}
MLP = {"layers": 2, "units": 64, "activation": "relu", "dropout": 0.1, "normalization": "none"}
MODEL = {"network": {"_target_": "???", "_partial_": True}}
TRAINING_SPACE = {
    "learning_rate": "tag(log, interval(1e-4, 1e-2))",
    "weight_decay": "tag(log, interval(1e-6, 1e-2))",
    "batch_size": "choice(32, 64, 128, 256)",
}
MLP_SPACE = {
    "layers": "range(1, 5)",
    "units": "tag(log, int(interval(16, 256)))",
    "activation": "choice(relu, gelu, tanh)",
    "dropout": "interval(0.0, 0.5)",
    "normalization": "choice(none, batch, layer)",
}


@hookimpl
def register_algorithms() -> Iterable[AlgorithmOption]:
    """Return `algorithm=keras_mlp` and `algorithm=keras_model`."""
    return [
        AlgorithmOption("keras_mlp", targets("mlp.MLP"), {**MLP, **TRAINING}, {**MLP_SPACE, **TRAINING_SPACE}),
        AlgorithmOption("keras_model", targets("model.Model"), {**MODEL, **TRAINING}, TRAINING_SPACE),
    ]


def targets(name: str) -> dict[str, str]:
    """Return the classes of an option by task."""
    return {
        "classification": f"runtree_keras.{name}Classifier",
        "regression": f"runtree_keras.{name}Regressor",
    }


@hookimpl
def trusted_types() -> Iterable[str]:
    """Return the types in a saved model besides `model.keras`: the estimators without their weights."""
    return [name for option in ("mlp.MLP", "model.Model") for name in targets(option).values()]


@hookimpl
def environment_facts() -> Mapping[str, str]:
    """Return the versions of Keras and its backend."""
    return {"keras": version("keras"), "backend": f"torch {version('torch')}"}
