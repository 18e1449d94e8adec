"""An option file needs no `name`: the option's own is filled in, wherever it is composed."""

from pathlib import Path

import pytest

from runtree.app import App
from runtree.app.application import typed_words
from runtree.config.hydra_engine import parse_flags
from runtree.contract.errors import ConfigError, DataError, UntrustedError

TARGETS = {
    "algorithm": "sklearn.linear_model.Ridge",
    "preprocess": "runtree.preprocess.numeric.Raw",
    "evaluator": "runtree.evaluators.holdout.Holdout",
    "data": "runtree.data.bundled.Bundled",
    "compute": "runtree.compute.session.Cpu",
    "tuner": "runtree.tuners.grid.Grid",
}


@pytest.fixture
def compose(folder):
    """Return a function that composes with an unnamed option `mine` in each group of the user's `conf/`."""
    for group, target in TARGETS.items():
        file = Path("conf", group, "mine.yaml")
        file.parent.mkdir(parents=True)
        file.write_text(f"_target_: {target}\n")
    Path("conf/algorithm/named.yaml").write_text("name: ridge of mine\n_target_: sklearn.linear_model.Ridge\n")

    def load(*words):
        app, flags = App(), parse_flags(words)
        return app.engine(flags, app.allow_list(typed_words(flags))).compose(flags.overrides)

    return load


def test_the_name_of_an_option_is_filled_in_for_every_group(compose):
    composed = compose(*(f"{group}=mine" for group in TARGETS))
    assert {group: composed[group].name for group in TARGETS} == dict.fromkeys(TARGETS, "mine")
    assert "name" not in composed.hydra.sweeper  # Hydra would pass it to the class
    assert composed.experiment.name == "default"  # a preset is no option with a name of its own


def test_a_name_of_its_own_stays(compose):
    assert compose("algorithm=named").algorithm.name == "ridge of mine"


def test_the_shown_config_has_the_name_too(compose, runtree):
    assert (
        "algorithm:\n  _target_: sklearn.linear_model.Ridge\n  name: mine\n"
        in runtree("train", "--cfg", "job", "algorithm=mine").out
    )


@pytest.mark.parametrize(
    ("error", "is_value_error"), [(DataError, True), (ConfigError, False), (UntrustedError, False)]
)
def test_bad_data_is_a_value_error_as_in_scikit_learn(error, is_value_error):
    assert isinstance(error("no"), ValueError) is is_value_error
