"""When what happened is on the disk: written before the next run begins, confirmed before it is shown."""

import errno
import os
from functools import partial

import optuna
import pytest
from harness import Scripted, make

from runtree.records.ledger import read_ledger
from runtree.tuners.optuna_tuner import OptunaTuner

randomly = partial(OptunaTuner, partial(optuna.samplers.RandomSampler))


def ended(folder):
    return [event["run"] for event in read_ledger(folder / "ledger.jsonl") if event["event"] == "ended"]


class Watched(Scripted):
    """Tells when jobs begin."""

    def __init__(self, folder, story, slots):
        super().__init__(lambda number, values: values["x"], slots)
        self.folder, self.story = folder, story

    def submit(self, job):
        self.story.append(("began", job.id, ended(self.folder)))
        super().submit(job)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return what happened, in its order, in a sweep of eight runs on some slots."""

    def tell(slots):
        story = []
        monkeypatch.setattr(os, "fdatasync", lambda handle: story.append(("synced", None, ended(tmp_path))))
        driver = make(tmp_path, Watched(tmp_path, story, slots), randomly, stop={"max_runs": 8})
        driver.observer.ended = lambda driver, entry: story.append(("shown", entry.number, ended(tmp_path)))
        driver.run()
        return story

    return tell


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_an_end_is_written_before_the_slot_is_filled_and_confirmed_before_it_is_shown(told, slots):
    story = told(slots)
    shown = [place for place, (what, _, _) in enumerate(story) if what == "shown"]
    assert [story[place][1] for place in shown] == list(range(8))
    for place in shown:
        number = story[place][1]
        confirmed = [known for what, _, known in story[:place] if what == "synced"]
        assert number in confirmed[-1]
    begun = [(number, known) for what, number, known in story if what == "began"]
    assert all(set(range(number - slots + 1)) <= set(known) for number, known in begun)


def test_the_next_run_works_while_the_disk_confirms(told):
    story = [(what, number) for what, number, _ in told(1)]
    first = story.index(("shown", 0))
    assert story.index(("began", 1)) < first
    assert ("synced", None) in story[story.index(("began", 1)) : first]


def test_a_disk_that_fails_to_confirm_ends_the_sweep_and_all_that_was_shown_is_kept(tmp_path, monkeypatch):
    shown, real, left = [], os.fdatasync, [5]

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    executor = Scripted(lambda number, values: values["x"], 2)
    driver = make(tmp_path, executor, randomly, stop={"max_runs": 30})
    driver.observer.ended = lambda driver, entry: shown.append(entry.number)
    monkeypatch.setattr(os, "fdatasync", full)
    driver.run()
    monkeypatch.undo()
    assert driver.stop_cause == "disk"
    assert shown and set(shown) <= set(ended(tmp_path))
    driver.ledger.close()
    again = make(tmp_path, Scripted(lambda number, values: values["x"], 2), randomly, stop={"max_runs": 30})
    again.run()
    assert sorted(again.state.ended) == list(range(30))
