"""Weights in a file of their own, and the rest without pickle."""

# ruff: noqa: E402

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pandas as pd
from skops import io

from runtree.algorithms.torch.module import TorchModuleRegressor
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
