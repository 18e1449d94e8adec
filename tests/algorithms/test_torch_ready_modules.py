"""Modules of packages of ready-made networks, told by small ones of the same shape."""

# ruff: noqa: E402

import sys
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from runtree.algorithms.torch.module import TorchModuleClassifier
from runtree.contract.errors import ConfigError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = np.digitize(X[:, 0], [-0.5, 0.5])
QUICK = {"max_epochs": 20, "batch_size": 16, "learning_rate": 0.05, "device": "cpu", "random_state": 0}

HUB = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=1000, width=4):
        super().__init__()
        self.body, self.fc = nn.Linear(4, width), nn.Linear(width, num_classes)
    def forward(self, x):
        return self.fc(torch.relu(self.body(x)))

def resnet18(*, weights=None, progress=True, **kwargs):
    return Net(**kwargs)

class Output(dict):
    def __getattr__(self, name):
        return self[name]

class AutoModel:
    @classmethod
    def from_pretrained(cls, name, *args, **kwargs):
        return Answers(kwargs.pop("num_labels"))

class Answers(Net):
    def forward(self, x):
        return Output(logits=super().forward(x), hidden_states=x)
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Return a function that imports a package of that name, made of the source above."""

    def make(name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(HUB)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, name, raising=False)
        made = __import__(name)
        monkeypatch.setitem(sys.modules, name, made)  # so that it is forgotten afterwards
        return made

    return make


@pytest.mark.parametrize("name", ["torchvision", "timm"])
def test_a_factory_that_hides_the_number_of_classes_is_handed_it(hub, name):
    model = TorchModuleClassifier(module=partial(hub(name).resnet18, width=16), **QUICK).fit(X, Y)
    assert model.predict_proba(X).shape == (60, 3)
    assert model.score(X, Y) > 0.8
    assert model.module_.body.out_features == 16


def test_a_number_that_is_given_is_kept(hub):
    model = TorchModuleClassifier(module=partial(hub("timm").resnet18, num_classes=7), **QUICK).fit(X, Y)
    assert model.outputs(X).shape == (60, 7)


def test_a_class_that_takes_the_number_openly_is_handed_it(hub):
    model = TorchModuleClassifier(module=hub("somewhere").Net, **QUICK).fit(X, Y)
    assert model.outputs(X).shape == (60, 3)


def test_an_answer_with_logits_is_learned_from_and_can_be_saved(hub, tmp_path):
    model = TorchModuleClassifier(module=partial(hub("transformers").AutoModel.from_pretrained, "tiny"), **QUICK)
    model.fit(X, Y)
    assert model.score(X, Y) > 0.8
    model.save_weights(tmp_path)
    again = model.bare()
    again.load_weights(tmp_path)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


class Wrapped(torch.nn.Linear):
    """Answers with the outputs in something else."""

    def __init__(self, in_features, out_features, wrap):
        super().__init__(in_features, out_features)
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(super().forward(x))


@pytest.mark.parametrize("wrap", [lambda x: (x,), lambda x: {"out": x}, lambda x: {"logits": x, "more": x}])
def test_one_tensor_among_an_answer_is_the_outputs(wrap):
    model = TorchModuleClassifier(module=partial(Wrapped, wrap=wrap), **QUICK).fit(X, Y)
    assert model.score(X, Y) > 0.8


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda x: (x, x), "Wrapped returns tuple of 2, not outputs"),
        (lambda x: {"a": x, "b": x}, "Wrapped returns dict of a, b, not outputs"),
        (lambda x: None, "Wrapped returns NoneType, not outputs"),
    ],
)
def test_an_answer_that_leaves_a_choice_is_refused(wrap, said):
    with pytest.raises(ConfigError, match=said):
        TorchModuleClassifier(module=partial(Wrapped, wrap=wrap), **QUICK).fit(X, Y)
