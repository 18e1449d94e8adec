"""A module of the user's."""

# ruff: noqa: E402

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from runtree.algorithms.torch.module import TorchModuleClassifier, TorchModuleRegressor
from runtree.contract.errors import ConfigError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = X @ np.array([1.0, -2.0, 0.5, 0.0])
QUICK = {"max_epochs": 40, "batch_size": 16, "learning_rate": 0.02, "device": "cpu", "random_state": 0}


class Net(torch.nn.Module):
    """Takes what it is handed, and a width."""

    def __init__(self, in_features, out_features, hidden=4):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(in_features, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, out_features)
        )

    def forward(self, x):
        return self.layers(x)


class Fixed(torch.nn.Module):
    """Takes nothing: one weight a feature, and an answer of shape (rows,)."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return x @ self.weight


def test_it_is_handed_what_it_takes():
    model = TorchModuleRegressor(module=partial(Net, hidden=16), **QUICK).fit(X, Y)
    assert [tuple(w.shape) for w in model.module_.parameters()] == [(16, 4), (16,), (1, 16), (1,)]
    assert model.score(X, Y) > 0.9


def test_what_is_given_is_kept():
    model = TorchModuleClassifier(module=partial(torch.nn.Linear, out_features=5), **{**QUICK, "max_epochs": 1})
    assert model.fit(X, Y > 0).outputs(X).shape == (120, 5)


def test_an_answer_of_one_number_a_row_is_a_regression_too():
    model = TorchModuleRegressor(module=Fixed, **QUICK).fit(X, Y)
    assert model.score(X, Y) > 0.95


def test_rows_may_have_any_shape():
    def make(out_features):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, out_features))

    images = X.reshape(-1, 1, 2, 2)
    assert TorchModuleClassifier(module=make, **QUICK).fit(images, Y > 0).score(images, Y > 0) > 0.9


def test_optimizer_scheduler_and_loss_of_torch():
    model = TorchModuleRegressor(
        optimizer=partial(torch.optim.SGD, momentum=0.5, weight_decay=0.0),
        scheduler=partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.99),
        loss=torch.nn.HuberLoss(),
        **QUICK,
    )
    assert model.fit(X, Y).score(X, Y) > 0.9


def test_a_loss_that_cannot_be_weighted_is_refused_with_weights():
    class Own(torch.nn.Module):
        def forward(self, outputs, target):
            return (outputs - target).abs().mean()

    model = TorchModuleRegressor(loss=Own(), **QUICK)
    assert model.fit(X, Y).score(X, Y) > 0.9
    with pytest.raises(ConfigError, match=r"algorithm\.loss: Own has no 'reduction'"):
        model.fit(X, Y, sample_weight=np.ones(len(X)))


def test_a_module_that_was_made_before_is_refused():
    with pytest.raises(ConfigError, match="Linear was made before") as refused:
        TorchModuleRegressor(module=torch.nn.Linear(4, 1), **QUICK).fit(X, Y)
    assert "_partial_=true" in str(refused.value)


def test_a_factory_of_something_else_is_refused():
    with pytest.raises(ConfigError, match="returned dict"):
        TorchModuleRegressor(module=dict, **QUICK).fit(X, Y)
