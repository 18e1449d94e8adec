"""Every option composes, and its target accepts its keys."""

import pytest
from omegaconf import OmegaConf

from conformance.shipped import RUN_CODE
from runtree.app import App
from runtree.config.build import build, build_algorithm, imported_algorithm_node
from runtree.config.freeze import freeze
from runtree.config.hydra_engine import HydraEngine
from runtree.config.resources import compute_arguments, read_resources
from runtree.config.yaml_comments import option_summary
from runtree.contract.errors import RequestError
from runtree.contract.protocols import Tuner
from runtree.contract.types import TASKS
from runtree.lifecycle.stages import evaluator_arguments
from runtree.lifecycle.table_options import source_node, table_options
from runtree.monitoring.options import read_options
from runtree.serving.settings import read_settings
from runtree.sweeps.options import read_loop_options, tuner_arguments

APP = App()
NEEDED = {name: ["data.path=a", "data.target=y"] for name in ("csv", "parquet", "arrow", "json", "excel", "file")}
NEEDED["sql"] = ["data.url=sqlite:///a.db", "data.table=t", "data.target=y"]
NEEDED |= {"image_folder": ["data.path=x"], "image_arrays": ["data.path=x.npz"]}
NEEDED["command"] = ["algorithm.command=[python,train.py]"]
NEEDED["container"] = ["algorithm.image=trainer"]
NEEDED["import"] = ["algorithm.path=sklearn.linear_model:Ridge"]
OPTIONS = [
    (group, name)
    for group, options in APP.catalogue.groups.items()
    for name, option in options.items()
    if option.provider == "runtree"
]


def composed(group, name):
    overrides = [f"{group}={name}", *NEEDED.get(name, [])]
    config = HydraEngine(APP.folders, APP.algorithms, APP.allow_list()).compose(overrides)
    frozen = freeze(config)
    frozen.config["tuner"] = OmegaConf.to_container(config.tuner, resolve=True)
    return frozen, APP.allow_list(overrides)


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids=[f"{group}={name}" for group, name in OPTIONS])
def test_an_option_composes_and_its_target_accepts_its_keys(group, name):
    frozen, trust = composed(*(("compute", "auto") if group == "serve" else (group, name)))
    node = frozen.config.get(group, {})
    if name.startswith("torch_"):
        pytest.importorskip("torch")
    if group == "algorithm":
        for task in node.get("_target_", {"regression": ""}) if "_target_" in node else TASKS[1:]:
            built = build_algorithm(node, task, trust)
            assert hasattr(built, "fit")
    elif group == "data":
        assert table_options(node).target
        assert callable(build(source_node(node), group, trust).load)
    elif group == "evaluator":
        assert callable(build(evaluator_arguments(node), group, trust).evaluate)
    elif name in ("gpu", "mps"):
        with pytest.raises(RequestError, match=f"compute: device {node['device']} is not available"):
            build(compute_arguments(node), group, trust)
    elif group == "compute":
        assert read_resources(node).at_once >= 1
        assert build(compute_arguments(node), group, trust) is not None
    elif group == "preprocess":
        assert build(node, group, trust) is not None
    elif group == "tuner":
        assert read_loop_options(node).repeats == 1
        assert isinstance(build(tuner_arguments(node), group, trust), Tuner)
    elif group == "serve":
        assert read_settings(APP.catalogue, [f"serve={name}"]).name == name
    elif group == "schema":
        assert node == {"name": "none"}  # what a table must be is the user's own
    elif group == "monitor":
        assert read_options(node).name == name
    else:
        assert group in ("experiment", "debug")  # presets: they set keys of the whole config


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids=[f"{group}={name}" for group, name in OPTIONS])
def test_an_option_says_in_one_line_what_it_is(group, name):
    option = APP.catalogue.option(group, name)
    assert 20 < len(option_summary(option)) < 140, option_summary(option)
    if not option.is_preset:
        assert option.read()["name"] == name


def test_there_are_at_least_twenty_algorithms_of_scikit_learns():
    nodes = [
        APP.catalogue.node("algorithm", name)
        for group, name in OPTIONS
        if group == "algorithm" and name not in RUN_CODE and not name.startswith("torch_")
    ]
    assert len(nodes) >= 20
    assert all(target.startswith("sklearn.") for node in nodes for target in node["_target_"].values())
    assert sum(set(node["_target_"]) == set(TASKS) for node in nodes) >= 12


def test_import_becomes_a_target():
    assert imported_algorithm_node({"path": "a.b:C", "params": {"x": 1}}) == {"_target_": "a.b.C", "x": 1}
