"""Stream tests: a change within a sequence is found, chance is not, and what came before the last change is left."""

import numpy as np
import pytest

from runtree.monitoring.stream import adwin, cut_blocks, earlier_means, page_hinkley

NOTHING = np.zeros(10)


@pytest.mark.parametrize("detector", [page_hinkley, adwin])
def test_a_change_within_a_sequence_is_found_and_chance_is_not(detector):
    rng = np.random.default_rng(0)
    changed = [np.concatenate([rng.normal(size=40), rng.normal(1.2, 1, 20)]) for _ in range(40)]
    slow = [rng.normal(size=60) + np.linspace(0, 2, 60) for _ in range(40)]
    clean = [rng.normal(size=60) for _ in range(200)]
    shares = [np.mean([detector(NOTHING, one).p <= 0.05 for one in several]) for several in (changed, slow, clean)]
    assert shares[0] > 0.75 and shares[1] > 0.9 and 0.01 < shares[2] <= 0.07
    assert detector(NOTHING, np.array([0.0] * 30 + [1.0] * 30)).score == pytest.approx(1)
    assert detector(NOTHING, np.ones(60)).p == 1.0


def test_blocks_have_one_size_and_a_sequence_begins_behind_the_last_change():
    first = cut_blocks(np.arange(2000.0), None)
    assert first["size"] == 40 and len(first["means"]) == 50 and first["means"][0] == 19.5
    assert cut_blocks(np.arange(90.0), 40)["means"] == [19.5, 59.5]  # the last 10 rows are no whole block
    windows = [window(0, 1.0), window(1, 2.0, alarm=True), window(2, 3.0), {"stream": {}, "drift": []}, window(3, 4.0)]
    assert earlier_means(windows, "error") == (20, [3.0, 4.0])
    # blocks of another size have another variance
    assert earlier_means([{**windows[0], "stream": {"error": {"size": 30, "means": [1.0]}}}, windows[4]], "error")[
        1
    ] == [4.0]


def window(number, mean, alarm=False):
    stream = {"error": {"size": 20, "means": [mean]}}
    return {
        "window": {"begin": str(number)},
        "stream": stream,
        "drift": [{"column": "error over time", "alarm": alarm}],
    }
