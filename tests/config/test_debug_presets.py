"""The presets for debugging: beside any algorithm and any experiment, and where a run's time goes."""

import pytest

from runtree.app import App
from runtree.app.train import train
from runtree.config.allowlist import AllowList
from runtree.config.compose import ComposedBase
from runtree.config.hydra_engine import HydraEngine, parse_flags
from runtree.config.resources import OWN_KEYS, compute_arguments, read_resources
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.training.fit_plan import resolve_fit_options


@pytest.fixture(scope="module")
def frozen():
    app = App()
    engine = HydraEngine(app.folders, app.algorithms, AllowList())

    def compose(*overrides):
        composed = engine.compose(overrides)
        composed._set_flag("struct", False)
        return ComposedBase(composed).frozen.config

    return compose


@pytest.mark.parametrize("preset", ["debug=default", "debug=fdr", "debug=limit", "experiment=debug"])
def test_a_preset_limits_what_the_algorithm_can_limit_and_asks_no_other(frozen, preset):
    for algorithm, iterates in (("torch_mlp", True), ("knn", False)):
        config = frozen(f"algorithm={algorithm}", preset)
        options, _, _ = resolve_fit_options(config, "classification")
        assert (options.max_iterations is not None) == iterates
        assert config["data"]["sample"] is not None and config["experiment"]["name"] == "debug"


def test_a_preset_wins_over_an_experiment_and_what_is_typed_over_both(frozen):
    config = frozen("experiment=quickstart", "debug=default", "data.sample=50")
    assert (config["seed"], config["fit"]["max_iterations"], config["data"]["sample"]) == (5, 3, 50)
    assert config["experiment"]["name"] == "debug" and config["objective"]["metric"] == "roc_auc"


def test_the_compute_object_is_not_told_of_the_profile(frozen):
    node = frozen("debug=profiler")["compute"]
    assert read_resources(node).profile and not set(compute_arguments(node)) & set(OWN_KEYS)


def test_a_profile_names_stages_and_functions_and_changes_no_result(folder):
    words = ["data=iris", "algorithm=decision_tree", "debug=default"]
    plain, profiled = (train(App(), parse_flags([*words, *more])).runs[0] for more in ([], ["compute.profile=true"]))
    text = RunFolder(profiled.folder).profile.read_text()
    assert "fit " in text and "load " in text and "runtree/lifecycle/execute.py:" in text
    assert not RunFolder(plain.folder).profile.exists()
    assert plain.metrics == profiled.metrics and plain.options.fingerprint == profiled.options.fingerprint
    assert RunReader(profiled.folder).evaluation.get("baselines") is None


def test_a_run_that_fails_has_its_profile(folder):
    # a request that is refused leaves no folder: this one fails when the model is there
    with pytest.raises(Exception, match="n_neighbors"):
        train(App(), parse_flags(["data=iris", "algorithm=knn", "algorithm.n_neighbors=9999", "debug=profiler"]))
    [file] = folder.glob("outputs/debug/*/profile.txt")
    assert "load " in file.read_text()
