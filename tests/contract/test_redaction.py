"""What the redactor hides: known values in every form that a file gives them, and what telling names hold."""

import json
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.contract import redaction
from runtree.contract.errors import ConfigError, UnknownKeyError, error_text, first_line
from runtree.contract.redaction import redact, redact_override, redact_text, redact_values, remember_secret
from runtree.records.ledger import line
from runtree.records.writer import dump_json, dump_yaml, encode_text

CANARY = "Kanari-4711"


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "passwords",
        "userPassword",
        "passwd",
        "pwd",
        "passphrase",
        "api_key",
        "apikey",
        "apiKey",
        "access_key",
        "aws_secret_access_key",
        "db.token",
        "hf_token",
        "client_secret",
        "dsn",
        "authorization",
        "connection_string",
        "DB_PASSWORD",
        "private_key",
        "credentials",
    ],
)
def test_values_under_telling_names_are_hidden(key):
    assert redact({key: "x"}) == {key: "***"}
    assert redact({key: {"user": "x", "more": ["y"]}}) == {key: {"user": "***", "more": ["***"]}}
    assert redact_override(f"data.{key}=x") == f"data.{key}=***"
    assert redact_override(f"+db={{user:u,{key}:{CANARY}}}") == f"+db={{user:u,{key}:***}}"
    assert redact_text(f"Model({key}='another one')") == f"Model({key}=***)"


def test_other_values_are_kept():
    assert redact({"n_tokens": "x", "tokenizer": "t", "token": "${secret:T}", "pad_token": 0, "password": None}) == {
        "n_tokens": "x", "tokenizer": "t", "token": "${secret:T}", "pad_token": 0, "password": None,
    }  # fmt: skip
    for word in ("seed=1", "algorithm=ridge,lasso", "+db.password=${secret:A},${secret:B}", "data.max_tokens=5"):
        assert redact_override(word) == word


def test_a_number_under_a_telling_name_is_a_password():
    assert redact({"password": 123456, "use_password": True}) == {"password": "***", "use_password": True}


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("http://me:word@host:5000/x", "http://***@host:5000/x"),
        ("https://token@host", "https://***@host"),
        ("postgresql://me:word@host/db", "postgresql://***@host/db"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("db://me:${secret:WORD}@host", "db://me:${secret:WORD}@host"),
        ("https://host/@me", "https://host/@me"),
        ("https://host/x?token=abc&n=1", "https://host/x?token=***&n=1"),
        ("Server=a;User=me;Password=word;N=1", "Server=a;User=me;Password=***;N=1"),
    ],
)
def test_what_an_address_gives_away_is_hidden(address, written):
    assert redact({"uri": address, "all": [address]}) == {"uri": written, "all": [written]}
    assert redact_override(f"+tracking.mlflow.uri='{address}'") == f"+tracking.mlflow.uri='{written}'"


def test_what_was_hidden_once_is_hidden_everywhere():
    redact({"db": {"password": CANARY}})
    redact_override(f"+other.password={CANARY}2,{CANARY}3")
    assert redact_values(f"{CANARY} {CANARY}2 {CANARY}3") == "*** *** ***"


def test_a_word_that_was_typed_as_a_password_does_not_hide_the_words_of_files():
    redact({"password": "validation"})
    assert redact_values({"part": "validation"}) == {"part": "validation"}


def test_a_known_value_never_hides_a_key_of_a_file():
    remember_secret("completed")
    assert json.loads(dump_json({"completed": "completed at"})) == {"completed": "*** at"}


def test_a_short_secret_is_hidden_as_a_word():
    remember_secret("ab1")
    assert redact_values("ab1, 'ab1' and cab12") == "***, '***' and cab12"


def test_a_secret_that_is_a_number_is_not_cut_out_of_a_number():
    remember_secret("123456")
    assert json.loads(dump_json({"a": 0.123456, "b": 123456, "c": "pin 123456"})) == {
        "a": 0.123456, "b": 123456, "c": "pin ***",
    }  # fmt: skip


# a word of small letters stays where it is a key
@settings(max_examples=40)
@given(st.text(min_size=7, max_size=12).filter(lambda text: text.strip() and "*" not in text).map("K{}".format))
def test_no_form_of_a_secret_reaches_a_file(secret):
    # each example begins without the secrets of the one before
    known, redaction._KNOWN = redaction._KNOWN, redaction._KnownValues()
    try:
        remember_secret(secret)
        node = {"a": [f"<{secret}>"], secret: 1}
        texts = (secret, escape(secret), quote(secret), quote_plus(secret), json.dumps(secret), repr(secret))
        written = [dump_json(node), dump_json(node, 1), line({"x": node}), dump_yaml(node).encode()]
        for content in [*written, *(encode_text(f"<{text}>") for text in texts)]:
            assert secret.encode("utf-8", "backslashreplace") not in content
    finally:
        redaction._KNOWN = known


def test_a_line_of_the_ledger_hides_the_values_of_a_swept_password():
    assert b"blue" not in line({"event": "begun", "run": 0, "values": {"db.password": "blue"}})


def test_errors_hide_secrets_before_they_are_cut():
    remember_secret(CANARY * 10)
    for text in (str(ConfigError(f"a: {CANARY * 10}", f"hint {CANARY * 10}")), str(UnknownKeyError(CANARY * 10))):
        assert CANARY not in text
    assert CANARY not in first_line(f"{'x' * 480} {CANARY * 10}")
    assert CANARY not in error_text(ValueError(f"x {CANARY * 10}"), 30)


@pytest.mark.parametrize(
    "text", ["db.password: 5 is not a text", "tracking.mlflow.token: the secret X is not set", "export TOKEN=…"]
)
def test_the_config_path_that_begins_an_error_hides_nothing(text):
    assert str(ConfigError(text)) == text
