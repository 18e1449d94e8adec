"""A fit that goes on from its checkpoints ends bit-equal to one that was never interrupted."""

# ruff: noqa: E402

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from runtree.algorithms.torch.checkpoints import read_state, write_state
from runtree.algorithms.torch.tabular import TorchMLPClassifier, TorchMLPRegressor, TorchResNetClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 5))
Y = np.where(X[:, 0] + X[:, 1] ** 2 > 0.5, "yes", "no")


class Watch:
    """Stops at an epoch and keeps a checkpoint of it; notes what it was told."""

    def __init__(self, stop=None, folder=None, start=None, best=None, every=1):
        self.stop, self.folder, self.start, self.best_step, self.every = stop, folder, start, best, every
        self.best, self.told = None, {}

    def due(self, step):
        return step % self.every == 0

    def __call__(self, step, *, model=None, snapshot=None, save=None, **metrics):
        self.told[step] = {**metrics, "predicted": model.predict(X).tolist()}
        if step == self.best_step:
            self.best = snapshot()
        torch.rand(3)  # what others draw between two epochs changes nothing
        if step == self.stop:
            self.folder.mkdir()
            save(self.folder)
        return step == self.stop


def weights(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.module_.state_dict().items()}


VARIANTS = [
    {"optimizer": "adamw", "scheduler": "cosine", "dropout": 0.3},
    {"optimizer": "sgd", "scheduler": "one_cycle", "dropout": 0.3, "normalization": "batch"},
    {"optimizer": "rmsprop", "scheduler": "plateau", "gradient_clip": 0.1},
]


def make(**parameters):
    return TorchMLPClassifier(max_epochs=9, batch_size=16, units=8, random_state=3, device="cpu", **parameters)


@pytest.mark.parametrize("parameters", VARIANTS, ids=lambda p: p["optimizer"])
def test_interrupted_twice_ends_bit_equal(parameters, tmp_path):
    whole = make(**parameters).fit(X, Y, validation=(X, Y))
    make(**parameters).fit(X, Y, validation=(X, Y), report=Watch(3, tmp_path / "a"))
    make(**parameters).fit(X, Y, validation=(X, Y), report=Watch(4, tmp_path / "b", tmp_path / "a"))
    last = Watch(start=tmp_path / "b", every=2)
    ended = make(**parameters).fit(X, Y, validation=(X, Y), report=last)
    assert weights(ended) == weights(whole)
    assert list(last.told) == [6, 8]
    assert ended.n_iter_ == 9


def test_a_scheduler_of_torch_goes_on_exactly(tmp_path):
    def made():
        scheduler = partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)
        return TorchResNetClassifier(
            max_epochs=6, batch_size=16, units=8, random_state=3, device="cpu", scheduler=scheduler
        )

    made().fit(X, Y, report=Watch(3, tmp_path / "a"))
    rates = Watch(start=tmp_path / "a")
    ended = made().fit(X, Y, report=rates)
    assert weights(ended) == weights(made().fit(X, Y))
    assert [told["learning_rate"] for told in rates.told.values()] == [5e-4, 2.5e-4, 2.5e-4]


def test_a_fit_without_a_seed_goes_on_with_the_one_it_drew(tmp_path):
    model = make(dropout=0.5).set_params(random_state=None)
    model.fit(X, Y, report=Watch(2, tmp_path / "a"))
    first, second = (weights(model.fit(X, Y, report=Watch(start=tmp_path / "a"))) for _ in range(2))
    assert first == second


def test_the_best_is_put_back():
    watch = Watch(best=2)
    model = make().fit(X, Y, report=watch)
    assert model.predict(X).tolist() == watch.told[2]["predicted"]
    assert weights(model) != weights(make().fit(X, Y))


def test_the_best_may_be_a_checkpoint(tmp_path):
    watch = Watch(2, tmp_path / "best")
    make().fit(X, Y, report=watch)
    later = Watch(start=tmp_path / "best")
    later.best = tmp_path / "best"
    model = make().fit(X, Y, report=later)
    assert model.predict(X).tolist() == watch.told[2]["predicted"]


def test_what_is_told():
    watch = Watch(every=4)
    model = TorchMLPRegressor(max_epochs=9, random_state=0, device="cpu", scheduler="cosine", dropout=0.0)
    model.fit(X, X[:, 0], report=watch, validation=(X, X[:, 0]))
    assert list(watch.told) == [4, 8]
    assert watch.told[8]["train_loss"] < watch.told[4]["train_loss"]
    error = np.mean((np.array(watch.told[8]["predicted"]) - X[:, 0]) ** 2) / X[:, 0].var()
    assert watch.told[8]["validation_loss"] == pytest.approx(error, rel=1e-4)
    assert watch.told[8]["learning_rate"] == pytest.approx(0.001 * (1 + np.cos(np.pi * 7 / 9)) / 2)


def test_looking_changes_nothing():
    watched = make(normalization="batch").fit(X, Y, report=Watch(), validation=(X, Y))
    assert weights(watched) == weights(make(normalization="batch").fit(X, Y))


def test_state_survives_the_disk(tmp_path):
    state = {"a": {1: torch.eye(2), "b": [1, None, 0.1 + 0.2]}, "c": torch.tensor(3)}
    write_state(state, tmp_path)
    again = read_state(tmp_path)
    assert torch.equal(again["a"][1], torch.eye(2))
    assert again["a"]["b"] == [1, None, 0.1 + 0.2]
    assert int(again["c"]) == 3
