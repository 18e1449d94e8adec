"""Batches: each row once an epoch, in an order that the seed and the epoch decide."""

from typing import Any

import numpy as np
import pytest
from runtree_keras.batches import Batches, network_outputs
from runtree_keras.networks import mlp


def order(batches: Batches, epoch: int) -> list[float]:
    batches.shuffle(epoch)
    return [value for number in range(len(batches)) for value in batches[number][0].tolist()]


def rows(count: int = 10) -> tuple[Any, Any]:
    numbers = np.arange(count, dtype=np.float32)
    return numbers, -numbers


def test_each_row_comes_once_with_its_own_target() -> None:
    batches = Batches(rows(), 4, seed=1)
    batches.shuffle(0)
    taken = [batches[number] for number in range(len(batches))]
    assert [len(first) for first, _ in taken] == [4, 4, 2]
    assert sorted(value for first, _ in taken for value in first.tolist()) == list(range(10))
    assert all((first == -second).all() for first, second in taken)


def test_the_order_is_that_of_the_seed_and_the_epoch() -> None:
    batches = Batches(rows(), 4, seed=1)
    first, second = order(batches, 0), order(batches, 1)
    assert first != second != sorted(second)
    assert order(Batches(rows(), 4, seed=1), 1) == second
    assert order(Batches(rows(), 4, seed=2), 1) != second


def test_unshuffled_rows_keep_their_order() -> None:
    batches = Batches(rows(), 4)
    assert [value for number in range(3) for value in batches[number][0].tolist()] == list(range(10))


def test_scores_are_put_together_in_order() -> None:
    network = mlp((1,), 2, layers=0)
    numbers = rows(10)[0][:, None]
    whole, parts = network_outputs(network, numbers, size=100), network_outputs(network, numbers, size=3)
    assert whole.shape == (10, 2)
    assert whole.dtype == np.float64
    assert parts == pytest.approx(whole, abs=1e-6)
