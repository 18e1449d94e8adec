"""Weights in a file of their own, and the rest without pickle."""

# ruff: noqa: E402

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pandas as pd
from skops import io

from runtree.algorithms.torch.checkpoints import read_state, write_state
from runtree.algorithms.torch.module import TorchModuleClassifier, TorchModuleRegressor
from runtree.algorithms.torch.tabular import TorchMLPClassifier, TorchResNetClassifier

HERE = "runtree.algorithms.torch"
QUICK = {"max_epochs": 2, "device": "cpu", "random_state": 0}
FRAME = pd.DataFrame({"n": np.arange(40.0), "c": list("ab") * 20})


@pytest.mark.parametrize(
    ("model", "X", "y", "types"),
    [
        (TorchMLPClassifier(**QUICK), FRAME, FRAME["c"], {"tabular.TorchMLPClassifier", "table_encoder.TableEncoder"}),
        (
            TorchResNetClassifier(**QUICK),
            FRAME,
            FRAME["c"],
            {"tabular.TorchResNetClassifier", "table_encoder.TableEncoder"},
        ),
        (
            TorchModuleRegressor(**QUICK),
            np.eye(40),
            FRAME["n"],
            {"module.TorchModuleRegressor", "module.IdentityEncoder"},
        ),
    ],
    ids=["mlp", "resnet", "module"],
)
def test_a_bare_network_and_its_weights_are_the_network(model, X, y, types, tmp_path):
    model.fit(X, y)
    io.dump(model.bare(), tmp_path / "bare.skops")
    model.save_weights(tmp_path)
    found = io.get_untrusted_types(file=tmp_path / "bare.skops")
    assert set(found) - {"numpy.dtype"} == {f"{HERE}.{name}" for name in types}
    again = io.load(tmp_path / "bare.skops", trusted=found)
    assert not hasattr(again, "module_")
    before = torch.get_rng_state()
    again.load_weights(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.predict(X).tolist() == model.predict(X).tolist()
    assert hasattr(model, "module_")


class ChannelsLast(torch.nn.Module):
    """Weights that are not contiguous, as pictures are fastest."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.fold = torch.nn.Unflatten(1, (in_features // 4, 2, 2))
        self.convolution = torch.nn.Conv2d(in_features // 4, out_features, 2)
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.convolution(self.fold(x).contiguous(memory_format=torch.channels_last)).flatten(1)


class Lazy(torch.nn.Module):
    """Takes its width from the first rows."""

    def __init__(self, out_features):
        super().__init__()
        self.layer = torch.nn.LazyLinear(out_features)

    def forward(self, x):
        return self.layer(x)


class Loss(torch.nn.CrossEntropyLoss):
    """A loss with weights, as torch's have."""


def through_files(model, folder):
    io.dump(model.bare(), folder / "bare.skops")
    model.save_weights(folder)
    again = io.load(folder / "bare.skops", trusted=io.get_untrusted_types(file=folder / "bare.skops"))
    again.load_weights(folder)
    return again


@pytest.mark.parametrize("module", [ChannelsLast, Lazy])
def test_any_order_and_shape_of_weights_comes_back_trained_or_not(module, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32), np.arange(60) % 2
    model = TorchModuleClassifier(module=module, **QUICK)
    for network in (model.untrained(X, y), model.fit(X, y)):
        assert np.array_equal(through_files(network, tmp_path).predict_proba(X), network.predict_proba(X))


def test_an_untrained_network_is_the_one_that_the_fit_starts_from():
    model = TorchModuleClassifier(**QUICK, learning_rate=1e-30, weight_decay=0.0)
    X, y = np.eye(40, dtype=np.float32), np.arange(40) % 2
    assert np.array_equal(model.untrained(X, y).predict_proba(X), model.fit(X, y).predict_proba(X))


def test_what_only_training_needs_is_not_saved(tmp_path):
    from functools import partial

    loss = Loss(weight=torch.tensor([1.0, 5.0]))
    model = TorchModuleClassifier(loss=loss, optimizer=partial(torch.optim.SGD, momentum=0.5), **QUICK)
    X, y = np.eye(40, dtype=np.float32), np.arange(40) % 2
    model.fit(X, y)
    again = through_files(model, tmp_path)
    assert (again.loss, again.optimizer) == (None, "adamw")
    assert model.loss is loss
    assert not [name for name in io.get_untrusted_types(file=tmp_path / "bare.skops") if "Loss" in name]
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_checkpoint_takes_weights_in_any_order(tmp_path):
    state = ChannelsLast(8, 2).state_dict()
    write_state({"module": state}, tmp_path)
    read = read_state(tmp_path)["module"]
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())
