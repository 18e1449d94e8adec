"""The multilayer perceptron for tables: `algorithm=keras_mlp`."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from runtree_keras.estimator import NetworkEstimator
from runtree_keras.parameters import documented
from runtree_keras.tasks import Classification, Regression

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "tanh")


class MLP(NetworkEstimator):
    """Dense layers with dropout and optional normalization."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkEstimator._parameter_constraints,
        "layers": [Interval(Integral, 0, None, closed="left")],
        "units": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "normalization": [StrOptions({"none", "batch", "layer"})],
    }

    def __init__(
        self,
        layers: int = 2,
        units: int = 64,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str = "none",
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        gradient_clip: float | None = None,
        batch_size: int = 64,
        max_epochs: int = 50,
        random_state: Any = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.layers = layers
        self.units = units
        self.activation = activation
        self.dropout = dropout
        self.normalization = normalization
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.gradient_clip = gradient_clip
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.device = device
        self.threads = threads

    def _network(self, input_shape: tuple[int, ...], outputs: int) -> Any:
        from runtree_keras.networks import mlp

        shape = (self.layers, self.units, self.activation, self.dropout, self.normalization)
        return mlp(input_shape, outputs, *shape)


@documented
class MLPRegressor(Regression, MLP):
    """A multilayer perceptron for regression."""


@documented
class MLPClassifier(Classification, MLP):
    """A multilayer perceptron for classification."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        layers: int = 2,
        units: int = 64,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str = "none",
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        gradient_clip: float | None = None,
        batch_size: int = 64,
        max_epochs: int = 50,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: Any = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        parameters = {
            name: value for name, value in locals().items() if name not in ("self", "__class__", "class_weight")
        }
        super().__init__(**parameters)
        self.class_weight = class_weight
