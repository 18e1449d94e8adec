"""Each flag of Hydra's parser has an effect, or is refused; what composed a config is recorded as such."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runtree.app.application import App, flags_of, typed_words
from runtree.cli.train import is_hydra_query, print_hydra_answer
from runtree.config.hydra_engine import hydra_parser, parse_flags
from runtree.contract.errors import ConfigError, RequestError, UntrustedError

# the flags of Hydra's parser, by their name in the namespace → what to type; a new flag of Hydra fails the test
EFFECTIVE = {
    "hydra_help": ["--hydra-help"],
    "cfg": ["--cfg", "job"],
    "run": ["--run"],
    "multirun": ["--multirun"],
    "config_path": ["--config-path", "saved"],
    "config_name": ["--config-name", "other"],
    "config_dir": ["--config-dir", "more"],
    "info": ["--info", "defaults"],
}
REFUSED = {
    "help": ["--help"],
    "shell_completion": ["--shell-completion"],
    "experimental_rerun": ["--experimental-rerun", "config.pickle"],
    "resolve": ["--resolve"],  # with --cfg they have an effect
    "package": ["--package", "data"],
}
OTHER = {"overrides", "version"}
SAVED = "seed: 7\ndata: {name: mine}\nexperiment: {name: default}\nobjective: {}\noutputs: outputs\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file, text in {
        "saved/config.yaml": SAVED,
        "conf/other.yaml": "defaults: [config, _self_]\nseed: 3\n",
        "conf/experiment/many.yaml": "# @package _global_\nhydra: {mode: MULTIRUN}\n",
        "more/data/own.yaml": "name: own\n",
    }.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text)
    return tmp_path


def outcome(capsys, *words):
    """Return everything that a command line decides: what is printed, or the config and the mode."""
    app, flags = App(), parse_flags(words)
    if is_hydra_query(flags):
        print_hydra_answer(app, flags)
        return capsys.readouterr().out
    composed = app.engine(flags, app.allow_list(typed_words(flags))).compose(flags.overrides, flags.multirun)
    return OmegaConf.to_container(composed, resolve=False), flags.multirun


def test_every_flag_of_hydra_is_in_one_of_the_tables():
    assert {action.dest for action in hydra_parser()._actions} == {*EFFECTIVE, *REFUSED, *OTHER}


@pytest.mark.parametrize("name", EFFECTIVE)
def test_a_flag_has_an_effect(place, capsys, name):
    assert outcome(capsys, *EFFECTIVE[name]) != outcome(capsys)


@pytest.mark.parametrize("name", REFUSED)
def test_a_flag_without_effect_is_refused_with_what_to_type(name):
    with pytest.raises(RequestError) as error:
        parse_flags(REFUSED[name])
    assert error.value.hints


@pytest.mark.parametrize("flag", [["--resolve"], ["--package", "data"]])
def test_a_flag_for_cfg_has_an_effect_there(place, capsys, flag):
    assert outcome(capsys, "--cfg", "job", *flag) != outcome(capsys, "--cfg", "job")


def test_version_is_that_of_hydra(capsys):
    with pytest.raises(SystemExit) as end:
        parse_flags(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out.startswith("Hydra 1.")


@pytest.mark.parametrize("words", [["-m", "-r"], ["-m", "--cfg", "job"], ["--cfg", "job", "--info", "all"]])
def test_two_flags_that_exclude_each_other_are_refused(words):
    with pytest.raises(RequestError, match="cannot be combined"):
        parse_flags(words)


@pytest.mark.parametrize("query", [[], ["--cfg", "job"], ["--info", "all"], ["-m"]])
@pytest.mark.parametrize("flag", ["--config-dir", "--config-path"])
def test_a_folder_that_does_not_exist_is_refused_everywhere(place, capsys, flag, query):
    with pytest.raises(RequestError, match=f"{flag}: there is no folder nothere"):
        outcome(capsys, flag, "nothere", *query)


def test_the_config_path_comes_before_all_folders_and_keeps_their_options(place, capsys):
    composed, _ = outcome(capsys, "-cp", "saved", "seed=8", "+algorithm=ridge")
    assert (composed["seed"], composed["data"]) == (8, {"name": "mine"})
    assert composed["algorithm"]["name"] == "ridge"
    # runtree's own sweeper and folders, whichever file is the primary config
    assert composed["hydra"]["sweeper"]["_target_"].endswith("RuntreeSweeper")
    assert composed["hydra"]["run"]["dir"] == "."


def test_a_file_after_config_path_is_answered_with_the_flags_for_it(place, capsys):
    with pytest.raises(RequestError) as error:
        outcome(capsys, "-cp", "saved/config.yaml")
    assert error.value.hints == ("name its folder: --config-path saved -cn config",)


@pytest.mark.parametrize(
    "line", ["hydra: {callbacks: {x: {_target_: os.system}}}", "algorithm: {name: x, _target_: os.system}"]
)
def test_the_config_path_may_be_anyones(place, capsys, line):
    Path("saved/config.yaml").write_text(f"{SAVED}{line}\n")
    with pytest.raises(UntrustedError):
        outcome(capsys, "-cp", "saved")


def test_what_composed_a_config_is_recorded_with_absolute_paths(place):
    flags = parse_flags(["-cp", "saved", "-cd", "more", "-cn", "config"])
    assert flags_of(flags) == ("-cp", str(place / "saved"), "-cd", str(place / "more"))


def test_a_typed_mode_is_that_of_the_flag():
    assert parse_flags(["hydra.mode=MULTIRUN", "seed=1,2"]).multirun
    assert not parse_flags(["hydra.mode=MULTIRUN", "hydra.mode=RUN"]).multirun
    assert parse_flags(["-r"]).overrides == ["hydra.mode=RUN"]


def test_a_config_without_a_tuner_is_answered_in_a_sweep(place):
    from runtree.app import train

    groups = ("preprocess", "algorithm", "evaluator", "compute")
    Path("saved/config.yaml").write_text(SAVED + "".join(f"{group}: {{name: x}}\n" for group in groups))
    with pytest.raises(ConfigError) as error:
        train(App(), parse_flags(["-m", "-cp", "saved", "seed=1,2"]))
    assert error.value.hints == ("add one: +tuner=grid",)
