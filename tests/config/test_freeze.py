import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from runtree.config.freeze import fingerprint, freeze
from runtree.contract.errors import ConfigError

BASE = {"seed": 0, "outputs": "outputs", "experiment": {"name": "a"}, "objective": {"metric": "auto"}}
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abc", max_size=5)
nodes = st.dictionaries(
    st.text("xyz", min_size=1, max_size=3),
    st.recursive(
        scalars | st.lists(scalars, max_size=3), lambda inner: st.dictionaries(st.text("pq", min_size=1), inner)
    ),
    max_size=5,
)


@given(nodes)
def test_freezing_twice_changes_nothing(node):
    once = freeze({**BASE, "algorithm": node})
    assert freeze(once.config) == once


@given(nodes)
def test_the_fingerprint_is_blind_to_the_order_of_keys(node):
    def turned(value):
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    assert fingerprint({**BASE, "algorithm": node}) == fingerprint(turned({**BASE, "algorithm": node}))


def test_the_fingerprint_is_blind_to_compute_outputs_and_space_but_not_to_science():
    config = {
        **BASE,
        "compute": {"threads": 2},
        "algorithm": {"n_jobs": "${compute.threads}", "c": 1, "space": {"c": "x"}},
    }

    def of(**changes):
        return freeze(OmegaConf.merge(OmegaConf.create(config), changes)).fingerprint

    same = of()
    assert of(compute={"threads": 8}) == same
    assert of(algorithm={"n_jobs": 2}) == same  # typed as it is
    assert of(algorithm={"n_jobs": 3}) != same
    assert of(outputs="elsewhere", experiment={"name": "b"}) == same
    assert of(algorithm={"space": {"c": "y"}}) == same
    assert of(algorithm={"c": 2}) != same
    assert of(seed=1) != same


def test_a_missing_value_names_its_path():
    with pytest.raises(ConfigError, match=r"data\.path: a value is required"):
        freeze(OmegaConf.create({**BASE, "data": {"path": "???"}}))


def test_a_broken_interpolation_names_its_path():
    with pytest.raises(ConfigError, match=r"algorithm\.a"):
        freeze(OmegaConf.create({**BASE, "algorithm": {"a": "${nowhere.x}"}}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": "seven"}, "seed: 'seven'"),
        ({"seed": True}, "seed: True"),
        ({"seed": -1}, "seed: -1"),
        ({"experiment": {"name": "../up"}}, "experiment.name: '../up'"),
        ({"experiment": {"name": ".hidden"}}, "experiment.name"),
        ({"objective": {"metrik": "f1"}}, "objective.metrik"),
        ({"objective": {"direction": "up"}}, "objective.direction: 'up'"),
        ({"outputs": None}, "outputs: None"),
    ],
)
def test_the_keys_of_every_run_are_checked(change, says):
    with pytest.raises(ConfigError) as caught:
        freeze({**BASE, **change})
    assert says in str(caught.value)


def test_secrets_are_written_nowhere(monkeypatch):
    monkeypatch.setenv("CANARY", "tweet-tweet")
    frozen = freeze(OmegaConf.create({**BASE, "data": {"path": "${secret:CANARY}", "password": "hunter2"}}))
    written = json.dumps([frozen.written, frozen.flat])
    assert "tweet" not in written
    assert "hunter2" not in written
    assert frozen.config["data"]["path"] == "${secret:CANARY}"


@pytest.mark.parametrize("text", ["${hydra:runtime.output_dir}", "${hydra:job.num}", "${now:%H-%M-%S-%f}"])
def test_the_fingerprint_is_blind_to_the_place_and_the_time_of_a_run(text):
    from runtree.app import App
    from runtree.config.hydra_engine import HydraEngine
    from runtree.plugins import make_plugins

    app = App(make_plugins(found=[]))
    compose = HydraEngine(app.folders, (), app.allow_list()).compose
    frozen = freeze(compose([f"+algorithm.dir={text}", "+algorithm.log=${algorithm.dir}/log"]))
    other = freeze(compose(["+algorithm.dir=elsewhere", "+algorithm.log=x"]))
    assert frozen.flat["algorithm.log"] == f"{frozen.flat['algorithm.dir']}/log"
    assert (
        frozen.fingerprint
        == freeze(compose([f"+algorithm.dir={text}", "+algorithm.log=${algorithm.dir}/other"])).fingerprint
    )
    assert frozen.fingerprint != other.fingerprint  # a plain value counts
