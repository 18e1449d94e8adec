"""The deterministic mode: nobody who ends first, fails, is reused or is cut off changes what a sweep comes to."""

import logging
import random
from functools import partial
from pathlib import Path

import optuna
import pytest
from harness import Scripted, history, make, outcome

from runtree.contract.search import Choice, Dimension, Interval
from runtree.sweeps.search_space import SearchSpace
from runtree.tuners.optuna_tuner import OptunaTuner
from runtree.workers.executor import JobDied

randomly = partial(OptunaTuner, partial(optuna.samplers.RandomSampler))
tpe = partial(OptunaTuner, partial(optuna.samplers.TPESampler, multivariate=True, n_startup_trials=4))
FEW = (Dimension("x", Choice(tuple(range(6)))), Dimension("y", Choice(("a", "b"))))  # many proposals are known already
LINE = (Dimension("x", Interval(0.0, 1.0)),)
FAMILIES = [SearchSpace(name, {"algorithm": name}, LINE) for name in ("one", "other")]
STOPS = {
    "runs": {"max_runs": 24},
    "patience": {"patience": {"runs": 6}, "max_runs": 40},
    "convergence": {"convergence": {"window": 4, "min_runs": 8, "tolerance": 0.2}, "max_runs": 40},
    "failures": {"failures": {"rate": 0.2, "min_runs": 6}, "max_runs": 40},
    "target": {"target": 0.9, "max_runs": 40},
}
KINDS = {
    "few": {"space": FEW},
    "line": {"space": LINE},
    "families": {"space": LINE, "families": FAMILIES},
    "repeats": {"space": LINE, "repeats": 2},
    "few_repeats": {"space": FEW, "repeats": 2},
}


def value(number, values):
    """A number from 0 to 1 that depends on the run alone; some fail."""
    chance = random.Random(f"{number % 5} {sorted(values.items())}").random()
    if chance < 0.2:
        return outcome(0.0, state="failed", reason="error", error={"type": "ValueError", "message": "no"})
    return chance


class Dying:
    """Lets some runs die once."""

    def __init__(self) -> None:
        self.seen = set()

    def __call__(self, number, values):
        if number % 7 == 3 and number not in self.seen:
            self.seen.add(number)
            return JobDied(number, "crashed", -9, 0.1, 0)
        return value(number, values)


def sweep(folder: Path, slots: int, first, tuner=tpe, stop="runs", **kind):
    folder.mkdir(exist_ok=True)
    asked = {"deterministic": True, "lag": 4, "retries": 9, "stop": STOPS[stop], **kind}
    driver = make(folder, Scripted(Dying(), slots, first), tuner, **asked)
    driver.run()
    return driver


def seen(driver):
    """Return all that a sweep came to, but for the order of the ends."""
    trials = [(trial.key, dict(trial.values), trial.same_as, trial.runs) for trial in driver.state.trials.values()]
    verdict = driver.monitor.reason
    counters = {key: count for key, count in driver.monitor.counters.counts.items() if key != "interrupted"}
    return history(driver), trials, (verdict.criterion, verdict.run, verdict.observed), counters


def any_of(seed):
    chance = random.Random(seed)
    return chance.choice


# Each kind with the two criteria that count runs, the others with the kind that has the most states, and random, which
# has no memory, where the order of proposals could still matter: between algorithms, and with results that are reused
CASES = [
    *((kind, stop, tpe) for kind in KINDS for stop in ("runs", "patience")),
    *(("few_repeats", stop, tpe) for stop in ("convergence", "failures", "target")),
    *((kind, "runs", randomly) for kind in ("families", "few_repeats")),
]


@pytest.mark.parametrize(("kind", "stop", "tuner"), CASES)
def test_slots_and_finishing_order_change_nothing(tmp_path, kind, stop, tuner):
    alone = seen(sweep(tmp_path / "alone", 1, min, tuner, stop, **KINDS[kind]))
    for slots, name, first in ((2, "max", max), (4, "min", min), (4, "max", max), (4, "any", any_of(4))):
        found = sweep(tmp_path / f"{slots}{name}", slots, first, tuner, stop, **KINDS[kind])
        assert seen(found) == alone


@pytest.mark.parametrize("stop", ["runs", pytest.param("patience", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_after_any_line_it_goes_on_as_if_nothing_had_happened(tmp_path, kind, stop, caplog):
    caplog.set_level(logging.ERROR)
    whole = seen(sweep(tmp_path / "whole", 4, any_of(0), tpe, stop, **KINDS[kind]))
    lines = (tmp_path / "whole" / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    for cut in range(2, len(lines), 7):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "ledger.jsonl").write_bytes(b"".join(lines[:cut]) + lines[cut][:-9])  # and a torn line
        assert seen(sweep(folder, 2, any_of(cut), tpe, stop, **KINDS[kind])) == whole
