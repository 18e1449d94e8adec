"""User-defined networks: `algorithm=keras_model`."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from sklearn.utils._param_validation import StrOptions

from runtree.contract.errors import ConfigError
from runtree_keras import networks  # before a user's module imports keras, so that it gets the torch backend, too
from runtree_keras.estimator import NetworkEstimator
from runtree_keras.parameters import documented
from runtree_keras.tasks import Classification, Regression


class Model(NetworkEstimator):
    """A network that a user-defined factory makes."""

    many_dimensions = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkEstimator._parameter_constraints,
        "network": [callable, None],
    }

    def __init__(
        self,
        network: Callable[..., Any] | None = None,
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
        self.network = network
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
        if self.network is None:
            raise ConfigError(
                "algorithm.network: no network is set; a loaded model has none, as code is not saved",
                "name your factory: algorithm.network._target_=my_module.my_factory",
            )
        return networks.make_network(self.network, input_shape, outputs, classes=isinstance(self, Classification))

    def bare(self) -> "Self":
        """Return the fitted estimator without its network and the factory of it."""
        bare = super().bare()
        bare.network = None
        return bare


@documented
class ModelRegressor(Regression, Model):
    """A user-defined network for regression."""


@documented
class ModelClassifier(Classification, Model):
    """A user-defined network for classification."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Model._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        network: Callable[..., Any] | None = None,
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
