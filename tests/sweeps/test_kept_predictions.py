"""The validation predictions of a sweep's runs take no more than `tuner.predictions`, and those of the best stay."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError
from runtree.records.layout import SweepFolder
from runtree.sweeps.messages import AttemptResult
from runtree.sweeps.options import read_loop_options
from runtree.sweeps.state import RunState
from runtree.sweeps.tasks import Tasks


def tasks_in(path, limit, direction="maximize"):
    options, overrides = read_loop_options({"predictions": limit}), SimpleNamespace(composed={})
    metrics = (("score", direction),)
    return Tasks(None, (), SweepFolder(path), options, None, overrides, metrics)  # type: ignore[arg-type]


def ended(path, number, score, size, kept=False):
    """Write the predictions of a run that ended; a score of None: it has failed."""
    folder = SweepFolder(path).run(number)
    folder.path.mkdir(parents=True)
    folder.validation.write_bytes(bytes(size))
    result = AttemptResult("completed", objectives=None if score is None else (score,))
    return RunState(number, ("", number), 0, "", "completed", result=result, kept=kept)


def left(path):
    return {int(file.parent.name): file.stat().st_size for file in path.glob("runs/*/validation.npz")}


RUNS = st.lists(st.tuples(st.integers(0, 5) | st.none(), st.integers(1, 40)), min_size=1, max_size=12)


@given(runs=RUNS, limit=st.integers(40, 120), cut=st.integers(0, 12), sign=st.sampled_from([1, -1]))
def test_the_limit_is_held_and_the_best_stay_also_if_the_sweep_is_resumed(tmp_path_factory, runs, limit, cut, sign):
    path, direction = tmp_path_factory.mktemp("sweep"), "maximize" if sign == 1 else "minimize"
    tasks, states = tasks_in(path, limit, direction), []
    for number, (score, size) in enumerate(runs):
        if number == cut:  # a session of its own, which looks at what there is
            tasks = tasks_in(path, limit, direction)
            for state in states:
                tasks.count_predictions(state)
        states.append(ended(path, number, None if score is None else sign * score, size))
        tasks.count_predictions(states[-1])
        assert sum(left(path).values()) <= limit
    scores = {number: -1 if score is None else score for number, (score, _) in enumerate(runs)}
    best = max(scores, key=lambda number: (scores[number], number))
    assert best in left(path)
    if sum(size for _, size in runs) <= limit:
        assert len(left(path)) == len(runs)


def test_a_kept_run_keeps_its_own_whatever_the_limit(tmp_path):
    tasks = tasks_in(tmp_path, 50)
    for number, kept in enumerate([True, False, False]):
        tasks.count_predictions(ended(tmp_path, number, float(number), 40, kept))
    assert sorted(left(tmp_path)) == [0, 2]


@pytest.mark.parametrize(
    ("node", "limit"), [({}, 10**8), ({"predictions": 0}, 0), ({"predictions": "2MiB"}, 2**21), ({"keep": "all"}, 0)]
)
def test_the_limit_is_a_size(node, limit):
    assert read_loop_options(node).prediction_bytes == limit


def test_what_is_no_size_is_refused():
    with pytest.raises(ConfigError, match=r"tuner\.predictions: 'much' is not a memory size"):
        read_loop_options({"predictions": "much"})
