import pytest

from runtree.config.secrets import reveal
from runtree.contract.errors import ConfigError


def test_a_secret_is_revealed_to_what_is_built_only(monkeypatch):
    monkeypatch.setenv("KEY", "v")
    assert reveal({"url": "db://u:${secret:KEY}@host", "n": [1, "${secret:KEY}"]}) == {
        "url": "db://u:v@host",
        "n": [1, "v"],
    }


def test_a_secret_that_is_not_set_names_the_config_path(monkeypatch):
    monkeypatch.delenv("KEY", raising=False)
    with pytest.raises(ConfigError, match=r"data\.url: the secret KEY is not set"):
        reveal({"url": "${secret:KEY}"}, "data")
