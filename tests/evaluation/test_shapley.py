"""A row's answer taken apart."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from runtree.evaluation import shapley
from runtree.evaluation.shapley import explain_row


@pytest.fixture
def background():
    dice = np.random.default_rng(0)
    return pd.DataFrame(dice.normal(size=(5, 3)), columns=list("abc")).assign(d=["x", "y", "x", "y", "x"])


ROW = pd.DataFrame({"a": [2.0], "b": [-1.0], "c": [0.5], "d": ["y"]})


def tangled(rows):
    return (rows["a"] * rows["b"] + np.where(rows["d"] == "y", 3, 0) * rows["a"]).to_numpy(dtype=float)


def exact(ask, row, background):
    """Return Shapley values by all orders and all background rows."""
    names, found = list(row.columns), []
    for order in permutations(names):
        for start in range(len(background)):
            now = background.iloc[[start]].reset_index(drop=True)
            before = ask(now)[0]
            added = {}
            for name in order:
                now = now.assign(**{name: row[name].to_numpy()})
                added[name], before = ask(now)[0] - before, ask(now)[0]
            found.append([added[name] for name in names])
    return np.mean(found, axis=0)


def test_the_amounts_are_shapley_values(background):
    found = explain_row(tangled, ROW, 0, background, 0)
    expected = exact(tangled, ROW, background)
    for one, value in zip(found.contributions, expected, strict=True):
        assert one.amount == pytest.approx(value, abs=4 * one.error + 1e-12)
        assert one.error < 0.1
    assert found.contributions[2].amount == 0


def test_base_and_amounts_add_up_to_the_answer(background):
    found = explain_row(tangled, ROW, 7, background, 0)
    assert found.base + sum(one.amount for one in found.contributions) == pytest.approx(found.prediction, abs=1e-9)
    assert found.prediction == tangled(ROW)[0] == 4
    assert (found.row, [one.value for one in found.contributions]) == (7, [2.0, -1.0, 0.5, "y"])


def test_a_sum_is_taken_apart_exactly(background):
    def line(rows):
        return (rows["a"] - 2 * rows["b"]).to_numpy()

    background = background.iloc[[0]]
    found = explain_row(line, ROW, 0, background, 3)
    expected = [2 - background["a"].iloc[0], -2 * (-1 - background["b"].iloc[0]), 0, 0]
    assert [one.amount for one in found.contributions] == pytest.approx(expected)
    assert max(one.error for one in found.contributions) == pytest.approx(0)


def test_the_first_weigh_most_for_or_against(background):
    amounts = [abs(one.amount) for one in explain_row(tangled, ROW, 0, background, 0).largest(3)]
    assert amounts == sorted(amounts, reverse=True)


def test_the_same_seed_gives_the_same_amounts_in_however_many_calls(background, monkeypatch):
    once = explain_row(tangled, ROW, 0, background, 5)
    monkeypatch.setattr(shapley, "BATCH_ROWS", 100)
    assert explain_row(tangled, ROW, 0, background, 5) == once
    assert explain_row(tangled, ROW, 0, background, 6) != once
