"""What stands at the root of a config, from the command line and from a file."""

from pathlib import Path

import pytest

from runtree.app import App, train
from runtree.app.check import compose
from runtree.app.sweep_plan import SweepRequest
from runtree.config.hydra_engine import parse_flags
from runtree.contract.errors import RuntreeError
from runtree.plugins import make_plugins

PRESET = "# @package _global_\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(file, text):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text)


def frozen(*words):
    return compose(App(make_plugins(found=[])), parse_flags(words))


CASES = [
    (["+algoritm.alpha=3"], "unknown config key 'algoritm'", "did you mean: algorithm?"),
    (["+foo=1"], "unknown config key 'foo'", "a key of your own belongs below extras: extras.foo"),
    (["~compute"], "compute: the config has none", "runtree list compute"),
    (["~objective"], "objective: the config has none", "defaults: [runtree, …, _self_]"),
    (["preprocess=null"], "preprocess=null chooses no option, and a run needs one", "tabular"),
    (["experiment=null"], "experiment=null chooses no option", "leave it out"),
    (["objective=null"], "objective: None is not possible here", "metric, direction"),
    (["data=_table_"], "data=_table_ is a base of options, and no option itself", "iris"),
    (["experiment=typo"], "unknown config key 'algoritm'", "did you mean: algorithm?"),
    (["experiment=base"], "data=_table_ is a base of options", "iris"),
    (["experiment=template"], "unknown config key 'trainer", "type: "),
]


@pytest.mark.parametrize(("words", "message", "hint"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_a_root_that_is_not_possible_is_answered_by_each_verb(place, words, message, hint):
    write("conf/experiment/typo.yaml", f"{PRESET}algoritm: {{alpha: 3}}\n")
    write("conf/experiment/base.yaml", f"{PRESET}defaults: [override /data: _table_]\n")
    write("conf/experiment/template.yaml", f"{PRESET}trainer: {{max_epochs: 3}}\n")
    app = App(make_plugins(found=[]))
    for request in (lambda: compose(app, parse_flags(words)), lambda: train(app, parse_flags(words))):
        with pytest.raises(RuntreeError) as error:
            request()
        assert error.value.message.startswith(message)
        assert hint in " ".join(error.value.hints), error.value.hints
    assert not Path("outputs").exists()


def test_a_sweep_over_a_key_that_nothing_reads_is_refused(place):
    app = App(make_plugins(found=[]))
    with pytest.raises(RuntreeError, match="unknown config key 'foo'"):
        train(app, parse_flags(["-m", "+foo=1,2"]), order=SweepRequest(app, plan_only=True))


def test_own_keys_count_where_they_are_used_and_not_elsewhere(place):
    plain = frozen()
    tagged = frozen("extras.tags=[a]", "+extras.begun=${now:%H}")
    assert tagged.config["extras"]["tags"] == ["a"]
    assert tagged.fingerprint == plain.fingerprint
    used = [frozen(f"extras.share={share}", "data.test_size=${extras.share}").fingerprint for share in (0.2, 0.3)]
    assert used[0] == plain.fingerprint != used[1]


def test_a_config_of_the_users_own_extends_the_shipped_one(place):
    write(
        "conf/config.yaml",
        "defaults:\n  - runtree\n  - override algorithm: ridge\n  - _self_\nseed: 7\nextras: {lab: north}\n",
    )
    config = frozen("data=diabetes", "extras.more=1").config
    assert (config["seed"], config["algorithm"]["name"], config["extras"]) == (7, "ridge", {"lab": "north", "more": 1})
    assert App(make_plugins(found=[])).catalogue.choices()["evaluator"] == "holdout"


def test_a_config_of_the_users_own_that_does_not_is_told_how(place):
    write("conf/config.yaml", "defaults: [data: iris, _self_]\nseed: 7\n")
    with pytest.raises(RuntreeError) as error:
        frozen()
    assert "defaults: [runtree, …, _self_]" in error.value.hints[-1]


def test_base_files_are_not_among_hydras_options(place):
    app, flags = App(make_plugins(found=[])), parse_flags([])
    with app.engine(flags, app.allow_list()).session() as hydra:
        options = hydra.config_loader.get_group_options("data")
    assert "iris" in options and not any(name.startswith("_") for name in options)
