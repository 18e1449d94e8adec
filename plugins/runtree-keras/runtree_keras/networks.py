"""The networks: the multilayer perceptron, and those that a factory of the user's makes."""

import inspect
from collections.abc import Callable
from typing import Any

from runtree.contract.errors import ConfigError, first_line
from runtree_keras.backend import keras

FINISHED = ("softmax", "sigmoid")  # activations that make chances of scores


def mlp(
    input_shape: tuple[int, ...],
    outputs: int,
    layers: int = 2,
    units: int = 64,
    activation: str = "relu",
    dropout: float = 0.0,
    normalization: str = "none",
) -> Any:
    """Make a multilayer perceptron whose last layer gives `outputs` scores."""
    kinds = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
    network = keras.Sequential([keras.Input(input_shape, name="rows")], name="mlp")
    for number in range(1, layers + 1):
        network.add(keras.layers.Dense(units, name=f"dense_{number}"))
        if normalization in kinds:
            network.add(kinds[normalization](name=f"normalization_{number}"))
        network.add(keras.layers.Activation(activation, name=f"activation_{number}"))
        if dropout:
            network.add(keras.layers.Dropout(dropout, name=f"dropout_{number}"))
    network.add(keras.layers.Dense(outputs, name="scores"))
    return network


def made_by(factory: Callable[..., Any], input_shape: tuple[int, ...], outputs: int, classes: bool) -> Any:
    """Make a network by the user's factory, and see that it can be trained, saved and loaded.

    Raises
    ------
    ConfigError
        It is no uncompiled Keras model with `outputs` scores, or it could not be loaded again.
    """
    try:
        inspect.signature(factory).bind(input_shape=input_shape, outputs=outputs)
    except TypeError as error:
        raise ConfigError(
            f"algorithm.network: {first_line(error)}", "it is called as: network(input_shape=(features,), outputs=n)"
        ) from None
    network = factory(input_shape=input_shape, outputs=outputs)
    if not isinstance(network, keras.Model):
        raise ConfigError(f"algorithm.network: it makes a {type(network).__name__}, not a keras.Model")
    if network.compiled:
        raise ConfigError(
            "algorithm.network: it makes a compiled model", "leave that out: algorithm.optimizer and others say it"
        )
    if not network.built:
        network.build((None, *input_shape))
    check_scores(network, outputs, classes)
    check_loadable(network)
    return network


def check_scores(network: Any, outputs: int, classes: bool) -> None:
    """Refuse a network that ends in something else than `outputs` scores."""
    shape = tuple(network.output_shape)
    if shape != (None, outputs):
        raise ConfigError(
            f"algorithm.network: it gives rows of the shape {shape[1:]}, and {(outputs,)} is wanted",
            "end it with: keras.layers.Dense(outputs)",
        )
    last = last_activation(network)
    if classes and last in FINISHED:
        raise ConfigError(
            f"algorithm.network: it ends in {last}, and the loss wants scores (logits)",
            "end it with: keras.layers.Dense(outputs)",
        )


def last_activation(network: Any) -> str:
    """Return the name of the activation that a network ends in: its last layer's, or the last layer itself."""
    layer = network.layers[-1]
    return str(getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower()))


def check_loadable(network: Any) -> None:
    """Refuse before the training what no one could load after it: a Lambda, an unregistered layer of one's own."""
    try:
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network), safe_mode=True)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(
            f"algorithm.network: a saved model of it could not be loaded: {first_line(error).partition('. ')[0]}",
            "make it of Keras's own layers, or register yours: @keras.saving.register_keras_serializable()",
        ) from error
