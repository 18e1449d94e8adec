"""What the estimators promise whoever fits them: labels, units, seeds, weights of classes, and a quiet neighbourhood."""

import pickle
import random
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtree_keras.mlp import MLPClassifier, MLPRegressor
from sklearn.base import clone
from watching import labelled, measured

from runtree.contract.errors import ConfigError

QUICK = {"units": 16, "learning_rate": 0.02, "batch_size": 16, "random_state": 3, "device": "cpu", "threads": 1}


def classifier(**given: Any) -> MLPClassifier:
    return MLPClassifier(**{**QUICK, "max_epochs": 8, **given})


def regressor(**given: Any) -> MLPRegressor:
    return MLPRegressor(**{**QUICK, "max_epochs": 20, **given})


def test_learns_labels_that_are_words() -> None:
    X, y = labelled()
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == ["maybe", "no", "yes"]
    assert model.score(X, y) > 0.85
    chances = model.predict_proba(X)
    assert chances.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert (model.classes_[chances.argmax(axis=1)] == model.predict(X)).all()


def test_learns_a_target_far_from_zero() -> None:
    X, y = measured()
    model = regressor().fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.target_mean_ == pytest.approx(y.mean())


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_same_seed_same_bytes(normalization: str) -> None:
    X, y = labelled()
    given = {"dropout": 0.3, "normalization": normalization, "max_epochs": 3}
    first, second = (classifier(**given).fit(X, y).predict_proba(X) for _ in range(2))
    other = classifier(**given).set_params(random_state=4).fit(X, y).predict_proba(X)
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_leaves_the_generators_and_threads_of_others_alone() -> None:
    X, y = labelled()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    threads = torch.get_num_threads()
    classifier(dropout=0.2, max_epochs=1, threads=threads + 1).fit(X, y).predict(X)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    assert torch.get_num_threads() == threads


def test_what_was_drawn_before_changes_nothing() -> None:
    X, y = labelled()
    first = classifier(dropout=0.2, max_epochs=2).fit(X, y).predict_proba(X)
    random.random(), np.random.rand(5), torch.rand(5)
    assert first.tobytes() == classifier(dropout=0.2, max_epochs=2).fit(X, y).predict_proba(X).tobytes()


def test_class_weight_raises_a_rare_class() -> None:
    generator = np.random.default_rng(0)
    X = np.concatenate([generator.normal(size=(190, 2)), generator.normal(loc=1.0, size=(10, 2))])
    y = np.array(["common"] * 190 + ["rare"] * 10)
    counts = {
        name: (classifier(max_epochs=6, class_weight=weight).fit(X, y).predict(X) == "rare").sum()
        for name, weight in {"none": None, "balanced": "balanced", "given": {"common": 1, "rare": 19}}.items()
    }
    assert counts["none"] < 10 < counts["balanced"]
    assert counts["given"] > 10


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "sgd"])
def test_each_optimizer_learns(optimizer: str) -> None:
    X, y = measured()
    model = regressor(optimizer=optimizer, weight_decay=1e-4, gradient_clip=1.0).fit(X, y)
    assert model.score(X, y) > 0.8


def test_weight_decay_and_clipping_are_honoured() -> None:
    X, y = measured()
    plain, decayed, clipped = (
        regressor(max_epochs=3, **given).fit(X, y).predict(X)
        for given in ({}, {"weight_decay": 0.5}, {"optimizer": "sgd", "gradient_clip": 1e-6})
    )
    assert not np.allclose(plain, decayed)
    start = regressor(max_epochs=1, optimizer="sgd", gradient_clip=1e-9).fit(X, y).predict(X)
    assert clipped == pytest.approx(start, rel=1e-3)


@pytest.mark.parametrize("make, data", [(classifier, labelled), (regressor, measured)])
def test_copies_predict_the_same(make: Any, data: Any) -> None:
    X, y = data()
    model = make(max_epochs=2).fit(X, y)
    for other in (pickle.loads(pickle.dumps(model)), deepcopy(model)):
        assert (other.predict(X) == model.predict(X)).all()
    assert not hasattr(clone(model), "model_")


def test_a_pickle_is_read_where_keras_was_not_imported_yet(tmp_path: Path) -> None:
    X, y = labelled()
    model = classifier(max_epochs=2).fit(X, y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps((model, X)))
    code = "import pickle, sys; m, X = pickle.load(open(sys.argv[1], 'rb')); print(*m.predict(X))"
    asked = [sys.executable, "-c", code, str(tmp_path / "model.pickle")]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said.split() == model.predict(X).tolist()


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"algorithm\.device: 'cuda:77'") as refused:
        classifier(device="cuda:77").fit(*labelled())
    assert "found: cpu" in str(refused.value)


def test_a_model_of_another_device_predicts_here() -> None:
    X, y = labelled()
    model = classifier(max_epochs=1).fit(X, y)
    expected = model.predict(X)
    assert (pickle.loads(pickle.dumps(model.set_params(device="cuda:77"))).predict(X) == expected).all()


def test_parameters_are_checked() -> None:
    for given in ({"dropout": 1.0}, {"layers": -1}, {"optimizer": "lion"}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=next(iter(given))):
            classifier(**given).fit(*labelled())


def test_no_layers_is_a_linear_model() -> None:
    X, y = measured()
    model = regressor(layers=0, max_epochs=40).fit(X, y)
    assert model.model_.count_params() == 5
    assert model.score(X, y) > 0.98
