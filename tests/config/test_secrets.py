import pytest

from runtree.config.secrets import redact, redact_override, reveal
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


@pytest.mark.parametrize("key", ["password", "api_key", "apikey", "db.token", "client_secret"])
def test_values_under_telling_names_are_hidden(key):
    assert redact({key: "x"}) == {key: "***"}
    assert redact_override(f"data.{key}=x") == f"data.{key}=***"


def test_other_values_are_kept():
    assert redact({"n_tokens": "x", "tokenizer": "t", "token": "${secret:T}"}) == {
        "n_tokens": "x", "tokenizer": "t", "token": "${secret:T}",
    }  # fmt: skip
    assert redact_override("seed=1") == "seed=1"


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("http://me:word@host:5000/x", "http://***@host:5000/x"),
        ("https://token@host", "https://***@host"),
        ("postgresql://me:word@host/db", "postgresql://***@host/db"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("db://me:${secret:WORD}@host", "db://me:${secret:WORD}@host"),
        ("https://host/@me", "https://host/@me"),
    ],
)
def test_what_an_address_gives_away_is_hidden(address, written):
    assert redact({"uri": address, "all": [address]}) == {"uri": written, "all": [written]}
    assert redact_override(f"+tracking.mlflow.uri='{address}'") == f"+tracking.mlflow.uri='{written}'"
