"""Series as tensors: standardised by channel, with holes and ends."""

import numpy as np
import pytest

pytest.importorskip("torch")

from runtree.algorithms.torch.sequence_encoders import SeriesEncoder

NAN = np.nan


def test_each_channel_is_standardised_over_all_rows_and_steps():
    X = np.random.default_rng(0).normal([5, -100], [2, 30], (40, 3, 2)).reshape(40, 6)
    values, lengths = SeriesEncoder.learn(X, 2).encode(X)
    assert values.shape == (40, 3, 2)
    assert values.mean((0, 1)).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert values.std((0, 1), correction=0).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert values[7, 2, 1] == pytest.approx((X[7, 5] - X[:, 1::2].mean()) / X[:, 1::2].std(), rel=1e-4)
    assert set(lengths.tolist()) == {3}


def test_holes_are_what_was_known_before_and_the_end_is_the_last_known_step():
    encoder = SeriesEncoder(4, np.array([10.0]), np.array([2.0]))
    values, lengths = encoder.encode(np.array([[12, NAN, 14, 10], [NAN, 12, NAN, NAN], [NAN] * 4]))
    assert values[0, :, 0].tolist() == [1, 1, 2, 0]
    assert values[1, :2, 0].tolist() == [0, 1]
    assert lengths.tolist() == [4, 2, 1]
    assert np.isfinite(values.numpy()).all()


def test_a_constant_or_unknown_channel_is_nothing():
    X = np.array([[0.1, NAN], [0.1, NAN], [0.1, NAN]])
    values, _ = SeriesEncoder.learn(X, 2).encode(X)
    assert values.flatten().tolist() == pytest.approx([0] * 6, abs=1e-9)
