"""Networks of the user's own: what is asked of a factory, and what is refused before any training."""

from typing import Any

import numpy as np
import pytest
from runtree_keras.backend import keras
from runtree_keras.model import ModelClassifier, ModelRegressor
from watching import labelled, measured

from runtree.contract.errors import ConfigError

QUICK = {"learning_rate": 0.02, "max_epochs": 20, "batch_size": 16, "random_state": 0, "device": "cpu", "threads": 1}
layers = keras.layers


def sequential(input_shape: Any, outputs: int, *end: Any) -> Any:
    return keras.Sequential([keras.Input(input_shape), layers.Dense(16, "relu"), *(end or [layers.Dense(outputs)])])


def functional(input_shape: Any, outputs: int) -> Any:
    rows = keras.Input(input_shape)
    found = layers.Dense(16, "tanh")(rows)
    return keras.Model(rows, layers.Dense(outputs)(layers.Concatenate()([rows, found])))


@pytest.mark.parametrize("network", [sequential, functional])
def test_learns_classes(network: Any) -> None:
    X, y = labelled()
    model = ModelClassifier(network=network, **QUICK).fit(X, y)
    assert model.score(X, y) > 0.85


def test_learns_a_quantity() -> None:
    X, y = measured()
    assert ModelRegressor(network=sequential, **QUICK).fit(X, y).score(X, y) > 0.9


def test_rows_may_have_more_dimensions() -> None:
    X = np.random.default_rng(0).normal(size=(120, 5, 3))
    y = np.where(X[:, 0, 0] > 0, "up", "down")

    def flat(input_shape: Any, outputs: int) -> Any:
        assert input_shape == (5, 3)
        return keras.Sequential([keras.Input(input_shape), layers.Flatten(), layers.Dense(outputs)])

    assert ModelClassifier(network=flat, **QUICK).fit(X, y).score(X, y) > 0.85


def test_a_network_without_input_is_built() -> None:
    def unbuilt(input_shape: Any, outputs: int) -> Any:
        return keras.Sequential([layers.Dense(8, "relu"), layers.Dense(outputs)])

    X, y = labelled()
    assert ModelClassifier(network=unbuilt, **QUICK).fit(X, y).model_.count_params() == 4 * 8 + 8 + 8 * 3 + 3


def compiled(input_shape: Any, outputs: int) -> Any:
    network = sequential(input_shape, outputs)
    network.compile("sgd", "mse")
    return network


REFUSED = {
    "other arguments": (lambda columns=1: "nothing", "unexpected keyword argument 'input_shape'"),
    "no Keras model": (lambda input_shape, outputs: "a text", "returns str"),
    "compiled": (compiled, "compiled"),
    "too few scores": (lambda input_shape, outputs: sequential(input_shape, 2), r"shape \(2,\), expected \(3,\)"),
    "softmax": (lambda input_shape, outputs: sequential(input_shape, 3, layers.Dense(3, "softmax")), "ends in softmax"),
    "Softmax": (lambda input_shape, outputs: sequential(input_shape, 3, layers.Dense(3), layers.Softmax()), "softmax"),
    "Lambda": (
        lambda input_shape, outputs: sequential(input_shape, 3, layers.Lambda(lambda x: x), layers.Dense(3)),
        "could not be loaded",
    ),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_is_refused_before_the_training(case: str) -> None:
    network, match = REFUSED[case]
    with pytest.raises(ConfigError, match=match) as refused:
        ModelClassifier(network=network, **QUICK).fit(*labelled())
    assert str(refused.value).startswith("algorithm.network: ")


def test_no_factory_is_told() -> None:
    with pytest.raises(ConfigError, match=r"algorithm\.network._target_=my_module\.my_factory"):
        ModelClassifier(**QUICK).fit(*labelled())


def test_a_fitted_model_predicts_without_its_factory(tmp_path: Any) -> None:
    X, y = labelled()
    model = ModelClassifier(network=functional, **QUICK).fit(X, y)
    model.save_weights(tmp_path)
    bare = model.bare()
    assert bare.network is None
    bare.load_weights(tmp_path)
    assert bare.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
