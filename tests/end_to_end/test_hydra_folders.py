"""What Hydra writes is in the folder of the run, which a config may name, and nothing is in the working folder."""

import json
from pathlib import Path

import pytest
from hydra.experimental import callbacks

from runtree.app import App, train
from runtree.config.hydra_engine import parse_flags
from runtree.plugins import make_plugins
from runtree.testing.fixtures import UNEXAMINED

WORDS = (
    *("data=iris", "algorithm=dummy", "tuner.plots=false", "tuner.refit=false"),
    *UNEXAMINED,
    *("+extras.dir=${hydra:runtime.output_dir}", "hydra.output_subdir=.hydra", "hydra/job_logging=default"),
)
PICKLE = "PickleJobInfoCallback"  # of Hydra 1.3
HAS_PICKLES = hasattr(callbacks, PICKLE)
PICKLES = [f"+hydra.callbacks.pickle._target_={callbacks.__name__}.{PICKLE}"] if HAS_PICKLES else []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        app = App(make_plugins(found=[]))
        train(app, parse_flags([*WORDS, *PICKLES]))
        swept = ["seed=1,2", "hydra.sweep.dir=logs", "hydra.sweep.subdir=${seed}/${hydra.job.num}"]
        train(app, parse_flags(["-m", *WORDS, *swept, "+extras.num=${hydra:job.num}"]))
        train(app, parse_flags(["-m", *WORDS, "seed=1,2", "hydra/sweeper=basic", "hydra.sweep.dir=basic"]))
    return folder


def config(folder):
    return json.loads((folder / "run.json").read_text())["config"]


def folders(place):
    [single] = (place / "outputs" / "default").iterdir()
    return [single, place / "logs/runs/0000", place / "logs/runs/0001", *sorted((place / "basic/runs").iterdir())]


def test_the_folder_that_a_config_names_is_that_of_the_run(place):
    named = [Path(config(folder)["extras.dir"]) for folder in folders(place)]
    assert [path.resolve() for path in named] == [folder.resolve() for folder in folders(place)]


def test_the_number_of_a_run_has_a_value(place):
    assert [config(folder)["extras.num"] for folder in folders(place)[1:3]] == [0, 1]


def test_hydra_writes_into_the_folder_of_the_run_and_nowhere_else(place):
    assert sorted(path.name for path in place.iterdir()) == ["basic", "logs", "outputs"]
    for folder in folders(place):
        assert (folder / ".hydra" / "overrides.yaml").is_file() and (folder / "runtree.log").is_file()
    assert (folders(place)[0] / ".hydra" / "config.pickle").is_file() == HAS_PICKLES


def test_the_users_name_for_a_run_is_a_link_to_its_folder(place):
    links = [place / "logs/1/0", place / "logs/2/1"]
    assert [link.resolve() for link in links] == [folder.resolve() for folder in folders(place)[1:3]]
    assert all((link / "run.json").is_file() for link in links)


def test_an_interpolation_is_recorded_as_it_was_typed(place):
    record = json.loads((folders(place)[0] / "run.json").read_text())
    assert "+extras.dir=${hydra:runtime.output_dir}" in record["overrides"]


def test_a_run_that_is_refused_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="device"):
        train(App(make_plugins(found=[])), parse_flags([*WORDS, "compute=gpu", "compute.device=cuda:77"]))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
