"""A run or a sweep from somebody else: what its record names is refused by each verb that trains again."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import yaml
from real_sweeps import UNEXAMINED

from runtree.cli.main import main
from runtree.config.provenance import TypedWords, check_recorded
from runtree.contract.errors import RequestError, UntrustedError

SWEEP = (
    *("train", "-m", "algorithm=dummy", "data=iris", "seed=1,2", "hydra.sweep.dir=outputs/default/a-sweep"),
    *("compute.engine=in_process", "tuner.keep=all", "tuner.plots=false", "tuner.report=false", *UNEXAMINED),
)
LOAD = "{_target_: joblib.load, filename: notes.bin}"
# override of a record → what --trust takes
CODE = {
    f"+hydra.callbacks.x={LOAD}": "joblib.load",
    "+hydra.job_logging.handlers.x={class: logging.FileHandler, filename: PWNED}": "hydra.job_logging.handlers.x.filename",
    "+hydra.job.env_set.PATH=conf": "hydra.job.env_set.PATH",
    f"+hydra.launcher.x={LOAD}": "hydra.launcher.x._target_",
    "hydra.searchpath=[pkg://antigravity]": "hydra.searchpath",
    "hydra.output_subdir=../../PWNED": "hydra.output_subdir",
    "++algorithm._target_.classification=joblib.load": "joblib.load",
    "+algorithm.inner={_target_: joblib.load}": "joblib.load",
    f"+extras.reads={LOAD}": "joblib.load",
    "+data.reader={_target_: subprocess.getoutput, cmd: touch PWNED}": "subprocess.getoutput",
}


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Make a sweep of two runs, and a pickle beside that writes PWNED."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(list(SWEEP)) == 0
    (folder / "notes.bin").write_bytes(pickle.dumps(Bomb()))
    # the run has a checkpoint, so that `--continue` goes on to compose its config
    (folder / "outputs/default/a-sweep/runs/0000/checkpoints/00000001").mkdir(parents=True)
    return folder


@pytest.fixture
def forged(folder, swept, runtree):
    """Return a function that adds overrides to the records of a copy, and types a command."""
    shutil.copytree(swept, folder, dirs_exist_ok=True)

    def type_it(added, *words):
        for file in folder.glob("outputs/default/a-sweep/runs/*/run.json"):
            record = json.loads(file.read_text())
            file.write_text(json.dumps(record | {"overrides": [*record["overrides"], *added]}))
        file = folder / "outputs/default/a-sweep/sweep.yaml"
        description = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(description | {"overrides": [*description["overrides"], *added]}))
        said = runtree(*words)
        assert not list(folder.rglob("PWNED*"))
        return said

    return type_it


VERBS = {
    "rerun": ("rerun", "a-sweep/0000", "--force"),
    "continue": ("train", "--continue", "a-sweep/0000"),
    "resume": ("resume", "a-sweep", "compute.slots=1"),
}


# a rerun takes no overrides of hydra from the record
@pytest.mark.parametrize(
    ("added", "verb"), [(added, verb) for added in CODE for verb in VERBS if verb != "rerun" or "hydra" not in added]
)
def test_what_a_record_names_is_refused(forged, added, verb):
    said = forged([added], *VERBS[verb])
    assert said.code == 2, said.err
    assert f"--trust {CODE[added]}" in said.err
    assert len(said.err.strip().splitlines()) <= 6  # resume says first where it continues


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--trust", "--config-dir", "-m"])
def test_a_record_holds_no_flags(forged, flag, verb):
    said = forged([flag, "joblib.load"], *VERBS[verb])
    assert said.code == 2 and f"'{flag}', which is no override" in said.err


def test_predict_and_explain_run_no_code_of_a_record(forged, folder):
    (folder / "rows.csv").write_text("a\n1\n")
    file = folder / "outputs/default/a-sweep/runs/0000/config.yaml"
    config = yaml.safe_load(file.read_text())
    config["data"] |= {"_target_": "joblib.load", "filename": "notes.bin"}
    file.write_text(yaml.safe_dump(config))
    forged_data = ["data._target_=joblib.load", "data.filename=notes.bin"]
    said = forged(forged_data, "explain", "a-sweep/0000", "--row", "1")
    assert said.code == 2 and "'joblib.load' is not code" in said.err
    assert forged(forged_data, "predict", "a-sweep/0000", "rows.csv").code == 2  # it has other columns


OWN = """
from sklearn.dummy import DummyClassifier


class Mine(DummyClassifier):
    pass
"""


def test_an_own_class_goes_on_once_it_is_trusted(runtree, folder):
    (folder / "own_model.py").write_text(OWN)
    own = "algorithm._target_.classification=own_model.Mine"
    words = [word for word in SWEEP if "sweep.dir" not in word and "seed" not in word]
    space = "algorithm.strategy=prior,most_frequent"
    assert runtree(*words, own, space, "tuner=random", "tuner.stop.max_runs=1").code == 0
    for verb in (("rerun",), ("resume", "latest", "tuner.stop.max_runs=2")):
        said = runtree(*verb)
        assert said.code == 2 and "add: --trust own_model.Mine" in said.err
        said = runtree(*verb, "--trust", "own_model.Mine")
        assert said.code == 0, said.err


@pytest.mark.parametrize("word", ["hydra/launcher=basic", "~hydra.callbacks", "hydra.sweep.subdir=${hydra.job.num}"])
def test_words_of_hydra_that_run_nothing_are_taken_from_a_record(word):
    check_recorded([word, "algorithm=ridge", "data.path='a b.csv'"], TypedWords(), "the record")


def test_an_option_is_not_placed_where_hydra_makes_objects():
    for word in ("+data@hydra.callbacks.x=mine", "hydra={output_subdir: ../x}"):
        with pytest.raises(UntrustedError):
            check_recorded([word], TypedWords(), "the record")
    with pytest.raises(RequestError):
        check_recorded([7], TypedWords(), "the record")
