"""Building networks: the multilayer perceptron, and those of a user-defined factory, which are checked."""

import inspect
from collections.abc import Callable
from typing import Any

from runtree.contract.errors import ConfigError, first_line
from runtree_keras.backend import keras

PROBABILITY_ACTIVATIONS = ("softmax", "sigmoid")


def mlp(
    input_shape: tuple[int, ...],
    outputs: int,
    layers: int = 2,
    units: int = 64,
    activation: str = "relu",
    dropout: float = 0.0,
    normalization: str = "none",
) -> Any:
    """Return a multilayer perceptron whose last layer has `outputs` logits."""
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


def make_network(factory: Callable[..., Any], input_shape: tuple[int, ...], outputs: int, classes: bool) -> Any:
    """Return the network of the user's factory, checked to be trainable, saveable and loadable.

    Raises
    ------
    ConfigError
        It is not an uncompiled Keras model with `outputs` outputs, or could not be loaded.
    """
    try:
        inspect.signature(factory).bind(input_shape=input_shape, outputs=outputs)
    except TypeError as error:
        raise ConfigError(
            f"algorithm.network: {first_line(error)}", "it is called as: network(input_shape=(features,), outputs=n)"
        ) from None
    network = factory(input_shape=input_shape, outputs=outputs)
    if not isinstance(network, keras.Model):
        raise ConfigError(f"algorithm.network: returns {type(network).__name__}, not a keras.Model")
    if network.compiled:
        raise ConfigError(
            "algorithm.network: returns a compiled model",
            "do not compile it: algorithm.optimizer configures that",
        )
    if not network.built:
        network.build((None, *input_shape))
    check_outputs(network, outputs, classes)
    check_loadable(network)
    return network


def check_outputs(network: Any, outputs: int, classes: bool) -> None:
    """Refuse a network whose last layer does not have `outputs` logits."""
    shape = tuple(network.output_shape)
    if shape != (None, outputs):
        raise ConfigError(
            f"algorithm.network: outputs have shape {shape[1:]}, expected {(outputs,)}",
            "end it with: keras.layers.Dense(outputs)",
        )
    last = last_activation(network)
    if classes and last in PROBABILITY_ACTIVATIONS:
        raise ConfigError(
            f"algorithm.network: ends in {last}, but the loss needs logits",
            "end it with: keras.layers.Dense(outputs)",
        )


def last_activation(network: Any) -> str:
    """Return the name of the last activation: that of the last layer, or the layer itself."""
    layer = network.layers[-1]
    return str(getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower()))


def check_loadable(network: Any) -> None:
    """Refuse a network that could not be loaded after training: with a Lambda or an unregistered layer."""
    try:
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network), safe_mode=True)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(
            f"algorithm.network: a saved model could not be loaded: {first_line(error).partition('. ')[0]}",
            "use Keras's layers, or register yours: @keras.saving.register_keras_serializable()",
        ) from error
