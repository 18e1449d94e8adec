"""The quick composition equals Hydra's own."""

import json
from functools import cache

import pytest
from hydra.errors import ConfigCompositionException
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from exhaustive import EXHAUSTIVE
from runtree.app import App
from runtree.config.catalogue import flatten
from runtree.config.compose import ComposedBase, Composer
from runtree.config.freeze import freeze
from runtree.config.hydra_engine import HydraEngine
from runtree.contract.errors import ConfigError, RuntreeError
from runtree.plugins import make_plugins

APP = App(make_plugins(found=[]))
ENGINE = HydraEngine(APP.folders, APP.algorithms, APP.allow_list(["algorithm.path=my.Model"]))
GROUPS = {
    group: sorted(name for name in APP.catalogue.groups[group])
    for group in ("data", "preprocess", "algorithm", "evaluator", "compute")
}
GIVEN = ("algorithm.path=my.Model", "data.path=a.csv", "data.target=y")  # what some options need
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 9)
    | st.floats(0.0, 1.0)
    | st.sampled_from(["auto", "linear", "1", "true", "a b", "x,y", "it's", ""])
)
values = scalars | st.lists(scalars, max_size=3)


@pytest.fixture(scope="module")
def composer():
    return Composer(ENGINE.compose)


def text(value):
    """Write a value as an override holds it; JSON is a part of Hydra's grammar, save for quotes in strings."""
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[" + ",".join(text(item) for item in value) + "]"
    return json.dumps(value)


@settings(
    deadline=None,
    max_examples=100 if EXHAUSTIVE else 12,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_setting_values_on_a_copy_equals_composing_anew(composer, data):
    choices = {
        group: data.draw(st.sampled_from(GROUPS[group]), group)
        for group in data.draw(st.sets(st.sampled_from(sorted(GROUPS)), max_size=3))
    }
    try:
        base = composer.base(choices)
    except RuntreeError:  # a value that must be given is not: Hydra's own composition says the same
        return
    paths = [
        path
        for path in flatten(base.frozen.config)
        if not path.startswith(("experiment.", "outputs", "objective.")) and "_target_" not in path
    ]
    paths += ["compute.threads", "seed", "algorithm.space"]
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True, max_size=4))
    wanted = {
        path: data.draw(st.integers(0, 9) if path == "seed" else values, path) for path in chosen if base.has(path)
    }
    overrides = [
        *(f"{group}={name}" for group, name in choices.items()),
        *(f"{path}={text(value)}" for path, value in wanted.items()),
    ]
    try:
        slow = freeze(ENGINE.compose(overrides))
    except ConfigCompositionException:  # a list where a mapping stands
        with pytest.raises(RuntreeError, match="is not possible here"):
            base.with_values(wanted)
        return
    quick = base.with_values(wanted)
    assert quick.config == slow.config
    assert repr(quick.config) == repr(slow.config)  # 1 is not 1.0, True is not 1; and the keys keep their order
    assert quick.fingerprint == slow.fingerprint


@settings(deadline=None, max_examples=100 if EXHAUSTIVE else 15, phases=[Phase.generate])
@given(
    st.dictionaries(
        st.sampled_from(
            ["algorithm.params.C", "algorithm.params.b.c", "algorithm.params.b.d", "algorithm.name", "seed"]
        ),
        scalars | st.lists(scalars, max_size=3),
    )
)
def test_adding_keys_on_a_copy_equals_composing_anew(wanted):
    base, wanted = imported(), {**wanted, "seed": 7} if "seed" in wanted else wanted
    added = [f"{'++' if '.params.' in path else ''}{path}={text(value)}" for path, value in wanted.items()]
    slow = freeze(ENGINE.compose([*IMPORTED, *added]))
    quick = base.with_values(wanted)
    assert repr(quick.config) == repr(slow.config)
    assert quick.fingerprint == slow.fingerprint


@cache
def imported():
    base = Composer(ENGINE.compose, lambda choices: IMPORTED).base({})
    base._set_on_node = lambda values: pytest.fail(f"{values} took the slow path")
    return base


IMPORTED = ("algorithm=import", "algorithm.path=my.Model")


def base_of(**config):
    root = {"seed": 0, "outputs": "o", "experiment": {"name": "a"}, "objective": {"metric": "auto"}}
    return ComposedBase(OmegaConf.create({**root, **config}))


def test_keys_that_follow_others_follow():
    base = base_of(a="${seed}", b={"c": "${a}"}, compute={"threads": 2}, algorithm={"n_jobs": "${compute.threads}"})
    assert base.with_values({"seed": 5}).config["b"] == {"c": 5}
    assert base.with_values({"seed": 5, "a": 1}).config == {
        **base.with_values({"seed": 5}).config,
        "a": 1,
        "b": {"c": 1},
    }
    assert base.with_values({"compute.threads": 8}).fingerprint == base.frozen.fingerprint
    assert base.with_values({"algorithm.n_jobs": 8}).fingerprint != base.frozen.fingerprint


def test_what_is_computed_from_a_key_is_computed_anew():
    base = base_of(a=1, b="x${a}", c="${.a}", d={"e": 1, "f": "${d}"[:0] + "${d.e}"}, g="${oc.select:a,3}")
    found = base.with_values({"a": 2, "d.e": 7}).config
    assert (found["b"], found["c"], found["d"], found["g"]) == ("x2", 2, {"e": 7, "f": 7}, 2)


@pytest.mark.parametrize(
    "path", ["algorithm.params.a.b", "algorithm.params[0]", "algorithm.params.1", "algorithm.params"]
)
def test_what_is_no_plain_addition_is_left_to_omegaconf(path):
    base = base_of(algorithm={"params": {"a": 1}})
    node = OmegaConf.merge(base.node, {})
    try:
        OmegaConf.update(node, path, 5, force_add=True)
    except Exception:
        with pytest.raises(ConfigError, match="is not possible here"):
            base.with_values({path: 5})
    else:
        assert base.with_values({path: 5}).config == OmegaConf.to_container(node, resolve=True)


def test_keys_inside_each_other_are_set_in_their_order():
    base = base_of(algorithm={"params": {}})
    found = base.with_values({"algorithm.params.a": 1, "algorithm.params.b": 2})
    assert found.config["algorithm"] == {"params": {"a": 1, "b": 2}}
    assert base.frozen.config["algorithm"] == {"params": {}}


def test_the_base_stays_as_it_was():
    base = base_of(a=[1, 2], b={"c": 1})
    before = json.dumps(base.frozen.config)
    base.with_values({"a": [3], "b.c": 2}).config["b"]["c"] = 9
    assert json.dumps(base.frozen.config) == before


def test_a_list_where_a_mapping_stands_is_refused_as_hydra_refuses_it(composer):
    with pytest.raises(ConfigCompositionException):
        ENGINE.compose(["preprocess=standard", "algorithm.space=[1]"])
    with pytest.raises(ConfigError, match=r"^algorithm.space: \[1\] is not possible here"):
        composer.base({"preprocess": "standard"}).with_values({"algorithm.space": [1]})
