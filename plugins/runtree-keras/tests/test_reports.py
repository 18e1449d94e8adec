"""What is told of each epoch, and what is done with the answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runtree_keras.batches import Batches
from test_estimators import classifier, regressor
from watching import Watcher, labelled, measured

from runtree.contract.errors import Pruned


def test_each_epoch_is_told_with_its_losses() -> None:
    X, y = labelled()
    watcher = Watcher()
    model = classifier(max_epochs=5).fit(X, y, report=watcher, validation=labelled(40, seed=1))
    assert [line["step"] for line in watcher.told] == [1, 2, 3, 4, 5]
    assert set(watcher.told[0]) == {"step", "train_loss", "validation_loss", "learning_rate"}
    assert watcher.told[-1]["train_loss"] < 0.7 * watcher.told[0]["train_loss"]
    assert watcher.told[0]["learning_rate"] == pytest.approx(0.02)
    assert model.n_iter_ == 5


def test_validation_loss_is_that_of_the_validation_rows() -> None:
    X, y = labelled()
    rows, target = labelled(40, seed=1)
    watcher = Watcher()
    model = classifier(max_epochs=3, dropout=0.4).fit(X, y, report=watcher, validation=(rows, target))
    chances = model.predict_proba(rows)[np.arange(40), np.searchsorted(model.classes_, target)]
    assert watcher.told[-1]["validation_loss"] == pytest.approx(-np.log(chances).mean(), rel=1e-5)


def test_losses_of_a_regression_are_in_standard_deviations() -> None:
    X, y = measured()
    rows, target = measured(40, seed=1)
    watcher = Watcher()
    model = regressor(max_epochs=3).fit(X, y, report=watcher, validation=(rows, target))
    expected = np.mean((model.predict(rows) - target) ** 2) / np.var(y)
    assert watcher.told[-1]["validation_loss"] == pytest.approx(expected, rel=1e-4)


def test_without_validation_there_is_no_such_loss() -> None:
    watcher = Watcher()
    classifier(max_epochs=1).fit(*labelled(), report=watcher)
    assert "validation_loss" not in watcher.told[0]


def test_labels_that_nothing_was_learned_of_are_not_watched() -> None:
    rows, target = labelled(40, seed=1)
    watched: list[float] = []
    for labels in (target, np.where(np.arange(40) < 20, target, "never")):
        watcher = Watcher()
        classifier(max_epochs=1).fit(*labelled(), report=watcher, validation=(rows, labels))
        watched.append(watcher.told[0]["validation_loss"])
    first = Watcher()
    classifier(max_epochs=1).fit(*labelled(), report=first, validation=(rows[:20], target[:20]))
    assert watched[0] != watched[1] == pytest.approx(first.told[0]["validation_loss"], rel=1e-6)


def test_rows_are_shuffled_before_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: list[int] = []
    monkeypatch.setattr(Batches, "shuffle", lambda self, epoch: epochs.append(epoch))
    classifier(max_epochs=3).fit(*labelled())
    assert epochs == [0, 1, 2]


def test_stops_where_it_is_told_to() -> None:
    watcher = Watcher(stop_at=3)
    model = classifier(max_epochs=9).fit(*labelled(), report=watcher)
    assert [len(watcher.told), model.n_iter_] == [3, 3]
    assert (model.predict(labelled()[0]) == classifier(max_epochs=3).fit(*labelled()).predict(labelled()[0])).all()


def test_only_what_is_due_is_told() -> None:
    watcher = Watcher(every=4)
    classifier(max_epochs=9).fit(*labelled(), report=watcher)
    assert [line["step"] for line in watcher.told] == [4, 8]


def test_watching_changes_nothing() -> None:
    X, y = labelled()
    given: dict[str, Any] = {"max_epochs": 4, "dropout": 0.3, "normalization": "batch"}
    watcher = Watcher(look=lambda model: model.predict_proba(X))
    watched = classifier(**given).fit(X, y, report=watcher, validation=labelled(40, seed=1))
    alone = classifier(**given).fit(X, y)
    assert watched.predict_proba(X).tobytes() == alone.predict_proba(X).tobytes()
    assert watcher.seen[-1].tobytes() == alone.predict_proba(X).tobytes()
    assert watcher.seen[0].tobytes() != watcher.seen[-1].tobytes()


def test_the_best_epoch_is_put_back() -> None:
    X, y = labelled()
    watcher = Watcher(best_at=2, look=lambda model: model.predict_proba(X))
    model = classifier(max_epochs=5, normalization="batch").fit(X, y, report=watcher)
    assert model.predict_proba(X).tobytes() == watcher.seen[1].tobytes() != watcher.seen[-1].tobytes()


def test_the_best_epoch_is_put_back_from_a_folder(tmp_path: Path) -> None:
    X, y = labelled()
    watcher = Watcher(save_at=2, folder=tmp_path, look=lambda model: model.predict_proba(X))
    watcher.best = tmp_path
    model = classifier(max_epochs=5, normalization="batch").fit(X, y, report=watcher)
    assert model.predict_proba(X).tobytes() == watcher.seen[1].tobytes() != watcher.seen[-1].tobytes()


def test_a_fit_that_is_given_up_ends_at_once() -> None:
    def give_up(model: Any) -> None:
        raise Pruned(1)

    watcher = Watcher(look=give_up)
    with pytest.raises(Pruned):
        classifier(max_epochs=9).fit(*labelled(), report=watcher)
    assert len(watcher.told) == 1
