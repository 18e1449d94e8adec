"""Config folders that somebody else has made: none hangs or fills the memory."""

import os

import pytest

from runtree.config.allowlist import AllowList
from runtree.config.hydra_engine import HydraEngine
from runtree.config.search_path import USER, ConfigFolder
from runtree.contract.errors import ConfigError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


def make_engine(*folders, config_dir=None):
    return HydraEngine(folders, (), AllowList(), config_dir=config_dir)


@pytest.fixture
def conf(tmp_path):
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("place", ["the user's folder", "--config-dir"])
def test_an_alias_bomb_is_refused_before_hydra_copies_it(conf, place):
    (conf / "team.yaml").write_text("# @package _global_\n" + BOMB)
    own = place == "the user's folder"
    engine = make_engine(
        *([ConfigFolder(conf.parent, USER)] if own else []), config_dir=None if own else str(conf.parent)
    )
    with pytest.raises(ConfigError, match=r"team\.yaml: cannot be read: its aliases stand for more"):
        engine.compose(["+experiment=team"])


def test_a_fifo_is_not_opened(conf):
    os.mkfifo(conf / "team.yaml")
    engine = make_engine(ConfigFolder(conf.parent, USER))
    with pytest.raises(ConfigError, match=r"team\.yaml: cannot be read: is not a regular file"):
        engine.compose(["+experiment=team"])
    assert engine.compose([]).seed == 0


@pytest.mark.parametrize("content", [b"\xf6", b"a: [", b"- 1", b""])
def test_a_bad_file_that_is_not_chosen_harms_nothing(conf, content):
    (conf / "bad.yaml").write_bytes(content)
    assert make_engine(ConfigFolder(conf.parent, USER)).compose(["data=iris"]).data.name == "iris"
