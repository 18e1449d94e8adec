"""`model.keras`: what is beside it, what it gives back, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtree_keras.backend import keras
from runtree_keras.model import ModelClassifier
from runtree_keras.networks import mlp
from runtree_keras.plugin import trusted_types
from test_estimators import classifier, regressor
from watching import labelled, measured

from runtree.contract.errors import RequestError, UntrustedError


@pytest.mark.parametrize("make, data", [(classifier, labelled), (regressor, measured)])
def test_comes_back_the_same(make: Any, data: Any, tmp_path: Path) -> None:
    X, y = data()
    model = make(max_epochs=2, normalization="batch").fit(X, y)
    model.save_weights(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
    bare = model.bare()
    assert not hasattr(bare, "model_")
    bare.load_weights(tmp_path)
    assert bare.predict(X).tobytes() == model.predict(X).tobytes()


def test_optimizer_is_not_kept(tmp_path: Path) -> None:
    model = classifier(units=200, max_epochs=1).fit(*labelled())
    model.save_weights(tmp_path)
    assert (tmp_path / "model.keras").stat().st_size < 4 * model.model_.count_params() * 1.3


@pytest.mark.parametrize("case", ["mlp", "model"])
def test_the_bare_estimator_needs_no_other_type_than_is_vouched_for(case: str, tmp_path: Path) -> None:
    from skops import io

    model: Any = classifier(max_epochs=1)
    if case == "model":
        model = ModelClassifier(network=mlp, max_epochs=1, device="cpu", class_weight={"yes": 2.0, "no": 1, "maybe": 1})
    model.fit(*labelled())
    io.dump(model.bare(), tmp_path / "bare.skops")
    needed = set(io.get_untrusted_types(file=tmp_path / "bare.skops"))
    assert needed - {"numpy.dtype"} <= set(trusted_types())
    assert model.network is mlp if case == "model" else True  # the original still has what the bare one lacks


def lambda_layer() -> Any:
    return keras.layers.Lambda(lambda rows: rows * 2)


def pickled_module() -> Any:
    return keras.layers.TorchModuleWrapper(torch.nn.Linear(4, 4), output_shape=(None, 4))


class Unregistered(keras.layers.Layer):
    """A layer of one's own that Keras does not know by name."""

    def call(self, rows: Any) -> Any:
        return rows * 2


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("layer", [lambda_layer, pickled_module, Unregistered])
def test_code_in_the_file_is_refused(layer: Any, tmp_path: Path) -> None:
    model = classifier(max_epochs=1).fit(*labelled())
    with keras.device("cpu"):
        keras.Sequential([keras.Input((4,)), layer(), keras.layers.Dense(3)]).save(tmp_path / "model.keras")
    bare = model.bare()
    with pytest.raises(UntrustedError, match=r"model\.keras"):
        bare.load_weights(tmp_path)
    assert not hasattr(bare, "model_")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    bare = classifier(max_epochs=1).fit(*labelled()).bare()
    with pytest.raises(RequestError, match=r"model\.keras: not a Keras model file"):
        bare.load_weights(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"PK no zip")
    with pytest.raises(RequestError, match=r"model\.keras: not a Keras model file"):
        bare.load_weights(tmp_path)


def test_bare_estimators_share_nothing(tmp_path: Path) -> None:
    model = classifier(max_epochs=1).fit(*labelled())
    model.bare().classes_[0] = "x"
    assert np.array_equal(model.classes_, ["maybe", "no", "yes"])
