"""Code that a config file names is refused by each verb, before anything is instantiated."""

import pickle
import sys
from pathlib import Path

import pytest

from runtree.app import App
from runtree.config.hydra_engine import parse_flags

VERBS = ("train", "train -m", "tune", "plan", "check")
QUICK = ("data=iris", "algorithm=dummy", "evaluator=holdout")


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


@pytest.fixture
def project(folder):
    """Return a function that writes ``conf/experiment/team.yaml``; a pickle that writes PWNED lies beside."""
    (folder / "notes.bin").write_bytes(pickle.dumps(Bomb()))
    (folder / "kept.txt").write_text("kept")

    def write(text, name="experiment/team.yaml"):
        file = folder / "conf" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def assert_refused(said, folder, path, *remedies):
    assert said.code == 2, said.err
    assert said.err.startswith(f"error: {path}"), said.err
    assert all(f"--trust {remedy}" in said.err for remedy in remedies), said.err
    assert len(said.err.strip().splitlines()) <= 5
    assert not list(folder.rglob("PWNED*")) and (folder / "kept.txt").read_text() == "kept"
    assert not (folder / "outputs").exists()


LOAD = "{_target_: joblib.load, filename: notes.bin}"
# content of a file whose package is the whole config → the config path that the error names, what --trust takes
FILES = {
    f"hydra: {{callbacks: {{x: {LOAD}}}}}": ("hydra.callbacks.x._target_", "joblib.load"),
    "hydra: {callbacks: {x: {_target_: builtins.open, file: kept.txt, mode: w}}}": (
        "hydra.callbacks.x._target_",
        "builtins.open",
    ),
    f"hydra: {{callbacks: {{x: [{LOAD}]}}}}": ("hydra.callbacks.x._target_", "joblib.load"),
    f"hydra: {{callbacks: {{x: {{_target_: collections.OrderedDict, y: {LOAD}}}}}}}": (
        "hydra.callbacks.x._target_",
        "collections.OrderedDict --trust joblib.load",
    ),
    f"evil: {LOAD}\nhydra: {{callbacks: {{x: '${{evil}}'}}}}": ("hydra.callbacks.x._target_", "joblib.load"),
    f"evil: {LOAD}\nhydra: {{callbacks: '${{evil}}'}}": ("hydra.callbacks", "hydra.callbacks"),
    # a missing value does not keep Hydra from making what stands before it
    f"hydra: {{callbacks: {{x: {{_partial_: true, _target_: builtins.dict, y: {LOAD}, z: '${{data.path}}'}}}}}}\ndata: {{path: '???'}}": (
        "hydra.callbacks.x._target_",
        "builtins.dict --trust joblib.load",
    ),
    "part: load\nhydra: {callbacks: {x: {_target_: 'joblib.${part}', filename: notes.bin}}}": (
        "hydra.callbacks.x._target_",
        "joblib.load",
    ),
    "hydra: {job_logging: {handlers: {x: {'()': joblib.load, filename: notes.bin}}}}": (
        "hydra.job_logging.handlers.x.()",
        "hydra.job_logging.handlers.x.()",
    ),
    "hydra: {job_logging: {version: 1, root: {handlers: [x]}, handlers: {x: {class: logging.FileHandler, filename: PWNED}}}}": (
        "hydra.job_logging.handlers.x.filename",
        "hydra.job_logging.handlers.x.filename",
    ),
    "hydra: {job_logging: {handlers: {x: {class: logging.FileHandler, filename: '${hydra.runtime.output_dir}/../PWNED'}}}}": (
        "hydra.job_logging.handlers.x.filename",
        "hydra.job_logging.handlers.x.filename",
    ),
    "hydra: {job_logging: {root: {level: 'ext://antigravity.x'}}}": (
        "hydra.job_logging.root.level",
        "hydra.job_logging.root.level",
    ),
    "text: 'ext://antigravity.x'\nhydra: {job_logging: {root: {level: '${text}'}}}": (
        "hydra.job_logging.root.level",
        "hydra.job_logging.root.level",
    ),
    "hydra: {hydra_logging: {handlers: {x: {'()': joblib.load, filename: notes.bin}}}}": (
        "hydra.hydra_logging.handlers.x.()",
        "hydra.hydra_logging.handlers.x.()",
    ),
    "hydra: {hydra_logging: {filters: {x: {'()': joblib.load, filename: notes.bin}}}}": (
        "hydra.hydra_logging.filters.x.()",
        "hydra.hydra_logging.filters.x.()",
    ),
    f"hydra: {{launcher: {{x: {LOAD}}}}}": ("hydra.launcher.x._target_", "hydra.launcher.x._target_"),
    "hydra: {launcher: {_target_: joblib.load}}": ("hydra.launcher._target_", "joblib.load"),
    "hydra: {launcher: {setup: [touch PWNED]}}": ("hydra.launcher.setup", "hydra.launcher.setup"),
    'hydra: {launcher: {comment: "x\\ntouch PWNED"}}': ("hydra.launcher.comment", "hydra.launcher.comment"),
    f"hydra: {{sweeper: {{params: {{x: {LOAD}}}}}}}": ("hydra.sweeper.params.x._target_", "joblib.load"),
    f"evil: {LOAD}\nhydra: {{sweeper: {{params: {{x: '${{evil}}'}}}}}}": (
        "hydra.sweeper.params.x._target_",
        "joblib.load",
    ),
    "hydra: {sweeper: {params: {'+hydra.job.env_set.PATH': conf}}}": (
        "hydra.sweeper.params.+hydra.job.env_set.PATH",
        "hydra.sweeper.params.+hydra.job.env_set.PATH",
    ),
    "hydra: {sweeper: {params: {hydra: {output_subdir: ../PWNED}}}}": (
        "hydra.sweeper.params.hydra.output_subdir",
        "hydra.sweeper.params.hydra.output_subdir",
    ),
    "hydra: {sweeper: {params: {'+algorithm@hydra.callbacks.x': dummy}}}": (
        "hydra.sweeper.params.+algorithm@hydra.callbacks.x",
        "hydra.sweeper.params.+algorithm@hydra.callbacks.x",
    ),
    "hydra: {job: {env_set: {PATH: conf}}}": ("hydra.job.env_set.PATH", "hydra.job.env_set.PATH"),
    "hydra: {job: {env_set: {LD_PRELOAD: x.so}}}": ("hydra.job.env_set.LD_PRELOAD", "hydra.job.env_set.LD_PRELOAD"),
    "hydra: {job: {env_copy: [AWS_SECRET_ACCESS_KEY]}}": ("hydra.job.env_copy", "hydra.job.env_copy"),
    "hydra: {output_subdir: ../PWNED}": ("hydra.output_subdir", "hydra.output_subdir"),
    "hydra: {job: {name: ../PWNED}}": ("hydra.job.name", "hydra.job.name"),
    "hydra: {overrides: {task: ['algorithm.path=joblib:load']}}": ("hydra.overrides.task", "hydra.overrides.task"),
    "algorithm: {_target_: {classification: joblib.load}, filename: notes.bin}": (
        "algorithm._target_",
        "joblib.load",
    ),
    f"nobody: {{reads: {LOAD}}}": ("nobody.reads._target_", "joblib.load"),
}


@pytest.mark.parametrize("text", FILES)
def test_a_file_cannot_run_code(runtree, folder, project, text):
    project(f"# @package _global_\n{text}\n")
    path, remedy = FILES[text]
    assert_refused(runtree("plan", "experiment=team", *QUICK), folder, path, remedy)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_it(runtree, folder, project, verb):
    project("# @package _global_\nhydra: {callbacks: {x: {_target_: joblib.load, filename: notes.bin}}}\n")
    assert_refused(runtree(*verb.split(), "experiment=team", *QUICK), folder, "hydra.callbacks.x", "joblib.load")


HYDRA = "hydra: {callbacks: {x: {_target_: joblib.load, filename: notes.bin}}}\n"
PRIMARY = (
    "defaults: [{data: iris}, {algorithm: dummy}, {preprocess: raw}, {evaluator: holdout}, {compute: auto},"
    " {tuner: grid}, _self_]\nseed: 0\n"
)
# file → its content, and the override that chooses it
PLACES = {
    "config.yaml": (f"{PRIMARY}{HYDRA}", ()),
    "data/iris.yaml": (f"# @package _global_\n{HYDRA}", ("data=iris",)),  # in place of a shipped option
    "data/mine.yaml": (f"# @package _global_\n{HYDRA}", ("data=mine",)),
    "hydra/callbacks/mine.yaml": ("x: {_target_: joblib.load, filename: notes.bin}", ("hydra/callbacks=mine",)),
    "hydra/job_logging/mine.yaml": (
        "handlers: {x: {'()': joblib.load, filename: notes.bin}}",
        ("hydra/job_logging=mine",),
    ),
    "algorithm/mine.yaml": ("_target_: joblib.load\nfilename: notes.bin", ("+algorithm@hydra.callbacks.x=mine",)),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_refused_wherever_the_file_lies(runtree, folder, project, place):
    text, words = PLACES[place]
    project(text, place)
    assert_refused(runtree("train", *words), folder, "hydra.")


# the folder is named on the command line, but may be anyone's, too; shipped files come before those in it
@pytest.mark.parametrize("place", [place for place in PLACES if "mine" in place])
def test_it_is_refused_in_a_folder_that_is_typed(runtree, folder, project, place):
    text, words = PLACES[place]
    project(text, place)
    (folder / "conf").rename(folder / "other")
    assert_refused(runtree("train", "-cd", "other", *words), folder, "hydra.")


def test_a_path_out_of_a_folder_is_not_that_of_an_installed_package(runtree, folder, project):
    (folder / "team.yaml").write_text("# @package _global_\nhydra: {launcher: {setup: [touch PWNED]}}\n")
    up = "/".join([".."] * 30)
    assert_refused(runtree("train", f"experiment={up}{folder}/team", *QUICK), folder, "hydra.launcher.setup")


def test_a_package_is_not_imported_as_a_search_path(runtree, folder, project):
    project(PRIMARY + "hydra: {searchpath: ['pkg://this']}\n", "config.yaml")
    assert_refused(runtree("train"), folder, "hydra.searchpath", "hydra.searchpath")


@pytest.mark.parametrize("option", ["hydra/launcher=basic", "hydra/job_logging=none"])
def test_a_swept_option_is_checked_before_a_launcher_sets_up_its_job(runtree, folder, project, option):
    project("# @package _global_\nhydra: {job_logging: {handlers: {x: {'()': joblib.load, filename: notes.bin}}}}\n")
    words = ["experiment=null,team", "hydra/launcher=basic", "hydra/sweeper=basic", *QUICK]
    runtree("train", "-m", *words, option)
    assert not (folder / "PWNED").exists()


def test_what_a_team_shares_is_allowed(runtree, folder, project):
    project(
        "# @package _global_\n"
        "defaults: [{override /hydra/job_logging: default}]\n"
        "hydra:\n"
        "  job: {env_set: {OMP_NUM_THREADS: '1'}, name: mine}\n"
        "  job_logging:\n"
        "    formatters: {simple: {format: '%(levelname)s %(message)s'}}\n"
        "    handlers: {file: {class: logging.FileHandler, filename: '${hydra.runtime.output_dir}/${hydra.job.name}.log'}}\n"
        "    loggers: {runtree: {level: DEBUG}}\n"
        "  sweeper: {params: {seed: '1,2'}}\n"
        "  run: {dir: 'mine/${now:%Y}'}\n"
    )
    said = runtree("train", "--cfg", "hydra", "experiment=team", *QUICK)
    assert said.code == 0, said.err
    app = App()
    engine = app.engine(parse_flags([]), app.allow_list())
    assert engine.compose(["experiment=team", *QUICK]).hydra.job.name == "mine"


def test_trust_and_typing_allow_what_a_file_names(runtree, folder, project):
    project("# @package _global_\nhydra: {callbacks: {x: {_target_: listener.Listener, file: heard.txt}}}\n")
    (folder / "listener.py").write_text(
        "from pathlib import Path\n"
        "class Listener:\n"
        "    def __init__(self, file):\n"
        "        Path(file).touch()\n"
        "    def on_multirun_start(self, config, **more):\n"
        "        Path('started').touch()\n"
    )
    typed = ["experiment=team", *QUICK]
    assert_refused(runtree("plan", *typed), folder, "hydra.callbacks.x._target_", "listener.Listener")
    # with the target typed, the path that the file gives it still has to be trusted
    said = runtree("plan", *typed, "hydra.callbacks.x._target_=listener.Listener")
    assert "--trust hydra.callbacks.x.file" in said.err
    said = runtree("plan", *typed, "--trust", "listener.Listener")
    assert said.code == 0, said.err
    # a plan runs nothing, not even what is trusted
    assert not (folder / "heard.txt").exists() and not (folder / "started").exists()


def test_plan_does_not_run_the_jobs_of_another_sweeper(runtree, folder):
    said = runtree("plan", "hydra/sweeper=basic", *QUICK)
    assert said.code == 2 and "hydra/sweeper=runtree" in said.err
    assert not (folder / "outputs").exists()


GETOUTPUT = "algorithm: import, algorithm.path: 'subprocess:getoutput', +algorithm.params.cmd: touch PWNED"


@pytest.mark.parametrize("launcher", ["runtree", "basic"])
@pytest.mark.parametrize("sweeper", ["runtree", "basic"])
def test_values_that_a_file_lets_a_sweep_try_are_not_typed(runtree, folder, project, sweeper, launcher):
    project(f"# @package _global_\nhydra: {{sweeper: {{params: {{{GETOUTPUT}}}}}}}\n")
    words = [f"hydra/sweeper={sweeper}", f"hydra/launcher={launcher}", "compute.engine=in_process"]
    said = runtree("train", "-m", "experiment=team", "data=iris", *words)
    assert said.code and "subprocess.getoutput" in said.err
    assert not (folder / "PWNED").exists()


def test_an_option_that_imports_is_refused_before_the_data_is_read(runtree, folder, project):
    project("name: mine\npath: subprocess:getoutput\nparams: {cmd: touch PWNED}\n", "algorithm/mine.yaml")
    words = ["data=csv", "data.path=absent.csv", "data.target=y", "algorithm=mine"]
    assert_refused(runtree("check", *words), folder, "algorithm.path", "subprocess.getoutput")


def test_the_working_directory_is_searched_for_the_modules_that_are_typed_alone(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "mine.py").touch()
    (folder / "sklearn.py").touch()
    for typed in (["algorithm._target_=sklearn.linear_model.Ridge"], ["algorithm.path=other:Model"]):
        App().allow_list(typed)
        assert str(folder) not in sys.path
    App().allow_list(["algorithm.path=mine:Model"])
    assert str(folder) in sys.path
