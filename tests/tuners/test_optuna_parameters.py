"""Values of the config reach Optuna and come back exactly."""

import json

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Dimension, Interval
from runtree.tuners.grid import nth, values
from runtree.tuners.parameters import OptunaParameter, make_parameters, raw_values

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
YAML = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
FRACTIONS = st.floats(0.0, 1.0)


def exact(value):
    return json.dumps(value, sort_keys=True)


@st.composite
def intervals(draw):
    scale = draw(st.sampled_from(["linear", "log", "reverse_log"]))
    if scale == "reverse_log":
        low = draw(st.floats(0.0, 0.98))
        return Interval(low, draw(st.floats(low + 1e-3, 0.9999)), scale=scale)
    if draw(st.booleans()):
        low = draw(st.integers(1 if scale == "log" else -50, 100))
        high = low + draw(st.integers(0, 200))
        return Interval(low, high, integer=True, scale=scale, step=draw(st.sampled_from([None, 1, 3, 7])))
    low = draw(st.floats(1e-6, 1.0)) if scale == "log" else draw(st.floats(-10, 10))
    return Interval(low, low + draw(st.floats(1e-3, 10.0)), scale=scale, step=draw(st.sampled_from([None, 0.1, 0.25])))


def suggested(domain, seed):
    parameter = make_parameters([Dimension("a.b", domain)])[0]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return parameter, parameter.suggest(study.ask())


@pytest.fixture(autouse=True, scope="module")
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@given(intervals(), st.integers(0, 2**31))
def test_what_is_suggested_lies_within_and_comes_back(domain, seed):
    parameter, value = suggested(domain, seed)
    assert domain.low <= value <= domain.high
    assert type(value) is (int if domain.integer else float)
    if domain.size is not None:
        assert any(value == pytest.approx(known, abs=1e-12) for known in domain.values)
    raw = parameter.raw(value)
    assert parameter.distribution._contains(raw)
    assert parameter.value(raw) == pytest.approx(value, rel=1e-12)
    assert parameter.raw(parameter.value(raw)) == pytest.approx(raw, rel=1e-9)


@given(st.floats(0.0, 0.98), st.floats(1e-6, 1.0), FRACTIONS)
def test_a_reverse_log_scale_keeps_its_ends(low, share, between):
    high = low + share * (0.999999 - low)
    parameter = OptunaParameter("a", Dimension("a", Interval(low, high, scale="reverse_log")))
    own = parameter.distribution
    assert parameter.value(own.low) <= high
    assert parameter.value(own.high) >= low
    assert parameter.value(own.low) == pytest.approx(high)
    assert parameter.value(own.high) == pytest.approx(low, abs=1e-12)
    assert low <= parameter.value(own.low + between * (own.high - own.low)) <= high


def test_a_reverse_log_scale_gives_each_nine_its_share():
    found = [suggested(Interval(0.9, 0.9999, scale="reverse_log"), seed)[1] for seed in range(300)]
    shares = [
        sum(low <= value < high for value in found) / 300 for low, high in ((0.9, 0.99), (0.99, 0.999), (0.999, 1))
    ]
    assert all(0.23 < share < 0.43 for share in shares), shares


@given(st.lists(YAML, min_size=1, max_size=6), st.integers(0, 1000))
def test_choices_keep_their_types(options, seed):
    parameter, value = suggested(Choice(tuple(options)), seed)
    assert exact(value) in {exact(option) for option in options}
    assert exact(parameter.value(parameter.raw(json.loads(json.dumps(value))))) == exact(value)


def test_what_looks_alike_is_told_apart():
    parameter = OptunaParameter("a", Dimension("a", Choice((1, 1.0, True, "1", None, "null", [1], [1.0]))))
    assert [parameter.raw(value) for value in (1, 1.0, True, "1", None, "null", [1], [1.0])] == list(range(8))
    assert parameter.raw("True") is None


def test_steps_are_not_added_up():
    assert list(values(Interval(0.1, 0.5, step=0.1))) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert list(values(Interval(3, 10, integer=True, step=3))) == [3, 6, 9]
    assert nth(Interval(0, 10**12, integer=True), 10**12 - 1) == 10**12 - 1


def test_a_step_on_a_log_scale_keeps_both():
    found = [suggested(Interval(1, 1001, integer=True, scale="log", step=10), seed)[1] for seed in range(200)]
    assert set(found) <= set(range(1, 1002, 10))
    assert sum(value <= 31 for value in found) > 60  # half of the ratio; linear steps would put six there


@pytest.mark.parametrize("value", [0.5, 11, True, "3", None, [3]])
def test_what_lies_outside_has_no_raw_value(value):
    dimension = Dimension("a", Interval(1, 10, integer=True))
    assert OptunaParameter("a", dimension).raw(value) is None
    assert raw_values(make_parameters([dimension]), {"a": value}) is None


def test_two_branches_with_one_path_are_two_parameters():
    space = [
        Dimension("model", Choice(("a", "b"))),
        Dimension("alpha", Interval(0.0, 1.0), lambda chosen: chosen["model"] == "a"),
        Dimension("alpha", Interval(5, 9, integer=True), lambda chosen: chosen["model"] == "b"),
    ]
    found = make_parameters(space)
    assert len({parameter.name for parameter in found}) == 3
    assert raw_values(found, {"model": "b", "alpha": 6}) == {"model": 1, "alpha (2)": 1}
    assert raw_values(found, {"model": "a", "alpha": 0.5}) == {"model": 0, "alpha (1)": 0.5}


@pytest.mark.parametrize(
    "domain", [Interval(0.0, 1.0, scale="log"), Interval(0.5, 1.0, scale="reverse_log"), Interval(2.0, 1.0), Choice(())]
)
def test_what_cannot_be_searched_is_told_by_its_path(domain):
    with pytest.raises(ConfigError) as raised:
        make_parameters([Dimension("algorithm.alpha", domain)])
    assert raised.value.message.startswith("algorithm.alpha: ")
    assert raised.value.hints
