"""Sweeps that are killed, stopped and gone on with: nothing is lost, counted twice or done for nothing."""

import json
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from real_sweeps import (
    IN_PROCESS,
    Session,
    asked_order,
    assert_every_run_is_there_once,
    assert_it_is_said_in_a_few_lines,
    assert_the_best_is_kept,
    drive,
    ended,
    events,
    fits,
    history,
    lay_out,
    left_nothing,
    record_of,
    session,
    sweep_of,
    until,
    wait_for,
    words,
)

RESUME = ("resume", "latest", "--trust", "told.Told")  # what a record names is not trusted by itself


class Assassin:
    """Kills drivers and workers at moments that chance chooses, and goes on each time."""

    def __init__(self, folder: Path, typed: list[str], runs: int, seed: int) -> None:
        self.folder, self.typed, self.runs = folder, typed, runs
        self.chance, self.killed, self.seen = random.Random(seed), Counter[str](), dict[int, tuple[int, float]]()

    def kill(self, times: int, pause: int) -> None:
        """Kill so many, with up to `pause` runs between two; drivers and workers by turns, some drivers in start-up.

        Those that are due when all runs have ended, on a machine that had no time for this process, are left out.
        """
        victims = ["driver", "worker"] * ((times + 1) // 2)
        victims = victims[:times]
        self.chance.shuffle(victims)
        one = self._begin()
        try:
            for victim in victims:
                left = (self.runs - len(ended(self.folder))) // (times - self.killed.total() + 1)  # none comes too late
                some = min(self.chance.randint(0, pause), left)
                self._wait(one, some, at_work=victim == "worker" or self.chance.random() < 0.7)
                if len(ended(self.folder)) == self.runs:
                    break
                assert not one.is_over, one.said
                if victim == "worker":
                    self._kill_worker(one)
                else:
                    one.kill()
                    left_nothing(one)
                    self._look()
                    one = self._begin()
                self.killed[victim] += 1
            assert one.end() == 0, one.said
        finally:
            one.kill()
        left_nothing(one)

    def _begin(self) -> Session:
        begun = bool(events(self.folder))
        return Session(self.folder, *(RESUME if begun else self.typed))

    def _wait(self, one: Session, runs: int, at_work: bool) -> None:
        """Wait until so many more runs have ended, or somewhere in the start-up."""
        if at_work:
            opened = len(events(self.folder, "opened"))
            if not one.workers():
                wait_for(one, lambda: len(events(self.folder, "opened")) > opened - bool(opened), "the loop")
            before = len(ended(self.folder))
            enough = min(before + runs, self.runs)
            wait_for(one, lambda: self._has_worker(one) and len(ended(self.folder)) >= enough, f"{runs} more runs")
            time.sleep(self.chance.uniform(0.0, 0.1))
        else:
            before, end = len(ended(self.folder)), time.monotonic() + self.chance.uniform(0.0, 4.0)
            until(lambda: time.monotonic() > end or len(ended(self.folder)) > before)  # it has started by now

    def _kill_worker(self, one: Session) -> None:
        wait_for(one, lambda: self._has_worker(one), "a worker")
        with suppress(psutil.NoSuchProcess, IndexError):  # it ends just now
            self.chance.choice(one.workers()).kill()

    def _has_worker(self, one: Session) -> bool:
        return bool(one.workers()) or len(ended(self.folder)) == self.runs

    def _look(self) -> None:
        """Remember what has ended: it is not to be touched again."""
        for event in ended(self.folder):
            self.seen.setdefault(event["run"], (_inode(self.folder, event["run"]), event["objectives"][0]))


def _inode(folder: Path, number: int) -> int:
    return sweep_of(folder).run(number).path.stat().st_ino


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tuner", "runs", "kills", "seed"),
    [
        ("random", 40, 5, 5),
        pytest.param("tpe", 200, 20, 20, marks=pytest.mark.exhaustive),
        pytest.param("random", 200, 20, 21, marks=pytest.mark.exhaustive),
    ],
)
def test_a_sweep_whose_drivers_and_workers_are_killed_ends_with_exactly_its_runs(folder, tuner, runs, kills, seed):
    lay_out(folder, params={"seconds": 0.1})
    assassin = Assassin(folder, words(tuner, runs, "compute.slots=2", "tuner.retries=50"), runs, seed)
    assassin.kill(kills, pause=8 if runs > 100 else 5)
    assert_every_run_is_there_once(folder, runs)
    for number, (inode, value) in assassin.seen.items():
        assert (_inode(folder, number), record_of(folder, number)["objective"]["value"]) == (inode, value)
    assert_the_best_is_kept(folder)
    again = sum(fits(folder).values()) - runs
    sys.stdout.write(f"seed {seed}: killed {dict(assassin.killed)}, {again} fits more than runs\n")
    assert assassin.killed.total() >= kills // 2
    assert again <= assassin.killed["worker"] + 2 * assassin.killed["driver"] + 1  # one: the best, fitted once more


def test_the_best_is_kept_though_the_worker_that_had_it_is_gone(folder):
    """The first run is the best; the process that held its model is killed, so it is fitted once more at the end."""
    lay_out(folder, {"params.x": [0.9, 0.1, 0.2, 0.3, 0.4, 0.5]}, {"do": "slow_while_told"})
    (folder / "slow").write_text("3")
    with session(folder, *words("grid", None, "tuner.keep=best")) as one:
        wait_for(one, lambda: len(ended(folder)) >= 3, "three runs")
        one.kill()
        assert sweep_of(folder).holder() is None
    (folder / "slow").unlink()
    assert drive(folder, *RESUME).process.returncode == 0
    assert_every_run_is_there_once(folder, 6)
    assert assert_the_best_is_kept(folder) == 0
    assert fits(folder)["0.9 slow_while_told"] == 2
    again = drive(folder, *RESUME)
    assert (again.process.returncode, len(ended(folder)), "has ended" in again.said) == (0, 6, True)


@pytest.fixture
def cut(folder, runtree):
    """Return a folder with a sweep that went to five runs of ten: five are asked for, none is running."""
    lay_out(folder)
    said = runtree(*words("random", 5, IN_PROCESS))
    assert said.code == 0, said.err
    return folder


def test_runs_that_failed_are_run_again_in_their_place_once_the_code_is_mended(folder, runtree):
    lay_out(folder, {"params.do": ["well", "complain", "choke"]}, {"x": 0.5})
    said = runtree(*words("grid", None, IN_PROCESS))
    assert (said.code, "resume latest" in said.out) == (1, False)
    [typed] = [line.split() for line in said.out.splitlines() if "--retry" in line]
    assert typed == ["runtree", "resume", sweep_of(folder).path.name, "--retry", "failed", "--trust", "told.Told"]
    file = folder / "told.py"
    file.write_text(file.read_text().replace('raise ValueError("as told")', "return"))
    sys.modules.pop("told")
    said = runtree(*typed[1:])
    assert said.code == 1  # the other one fails still
    assert {number: record_of(folder, number)["state"] for number in range(3)} == {
        0: "completed", 1: "completed", 2: "failed",
    }  # fmt: skip
    aside = [path.name for path in sorted((sweep_of(folder).path / "attempts").iterdir())]
    assert aside == ["0001-1", "0002-1"]
    assert json.loads((sweep_of(folder).path / "attempts" / "0001-1" / "run.json").read_text())["state"] == "failed"
    assert [(event["run"], event["attempt"]) for event in ended(folder)] == [(0, 1), (1, 1), (2, 1), (1, 2), (2, 2)]


def test_a_larger_total_goes_on_and_a_changed_config_space_or_table_is_refused(cut, runtree):
    option = cut / "conf" / "algorithm" / "told.yaml"
    before, asked = option.read_text(), asked_order(cut)

    option.write_text(before.replace("interval(0, 1)", "interval(0, 0.9)"))
    space = runtree(*RESUME, "tuner.stop.max_runs=8")
    assert (space.code, "interval(0, 1)" in space.err, "interval(0, 0.9)" in space.err) == (2, True, True), space.err
    option.write_text(before.replace("seconds: 0.0", "seconds: 0.01"))
    config = runtree(*RESUME, "tuner.stop.max_runs=8")
    assert config.code == 2
    assert "algorithm.params.seconds" in config.err and "0.01" in config.err, config.err
    option.write_text(before)

    rows = (cut / "rows.csv").read_text()
    (cut / "rows.csv").write_text(rows + "60,2.0\n")
    table = runtree(*RESUME, "tuner.stop.max_runs=8")
    assert (table.code, "data: " in table.err) == (2, True), table.err
    (cut / "rows.csv").write_text(rows)

    typed = runtree(*RESUME, "tuner.stop.max_runs=8", "seed=1")
    assert (typed.code, "would make it another sweep" in typed.err) == (2, True), typed.err
    for said in (space, config, table, typed):
        assert_it_is_said_in_a_few_lines(said.err)
    assert asked_order(cut) == asked

    assert runtree(*RESUME, "tuner.stop.max_runs=8").code == 0
    assert asked_order(cut)[:5] == asked
    assert_every_run_is_there_once(cut, 8)
    assert json.loads(sweep_of(cut).stop.read_text())["threshold"] == 8
    assert_the_best_is_kept(cut)


UNEVEN = ("tuner.deterministic=true", "tuner.lag=4")


@pytest.mark.slow
def test_a_deterministic_sweep_is_the_same_with_any_slots_and_when_it_was_killed(folder, tmp_path_factory):
    found = {}
    for name, slots in (("one", 1), ("two", 2), ("four", 4), ("killed", 2)):
        place = tmp_path_factory.mktemp(name)
        lay_out(place, params={"do": "uneven"})
        typed = words("tpe", 25, *UNEVEN, f"compute.slots={slots}")
        if name == "killed":
            with session(place, *typed) as one:
                wait_for(one, lambda place=place: len(ended(place)) >= 13, "half of the runs")
                one.kill()
            typed = list(RESUME)
        one = drive(place, *typed)
        assert one.process.returncode == 0, one.said
        found[name] = history(place)
        if slots == 4:
            ends = [event["run"] for event in ended(place)]
            assert ends != sorted(ends), "runs ended in the order in which they began: nothing was put to the test"
    assert [number for number, _, _ in found["one"]] == list(range(25))
    assert found["two"] == found["one"]
    assert found["four"] == found["one"]
    assert found["killed"] == found["one"]


@pytest.mark.parametrize(("tuner", "space"), [("random", {}), ("grid", {"params.x": [0.1, 0.5, 0.3, 0.9, 0.2, 0.7]})])
def test_random_and_grid_propose_the_same_with_any_slots(folder, runtree, tmp_path_factory, monkeypatch, tuner, space):
    found = []
    for typed in ((IN_PROCESS,), ("compute.slots=3",)):
        place = tmp_path_factory.mktemp("place")
        monkeypatch.chdir(place)
        lay_out(place, space or {"params.x": "interval(0, 1)"}, {"do": "uneven"})
        assert runtree(*words(tuner, 6, *typed)).code == 0
        found.append((history(place), asked_order(place)))
    assert found[0] == found[1]
    assert len(found[0][0]) == 6
