"""A search space that is a function: what it may suggest and return, restored from a ledger, pruned, refused."""

import json
from functools import partial

import pytest
from optuna.pruners import MedianPruner
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

from runtree.contract.errors import ConfigError, RequestError, RunFailedError
from runtree.contract.search import Choice, Interval, Observation
from runtree.sweeps.function_space import (
    SUGGESTED,
    FunctionSpace,
    FunctionTuner,
    SpaceTrial,
    describe_function,
    observed_space,
)
from runtree.sweeps.plugin_tuner import PluginTuner
from runtree.sweeps.state import SweepState, Trial
from runtree.tuners.optuna_tuner import OptunaTuner
from runtree.tuners.sobol import Sobol


def layers(trial):
    """Return a conditional space: what is suggested depends on what was."""
    if trial.suggest_categorical("kind", ["net", "tree"]) == "tree":
        return {"algorithm": "tree", "algorithm.depth": trial.suggest_int("depth", 1, 9, step=2)}
    count = trial.suggest_int("layers", 1, 3)
    widths = [trial.suggest_int(f"width {place}", 4, 64, log=True) for place in range(count)]
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    return {"algorithm": "net", "algorithm.hidden": widths, "algorithm.rate": rate, "algorithm.decay": rate / 10}


def make_tuner(sampler, function=layers, pruner=None, check=lambda values: None):
    """Return a tuner that has begun."""
    inner = OptunaTuner(partial(sampler), pruner)
    tuner = FunctionTuner(inner, FunctionSpace(function, check, frozenset({"algorithm"})))
    tuner.begin((), ("minimize",), 7)
    return tuner


def objective(values):
    return float(values.get("algorithm.depth", 0) + sum(values.get("algorithm.hidden", ())))


@pytest.mark.parametrize("sampler", [RandomSampler, TPESampler, NSGAIISampler])
def test_a_restored_tuner_proposes_what_an_uninterrupted_one_would(sampler):
    whole, proposals = make_tuner(sampler), []
    for number in range(24):
        proposals.append(whole.ask(number))
        # through JSON, as the ledger keeps it; the two latest trials are still running
        whole_memo = json.loads(json.dumps(proposals[-1].memo))
        assert whole_memo[SUGGESTED]
        if number >= 2:
            done = proposals[number - 2]
            whole.tell(Observation(done.number, "completed", done.values, (objective(done.values),), memo=done.memo))
    restored = make_tuner(sampler)
    for proposal in proposals[:18]:
        memo = json.loads(json.dumps(proposal.memo))
        state, values = ("completed", (objective(proposal.values),)) if proposal.number < 16 else ("running", None)
        restored.tell(Observation(proposal.number, state, proposal.values, values, memo=memo))
    assert restored.ask(18).values == proposals[18].values
    assert {proposal.values["algorithm"] for proposal in proposals} == {"net", "tree"}


def test_a_tuner_learns_through_a_function():
    tuner = make_tuner(TPESampler, lambda trial: {"algorithm.C": 10 ** trial.suggest_float("exponent", -3, 3)})
    values = []
    for number in range(40):
        proposal = tuner.ask(number)
        values.append(abs(proposal.values["algorithm.C"] - 10))
        tuner.tell(Observation(number, "completed", proposal.values, (values[-1],), memo=proposal.memo))
    assert sorted(values[20:])[10] < sorted(values[:20])[10]


def test_its_trials_are_pruned():
    tuner = make_tuner(RandomSampler, pruner=MedianPruner(n_startup_trials=2))
    assert tuner.prunes
    for number in range(3):
        proposal = tuner.ask(number)
        tuner.report(number, 0, float(number))
        tuner.tell(Observation(number, "completed", proposal.values, (1.0,), memo=proposal.memo))
    tuner.ask(3)
    assert tuner.report(3, 0, 9.0)


def trial_of(proposal):
    return Trial(("", proposal.number), proposal.values, json.loads(json.dumps(proposal.memo)))


@pytest.mark.parametrize(
    ("function", "difference"),
    [
        (lambda trial: {"algorithm.C": trial.suggest_float("C", 0, 2)}, r"C: interval\(0\.0, 1\.0\) → interval"),
        (lambda trial: {"algorithm.C": trial.suggest_float("c", 0, 1)}, r"c: none → interval"),
        (lambda trial: {"algorithm.C": 2 * trial.suggest_float("C", 0, 1)}, r"algorithm\.C: 0\.\d+ → \d\.\d+"),
        (lambda trial: {"algorithm.D": trial.suggest_float("C", 0, 1)}, r"algorithm\.C: 0\.\d+ → None"),
    ],
)
def test_a_changed_function_is_refused_with_the_difference(function, difference):
    def began(trial):
        return {"algorithm.C": trial.suggest_float("C", 0, 1)}

    proposal = make_tuner(RandomSampler, began).ask(0)
    make_tuner(RandomSampler, lambda trial: began(trial)).check_same(trial_of(proposal))  # by what it does
    with pytest.raises(RequestError, match=difference):
        make_tuner(RandomSampler, function).check_same(trial_of(proposal))


def test_a_trial_whose_memo_is_lost_is_passed_on_without_parameters():
    tuner = make_tuner(TPESampler)
    tuner.check_same(Trial(("", 0), {"algorithm.depth": 3}, {}))
    tuner.tell(Observation(0, "completed", {"algorithm.depth": 3}, (1.0,)))
    assert tuner.ask(1).values


def suggestions(function):
    return FunctionSpace(function, lambda values: None).values(SpaceTrial(lambda dimension: dimension.domain.values[0]))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda trial: 3, "returned 3, no mapping of config paths"),
        (lambda trial: {1: 2}, "no mapping of config paths"),
        (lambda trial: 1 / 0, "failed in trial 0: ZeroDivisionError"),
        (lambda trial: {"seed": 1}, r"tuner\.repeats=3"),
        (lambda trial: {"compute.slots": 1}, r"compute\.slots: a whole sweep has one"),
        (lambda trial: {"data.test_size": 0.1}, "those of another data.test_size do not compare"),
        (lambda trial: {"a": trial.suggest_float("a", 0, 1, log=True)}, "a log scale needs a low end above 0"),
        (lambda trial: {"a": trial.suggest_float("a", 2, 1)}, r"2\.0 to 1\.0 is no range"),
        (lambda trial: {"a": trial.suggest_int("a", 1, 9, step=2, log=True)}, "step=2 is not possible"),
        (lambda trial: {"a": trial.suggest_int("a", 0.5, 1)}, "no whole numbers"),
        (lambda trial: {"a": trial.suggest_categorical("a", [])}, "nothing to choose from"),
        (lambda trial: [trial.suggest_int("a", 0, high) for high in (1, 2)], "two ranges in one trial"),
    ],
)
def test_a_mistake_in_a_function_is_told(function, message):
    with pytest.raises((ConfigError, RunFailedError), match=message):
        suggestions(function)


def test_choices_of_another_number_under_one_name_are_refused_by_name():
    tuner = make_tuner(
        RandomSampler, lambda trial: {"a": trial.suggest_categorical("a", [1, 2, 3][: 2 + trial.number])}
    )
    tuner.ask(0)
    with pytest.raises(ConfigError, match=r"space: a: .*dynamic"):
        tuner.ask(1)


def test_a_value_that_is_asked_for_twice_is_the_same_and_any_value_of_yaml_may_be_chosen():
    choices = [[16, 8], {"a": 1}, None, "1", 1, True]

    def twice(trial):
        value = trial.suggest_categorical("a", choices)
        assert trial.suggest_categorical("a", choices) == value
        assert trial.params == {"a": value}
        return {"algorithm.a": value}

    tuner = make_tuner(RandomSampler, twice)
    seen = [tuner.ask(number) for number in range(40)]
    assert {json.dumps(proposal.values["algorithm.a"]) for proposal in seen} == set(map(json.dumps, choices))
    for proposal in seen:
        tuner.check_same(trial_of(proposal))


def test_a_step_that_does_not_reach_the_end_is_written_and_read_as_the_same_range():
    tuner = make_tuner(RandomSampler, lambda trial: {"a.b": trial.suggest_float("a", 0, 1, step=0.3)})
    proposals = [tuner.ask(number) for number in range(20)]
    assert {proposal.values["a.b"] for proposal in proposals} == {0.0, 0.3, 0.6, 0.9}
    for proposal in proposals:
        tuner.check_same(trial_of(proposal))


def test_probes_have_both_ends_and_every_branch():
    probes = dict(FunctionSpace(layers, lambda values: None).probe())
    assert {values["algorithm"] for values in probes.values()} == {"net", "tree"}
    assert any(values.get("algorithm.hidden") == [4] for values in probes.values())
    assert any(values.get("algorithm.depth") == 9 for values in probes.values())


def test_a_sobol_sequence_is_refused_since_it_has_to_know_all_parameters():
    with pytest.raises(ConfigError, match="a Sobol sequence has to know all parameters"):
        make_tuner(Sobol)


def test_a_tuner_of_a_plugin_that_suggests_is_guarded():
    class Lost(OptunaTuner):
        def suggest(self, number, choose):
            return None

    tuner = PluginTuner(Lost(partial(RandomSampler)), "lost")
    tuner.begin((), ("minimize",), 0)
    with pytest.raises(RunFailedError, match="tuner=lost returned None from `suggest`, not proposal 3"):
        tuner.suggest(3, lambda suggest: {})


def test_the_source_of_a_function_is_kept_and_what_it_made_is_plotted():
    described = describe_function(layers)
    assert described["function"].endswith("test_function_space.layers")
    assert "trial.suggest_categorical" in described["source"]
    assert describe_function(print)["source"] == ""
    state = SweepState()
    for number, values in enumerate([{"a": 1, "b": "x"}, {"a": 900, "b": "y", "c": 0.5}]):
        state.trials["", number] = Trial(("", number), values, {})
    domains = {dimension.path: dimension.domain for dimension in observed_space(state, "")}
    assert domains["a"] == Interval(1, 900, True, "log")
    assert domains["b"] == Choice(("x", "y"))
