"""A fit that goes on from a checkpoint ends as one that nothing interrupted, to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_estimators import classifier, regressor
from watching import Watcher, labelled, measured

from runtree.contract.errors import DataError

HARD = {"dropout": 0.3, "normalization": "batch", "weight_decay": 1e-3, "max_epochs": 7}


def outcome(model: Any, X: Any) -> list[bytes]:
    return [model.predict(X).tobytes(), *(np.asarray(array).tobytes() for array in model.model_.get_weights())]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's own get_weights
@pytest.mark.parametrize("optimizer", ["adam", "nadam", "rmsprop", "sgd"])
def test_goes_on_bit_by_bit(optimizer: str, tmp_path: Path) -> None:
    X, y = labelled()
    whole = classifier(**HARD, optimizer=optimizer).fit(X, y)
    classifier(**HARD, optimizer=optimizer).fit(X, y, report=Watcher(stop_at=3, save_at=3, folder=tmp_path))
    watcher = Watcher(start=tmp_path)
    model = classifier(**HARD, optimizer=optimizer).fit(X, y, report=watcher)
    assert outcome(model, X) == outcome(whole, X)
    assert [line["step"] for line in watcher.told] == [4, 5, 6, 7]
    assert model.n_iter_ == 7


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_goes_on_twice_and_tells_the_same_losses(tmp_path: Path) -> None:
    X, y = measured()
    first, second = tmp_path / "2", tmp_path / "5"
    first.mkdir(), second.mkdir()
    alone = Watcher()
    whole = regressor(**HARD).fit(X, y, report=alone)
    told: list[dict[str, float]] = []
    for watcher in (
        Watcher(stop_at=2, save_at=2, folder=first),
        Watcher(start=first, stop_at=5, save_at=5, folder=second),
        Watcher(start=second),
    ):
        model = regressor(**HARD).fit(X, y, report=watcher)
        told += watcher.told
    assert told == alone.told
    assert outcome(model, X) == outcome(whole, X)


def test_a_finished_fit_has_nothing_left_to_do(tmp_path: Path) -> None:
    X, y = labelled()
    whole = classifier(max_epochs=3).fit(X, y, report=Watcher(save_at=3, folder=tmp_path))
    watcher = Watcher(start=tmp_path)
    model = classifier(max_epochs=3).fit(X, y, report=watcher)
    assert watcher.told == []
    assert model.predict_proba(X).tobytes() == whole.predict_proba(X).tobytes()


def test_a_checkpoint_holds_numbers_alone(tmp_path: Path) -> None:
    classifier(max_epochs=1).fit(*labelled(), report=Watcher(save_at=1, folder=tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        assert int(state["epoch"]) == 1
        assert all(state[name].dtype.kind in "fiu" for name in state.files)


@pytest.mark.parametrize("change", [{"units": 8}, {"optimizer": "sgd"}])
def test_another_network_s_checkpoint_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    classifier(max_epochs=1).fit(*labelled(), report=Watcher(save_at=1, folder=tmp_path))
    with pytest.raises(DataError, match="another network"):
        classifier(max_epochs=2, **change).fit(*labelled(), report=Watcher(start=tmp_path))
