"""A tuner with a sampler of Optuna's: what it learns, what it remembers, what it refuses."""

import json
import math
import random
import statistics
from functools import partial

import optuna
import pytest

from runtree.contract.errors import ConfigError, MissingError
from runtree.contract.search import Choice, Dimension, Interval, Observation
from runtree.testing.proposals import FINITE, INFINITE, observe
from runtree.tuners.optuna_tuner import OptunaTuner
from tuners.shipped import shipped_tuner

TPE = partial(optuna.samplers.TPESampler, multivariate=True)
NUMBERS = [Dimension(name, Interval(0.0, 1.0)) for name in "abc"]
HILL = [
    *NUMBERS,
    Dimension("rate", Interval(1e-4, 1.0, scale="log")),
    Dimension("kind", Choice(("good", "fair", "bad"))),
]
OPTIONS = ["random", "qmc", "tpe", "nsga", "cmaes", "hyperband", "asha"]


def begun(tuner, space=HILL, directions=("minimize",), seed=0):
    tuner.begin(space, directions, seed)
    return tuner


def height(values):
    bowl = sum((values[name] - goal) ** 2 for name, goal in (("a", 0.2), ("b", 0.7), ("c", 0.5)))
    kind = {"good": 0.0, "fair": 0.2, "bad": 0.5}.get(values.get("kind"), 0.0)
    return bowl + kind + (math.log10(values["rate"]) + 2) ** 2 / 10 if "rate" in values else bowl + kind


def best(tuner, asks, function=height):
    """Return the lowest of so many."""
    lowest = math.inf
    for number in range(asks):
        proposal = tuner.ask(number)
        value = function(proposal.values)
        tuner.tell(Observation(number, "completed", proposal.values, (value,), memo=proposal.memo))
        lowest = min(lowest, value)
    return lowest


def lowest(name, asks, seeds, space=HILL, **settings):
    """Return the median over seeds of the lowest of so many."""
    tuner = shipped_tuner(name)
    tuner.sampler = partial(tuner.sampler, **settings)
    return statistics.median(best(begun(tuner, space, seed=seed), asks) for seed in range(seeds))


def test_tpe_finds_more_than_random_draws():
    assert lowest("tpe", 45, seeds=20) < lowest("random", 45, seeds=20) / 2


def test_cmaes_descends():
    assert lowest("cmaes", 80, seeds=5, space=NUMBERS) < lowest("random", 80, seeds=5, space=NUMBERS) / 2


def test_a_gaussian_process_needs_few_runs():
    found = lowest("gp", 11, seeds=1, space=NUMBERS, n_startup_trials=5)
    assert found < lowest("random", 11, seeds=9, space=NUMBERS) / 2


def test_maximizing_is_the_mirror_of_minimizing():
    down, up = begun(shipped_tuner("tpe")), begun(shipped_tuner("tpe"), directions=("maximize",))
    for number in range(25):
        one, other = down.ask(number), up.ask(number)
        assert one.values == other.values
        down.tell(Observation(number, "completed", one.values, (height(one.values),)))
        up.tell(Observation(number, "completed", one.values, (-height(one.values),)))


def test_nsga_finds_a_pareto_set():
    """Schaffer's first problem: the trade-off lies at 0 ≤ x ≤ 2."""
    sampler = partial(optuna.samplers.NSGAIISampler, population_size=20)
    space = [Dimension("x", Interval(-20.0, 20.0)), Dimension("y", Interval(0.0, 1.0))]
    tuner = begun(OptunaTuner(sampler), space, ("minimize", "minimize"))
    for number in range(400):
        values = tuner.ask(number).values
        x, y = values["x"], values["y"]
        tuner.tell(Observation(number, "completed", values, (x**2 + y, (x - 2) ** 2 + y)))
    front = [trial.params["x"] for trial in tuner.study_.best_trials]
    assert len(front) > 8
    assert all(-0.5 < x < 2.5 for x in front)
    assert min(front) < 0.7 < 1.3 < max(front)


@pytest.mark.parametrize("name", ["tpe", "nsga"])
def test_constraints_draw_proposals_to_what_keeps_them(name):
    sampler = {"population_size": 10} if name == "nsga" else {}
    tuner = shipped_tuner(name)
    tuner.sampler = partial(tuner.sampler, **sampler)
    kept = []
    begun(tuner, NUMBERS)
    for number in range(80):
        values = tuner.ask(number).values
        excess = values["a"] - 0.25  # the objective pulls the other way
        kept.append(excess <= 0)
        tuner.tell(Observation(number, "completed", values, (-values["a"],), constraints=(excess, -1.0)))
    assert sum(kept[40:]) > 18, "ten would be chance"


def test_pruned_runs_teach_by_their_last_reports():
    tuner = begun(shipped_tuner("tpe"), NUMBERS[:1])
    for number in range(40):
        value = tuner.ask(number).values["a"]
        tuner.tell(Observation(number, "pruned", {"a": value}, None, reports=((0, 5.0), (1, abs(value - 0.8)))))
    found = [tuner.ask(number).values["a"] for number in range(40, 50)]
    assert statistics.median(abs(value - 0.8) for value in found) < 0.1


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("memory", [400, 12])
def test_a_restored_one_goes_on_whatever_the_order_of_ends(name, memory):
    """Ends come as five slots at work would bring them; now and then a second tuner is restored and compared."""
    memory = 0 if name in ("random", "qmc") else memory
    chance, space = random.Random(0), FINITE + INFINITE
    tuner = begun(shipped_tuner(name, memory=memory), space)
    running, told = {}, {}
    for number in range(70):
        restored = restore(shipped_tuner(name, memory=memory), space, told) if number % 11 == 10 else None
        proposal = tuner.ask(number)
        if restored is not None:
            assert as_text(restored.ask(number)) == as_text(proposal)
        running[number], told[number] = proposal, observe(proposal, "running")
        while len(running) > 4:
            ended = chance.choice(list(running))
            told[ended] = observe(running.pop(ended))
            tuner.tell(told[ended])


def restore(tuner, space, told):
    begun(tuner, space)
    for number in sorted(told):
        each = told[number]
        values, memo = json.loads(json.dumps([each.values, each.memo]))
        tuner.tell(Observation(number, each.state, values, each.objectives, each.constraints, each.reports, memo))
    return tuner


def as_text(proposal):
    return json.dumps([proposal.values, proposal.memo])


def test_a_bounded_memory_has_the_best_runs_of_all():
    """TPE's good runs are the best 25 at most; a memory of 100 keeps as many."""
    whole, bounded = begun(OptunaTuner(TPE, memory=None)), begun(OptunaTuner(TPE, memory=100))
    for number in range(300):
        proposal = whole.ask(number) if number < 12 else None
        values = (
            proposal.values
            if proposal
            else dict(zip([d.path for d in HILL], [*draw(number, 3), 0.01, "good"], strict=True))
        )
        for tuner in (whole, bounded):
            tuner.tell(Observation(number, "completed", values, (height(values),)))
    expected = sorted(height_of(trial) for trial in whole.study_.trials)[:25]
    assert sorted(height_of(trial) for trial in bounded.study_.trials)[:25] == expected
    assert len(bounded.study_.trials) <= 100 < len(whole.study_.trials)


def draw(number, count):
    chance = random.Random(number)
    return [chance.random() for _ in range(count)]


def height_of(trial):
    return trial.values[0]


def test_parents_outside_of_a_bounded_memory_are_parents_still():
    found = []
    for memory in (None, 80):
        tuner = begun(OptunaTuner(partial(optuna.samplers.NSGAIISampler, population_size=10), memory=memory))
        found.append([])
        for number in range(250):
            found[-1].append(tuner.ask(number).values)
            state = "failed" if number % 5 == 2 else "completed"
            tuner.tell(Observation(number, state, found[-1][-1], (height(found[-1][-1]),)))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_a_restored_pruner_answers_alike(name):
    former, told = begun(shipped_tuner(name)), {}
    for number in range(30):
        told[number] = trained(former, number, 30)
        former.tell(told[number])
    later = restore(shipped_tuner(name), HILL, told)
    assert any(observation.state == "pruned" for observation in told.values())
    assert any(observation.state == "completed" for observation in told.values())
    for number in range(30, 40):
        observations = [trained(tuner, number, 30) for tuner in (former, later)]
        assert observations[0] == observations[1]
        former.tell(observations[0])
        later.tell(observations[0])


def trained(tuner, number, steps):
    """Return what came of a run whose error falls with its steps, to its height."""
    proposal, reports = tuner.ask(number), []
    for step in range(steps):
        reports.append((step, height(proposal.values) + 1 / (step + 1)))
        if tuner.report(number, *reports[-1]):
            return Observation(number, "pruned", proposal.values, (reports[-1][1],), (), tuple(reports), proposal.memo)
    return Observation(number, "completed", proposal.values, (reports[-1][1],), (), tuple(reports), proposal.memo)


def test_a_restored_run_that_is_running_can_be_pruned():
    pruner = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2}
    tuner = begun(shipped_tuner("random", pruner=pruner), NUMBERS)
    for number in range(4):
        tuner.tell(Observation(number, "completed", tuner.ask(number).values, (1.0,), reports=((0, 1.0), (1, 1.0))))
    tuner.tell(Observation(4, "running", {"a": 0.1, "b": 0.1, "c": 0.1}, reports=((0, 9.0),)))
    assert tuner.report(4, 1, 9.0) is True
    tuner.tell(Observation(4, "pruned", {"a": 0.1, "b": 0.1, "c": 0.1}, (9.0,), reports=((0, 9.0), (1, 9.0))))
    assert tuner.report(4, 2, 9.0) is False


def test_what_is_running_is_kept_away_from():
    space = [Dimension("a", Interval(0.0, 1.0))]
    alone, crowded = begun(shipped_tuner("tpe"), space), begun(shipped_tuner("tpe"), space)
    for number in range(30):
        value = alone.ask(number).values["a"]
        for tuner in (alone, crowded):
            tuner.tell(Observation(number, "completed", {"a": value}, (abs(value - 0.5),)))
    for number in range(30, 40):
        crowded.tell(Observation(number, "running", {"a": 0.5 + (number - 35) / 500}))
        alone.tell(Observation(number, "failed", {"a": 0.5}))
    assert abs(crowded.ask(40).values["a"] - 0.5) > abs(alone.ask(40).values["a"] - 0.5)


def test_nan_teaches_nothing_and_a_second_end_is_passed_over():
    tuner = begun(shipped_tuner("tpe"))
    values = tuner.ask(0).values
    tuner.tell(Observation(0, "completed", values, (math.nan,)))
    assert tuner.study_.trials == []
    values = tuner.ask(1).values
    tuner.tell(Observation(1, "completed", values, (1.0,), constraints=(math.nan,)))
    tuner.tell(Observation(1, "completed", values, (2.0,)))
    assert [(trial.values, trial.constraints) for trial in tuner.study_.trials] == [([1.0], {"0": math.inf})]
    tuner.tell(Observation(2, "completed", {"a": 77.0}, (0.0,)))  # of another space
    assert len(tuner.study_.trials) == 1
    assert tuner.ask(3).number == 3


@pytest.mark.parametrize(
    ("name", "more", "directions", "space", "said"),
    [
        ("cmaes", {}, 2, NUMBERS, "tuner: CmaEsSampler has one objective, not 2"),
        ("cmaes", {}, 1, FINITE[:1], "tuner: CmaEsSampler searches numbers"),
        ("asha", {}, 2, NUMBERS, "tuner.pruner: runs of several objectives cannot be pruned"),
        ("random", {"pruner": {"_target_": "optuna.pruners.MedianPruner"}}, 2, NUMBERS, "tuner.pruner: "),
        ("random", {"memory": -1}, 1, NUMBERS, "tuner.memory must be 0 or more, got -1"),
        ("tpe", {"sampler": {"_target_": "optuna.samplers.TPESampler"}}, 1, NUMBERS, "tuner.sampler: it must be a factory"),
        ("nsga", {"sampler": {"_target_": "optuna.samplers.NSGAIISampler", "_partial_": True, "population_size": 1}}, 1, NUMBERS, "tuner.sampler: "),
        ("tpe", {"sampler": {"_target_": "optuna.samplers.TPESampler", "_partial_": True, "n_trials": 1}}, 1, NUMBERS, "tuner.sampler: "),
        ("tpe", {"sampler": {"_target_": "optuna.pruners.NopPruner", "_partial_": True}}, 1, NUMBERS, "tuner.sampler: "),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_way_out(name, more, directions, space, said):
    with pytest.raises(ConfigError) as raised:
        begun(shipped_tuner(name, **more), space, ("minimize",) * directions)
    assert raised.value.message.startswith(said), raised.value
    assert len(str(raised.value).splitlines()) <= 5


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("runtree.tuners.optuna_tuner.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="GPSampler needs the package 'torch'"):
        begun(OptunaTuner(optuna.samplers.GPSampler))


def test_optuna_says_nothing(capfd):
    tuner = begun(shipped_tuner("tpe", pruner={"_target_": "optuna.pruners.MedianPruner"}), FINITE + INFINITE)
    best(tuner, 15, lambda values: len(values))
    best(begun(shipped_tuner("hyperband")), 12)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_the_seed_of_a_proposal_is_its_own():
    tuner = shipped_tuner("random")
    first = [begun(tuner, seed=seed).ask(0).values["a"] for seed in range(200)]
    assert 0.4 < statistics.mean(first) < 0.6
    assert len(set(first)) == 200
