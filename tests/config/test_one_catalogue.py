"""Options of Hydra's store, of its search path and of --config-dir are options like those of any folder."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from runtree.app import App, train
from runtree.app.sweep_plan import SweepRequest
from runtree.config.hydra_engine import own_store, parse_flags
from runtree.contract.errors import RequestError, RuntreeError
from runtree.plugins import make_plugins

OPTION = "name: xr\n_target_: sklearn.linear_model.Ridge\nalpha: 2.0\nspace: {}\n"


@dataclass
class StoredRidge:
    """A structured config, as a plugin stores it."""

    name: str = "stored_ridge"
    _target_: str = "sklearn.linear_model.Ridge"
    alpha: float = 1.0


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("found", "more"):
        Path(folder, "algorithm").mkdir(parents=True)
        Path(folder, "algorithm", f"{folder}_ridge.yaml").write_text(OPTION)
    Plugins.instance()  # which store their configs as they are loaded
    with own_store():
        ConfigStore.instance().store(group="algorithm", name="stored_ridge", node=StoredRidge, provider="shop")
        yield tmp_path


def plan(*words):
    app = App(make_plugins(found=[]))
    return train(app, parse_flags(["-m", *words]), order=SweepRequest(app, plan_only=True)).swept.plan


def test_they_can_be_swept_over(place):
    found = ["hydra.searchpath=[file://found]", "-cd", "more"]
    names = ("found_ridge", "more_ridge", "stored_ridge", "ridge")
    overrides = plan("data=diabetes", *found, f"algorithm={','.join(names)}", "algorithm.alpha=1,2").overrides
    assert overrides.composed["algorithm"] == names
    globbed = plan("data=diabetes", *found, "algorithm=glob([found*, more*, stored*])").overrides
    assert sorted(globbed.composed["algorithm"]) == sorted(names[:3])


def test_an_option_of_the_store_is_listed_and_described(place):
    catalogue = App(make_plugins(found=[])).catalogue
    option = catalogue.option("algorithm", "stored_ridge")
    assert (option.provider, option.read()["alpha"]) == ("shop", 1.0)
    assert "algorithm.alpha" in catalogue.keys(["algorithm=stored_ridge"])


def test_a_value_of_the_wrong_type_is_not_told_as_an_unknown_option(place):
    with pytest.raises(RuntreeError) as error:
        train(App(make_plugins(found=[])), parse_flags(["algorithm=stored_ridge", "algorithm.alpha=abc"]))
    assert "unknown option" not in error.value.message and "alpha" in str(error.value)


def test_an_engine_leaves_hydras_store_as_it_was(place):
    app, flags = App(make_plugins(found=[])), parse_flags([])
    engine = app.engine(flags, app.allow_list())
    engine.compose([])  # loads Hydra's plugins
    before = dict(ConfigStore.instance().repo["hydra"])
    engine.compose([])
    assert ConfigStore.instance().repo["hydra"] == before
    assert "runtree.yaml" not in ConfigStore.instance().repo


def test_all_presets_of_a_folder_are_one_sweep(place):
    Path("more/experiment").mkdir()
    for name, algorithm in (("a", "ridge"), ("b", "knn")):
        text = f"# @package _global_\ndefaults: [override /algorithm: {algorithm}]\nexperiment: {{name: {name}}}\n"
        Path(f"more/experiment/preset_{name}.yaml").write_text(text)
    found = plan("-cd", "more", "data=diabetes", "experiment=glob(preset_*)")
    assert found.overrides.composed["experiment"] == ("preset_a", "preset_b")
    app = App(make_plugins(found=[]))
    # as the runs are composed, in the session of the sweep
    with app.engine(parse_flags([]), app.allow_list()).session():
        bases = [found.composer.base({"experiment": name}) for name in found.overrides.composed["experiment"]]
    assert [base.value("algorithm.name") for base in bases] == ["ridge", "knn"]
    assert {base.value("experiment.name") for base in bases} == {"default"}  # of the sweep
    assert found.size == 2


def test_a_tuner_beside_another_sweeper_is_refused(place):
    app = App(make_plugins(found=[]))
    with pytest.raises(RequestError, match="tuner=tpe has no effect with hydra/sweeper=basic"):
        train(app, parse_flags(["-m", "seed=1,2", "tuner=tpe", "hydra/sweeper=basic"]))
