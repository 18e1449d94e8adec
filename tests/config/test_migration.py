"""What users of other Hydra programs type: each answer of the table is a command that works."""

import shlex

import pytest

from runtree.app import App
from runtree.cli.main import VERBS
from runtree.config.hydra_engine import force_open_parameters, parse_flags
from runtree.config.hydra_errors import translate_error
from runtree.config.migration import ANSWERS, PLUGIN_PACKAGES, VALUE, find_answer, migration_error
from runtree.contract.errors import MissingError, RequestError

SAMPLES = ("", "3", "tpe", "mnist", "val/acc_best", "{a: 1}", "gpu", "null")


@pytest.fixture(scope="module")
def app():
    return App()


def test_each_answer_can_be_typed(app):
    commands = {answer.to_type("") for answer in ANSWERS.values()}
    assert len(commands) > 35
    for command in commands:
        program, verb, *rest = shlex.split(command)
        assert program == "runtree" and verb in VERBS
        if verb not in ("train", "tune"):
            continue
        overrides = force_open_parameters(parse_flags(rest).overrides)
        # what is asked after Hydra has refused a command line finds nothing in this one
        problem = translate_error(ValueError("refused"), overrides, app.catalogue, multirun=verb == "tune")
        assert problem.message == "refused", problem


@pytest.mark.parametrize("key", ANSWERS)
def test_each_key_is_answered_in_five_lines_whatever_its_value(key, app):
    typed, _, value = key.replace("*", "nope").partition("=")
    for sample in (value, *SAMPLES):
        error = migration_error(f"+{typed}", sample, app.catalogue.groups)
        assert isinstance(error, RequestError) and VALUE not in str(error)
        assert len(str(error).splitlines()) <= 5 and "type: " in str(error)


def test_a_value_is_taken_over_where_it_means_the_same():
    assert "tuner.stop.max_runs=7" in str(migration_error("hydra.sweeper.n_trials", "7"))
    assert "compute.devices=2" in str(migration_error("trainer", "ddp_sim"))
    assert "objective.metric=log_loss" in str(migration_error("optimized_metric", "val/loss"))
    # where the config has the key already, the algorithm need not be chosen for it
    known = ["algorithm.learning_rate", "fit.max_iterations"]
    assert migration_error("trainer.max_epochs", "9", (), known).hints[-1] == "type: fit.max_iterations=9"


def test_a_users_own_group_is_no_key_of_another_program(app):
    assert migration_error("model", "net", ["model"]) is None
    assert find_answer("algorithm.alpha") is None
    # nor is any key of ours
    known = [key for key in list(app.catalogue.keys()) if key != "data.target"]
    assert [key for key in known if migration_error(key, "", app.catalogue.groups, known)] == []


@pytest.mark.parametrize(
    "overrides, says",
    [
        (["hydra/sweeper=optuna"], "type: runtree tune tuner=tpe tuner.stop.max_runs=20"),
        (["hydra.sweeper.n_trials=8"], "type: runtree tune tuner=tpe tuner.stop.max_runs=8"),
        (["trainer=gpu"], "type: runtree train compute=gpu"),
        (["epochs=3"], "type: fit.max_iterations=3"),
        (["lr=0.1"], "it lives at algorithm.learning_rate: type algorithm.learning_rate=0.1"),
        (["logger=wandb"], "trackers="),
        (["ckpt_path=x"], "--continue"),
    ],
)
def test_the_command_line_asks_the_table(runtree, overrides, says):
    said = runtree("train", *overrides)
    assert said.code == 2 and says in said.err, said.err


def test_a_plugin_that_is_not_installed_is_named(runtree, app, monkeypatch):
    for (key, value), package in PLUGIN_PACKAGES.items():
        monkeypatch.setenv("RUNTREE_BLOCK", "mlflow,lightgbm,keras,shap")
        word = f"{key}=[{value}]" if key == "trackers" else f"{key}={value}"
        said = runtree("train", word, "algorithm=dummy") if key == "trackers" else runtree("train", word)
        assert (said.code, f"pip install {package}" in said.err) == (MissingError.exit_code, True), said
