"""What a sampler sees of a long study."""

import random

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from runtree.tuners.bounded_study import BoundedStudy

MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def window(*directions, memory=20):
    storage = BoundedStudy(directions, memory)
    storage.create_new_study(list(directions), "study")
    return storage


def end(storage, number, *values, state=TrialState.COMPLETE, **more):
    storage.fill_up_to(0, number)
    if number == storage.count:
        storage.create_new_trial(0)
    storage.put(number, create_trial(state=state, values=values or None, **more))


def numbers(storage, *states):
    return [trial.number for trial in storage.get_all_trials(0, deepcopy=False, states=states or None)]


@pytest.mark.parametrize(("direction", "sign"), [(MINIMIZE, 1), (MAXIMIZE, -1)])
def test_the_best_quarter_and_the_latest_are_seen(direction, sign):
    storage = window(direction)
    for number in range(100):
        end(storage, number, sign * abs(number - 40.1))
    assert numbers(storage) == [38, 39, 40, 41, 42, *range(85, 100)]


def test_what_is_seen_depends_on_what_was_told_and_not_on_when():
    values = [random.Random(0).random() for _ in range(80)]
    told = [list(range(80)), random.Random(1).sample(range(80), 80)]
    seen = []
    for order in told:
        storage = window(MINIMIZE)
        for _ in range(80):
            storage.create_new_trial(0)
        for number in order:
            end(storage, number, values[number])
        seen.append(numbers(storage))
    assert seen[0] == seen[1]


def test_all_that_run_are_seen_and_what_failed_is_not():
    storage = window(MINIMIZE, memory=4)
    for _ in range(30):
        storage.create_new_trial(0)
    for number in range(3, 30):
        end(storage, number, state=TrialState.FAIL)
    assert numbers(storage) == [0, 1, 2]
    assert numbers(storage, TrialState.RUNNING) == [0, 1, 2]
    assert numbers(storage, TrialState.WAITING) == []


def test_the_best_are_ranked_as_tpe_ranks_them():
    storage = window(MINIMIZE, memory=16)
    end(storage, 0, 5.0, constraints={"size": 0.1})
    end(storage, 1, state=TrialState.PRUNED, intermediate_values={3: 9.0})
    end(storage, 2, state=TrialState.PRUNED, intermediate_values={2: 1.0})
    end(storage, 3, state=TrialState.PRUNED)
    end(storage, 4, 7.0, constraints={"size": 0.0})
    for number in range(5, 40):
        end(storage, number, 1.0, constraints={"size": 1.0})
    assert [number for _, number in storage._best] == [4, 1, 2, 3]
    end(storage, 40, 100.0)
    assert [number for _, number in storage._best] == [4, 40, 1, 2]


def test_of_several_objectives_the_pareto_set_is_kept():
    storage = window(MINIMIZE, MAXIMIZE)
    front = {3: (0.0, 0.0), 8: (1.0, 5.0), 12: (2.0, 6.0)}
    for number in range(100):
        end(storage, number, *front.get(number, (3.0 + number, 1.0)))
    assert numbers(storage) == [3, 8, 12, *range(85, 100)]


def test_no_memory_sees_no_end_and_all_memory_sees_all():
    for memory, seen in ((0, []), (None, list(range(50)))):
        storage = window(MINIMIZE, memory=memory)
        for number in range(50):
            end(storage, number, 1.0)
        assert numbers(storage) == seen


def test_a_pruner_sees_the_latest_and_no_favourites():
    storage = window(MINIMIZE, memory=4)
    for number in range(700):
        end(storage, number, float(number))
    with storage.visible_to_pruner():
        assert numbers(storage) == list(range(200, 700))
    assert numbers(storage) == [0, 697, 698, 699]


def test_parents_stay_in_sight():
    storage = window(MINIMIZE, memory=4)
    for number in range(50):
        end(storage, number, float(number))
    for generation, parents in enumerate(([10], [20, 21], [30])):
        storage.set_study_system_attr(0, f"NSGAIISampler:parent:{generation}", parents)
    assert numbers(storage) == [0, 20, 21, 30, 47, 48, 49]


def test_numbers_that_were_never_told_are_filled():
    storage = window(MINIMIZE)
    end(storage, 5, 1.0)
    assert storage.get_trial(5).values == [1.0]
    assert numbers(storage) == [5]
