"""Sensitive columns: what stands for a value, what is refused, and that every way to read a table gives the same."""

import numpy as np
import pandas as pd
import pytest

from runtree.config.allowlist import AllowList
from runtree.contract.errors import ConfigError, DataError, RuntreeError
from runtree.lifecycle.load import load
from runtree.lifecycle.sensitive import MARK, Protection, read_protection
from runtree.lifecycle.table_options import table_options
from runtree.tables import stream

SECRET = "a-key-of-sixteen-or-more"
NODE = {"_target_": "runtree.data.files.TableFile", "name": "t", "path": "t.csv", "target": "y"}
WAYS = {"email": "hash", "code": "hash", "zip": "mask:2", "name": "drop"}
KEYS = {"sensitive": WAYS, "hash_key": "${secret:HASH_KEY}"}
ROWS = 60
PEOPLE = pd.DataFrame(
    {
        "email": [f"kanari{n % 9}@mail.example" if n % 7 else None for n in range(ROWS)],
        "code": [f"{n % 11:03}" for n in range(ROWS)],
        "zip": [f"80{n % 3}31" for n in range(ROWS)],
        "name": [f"Kanari {n}" for n in range(ROWS)],
        "age": np.arange(ROWS) % 40,
        "y": ["no", "yes"] * (ROWS // 2),
    }
)


@pytest.fixture
def read(folder, monkeypatch):
    """Write the people, and return a function that loads the table of a `data` node."""
    monkeypatch.setenv("HASH_KEY", SECRET)
    PEOPLE.to_csv("t.csv", index=False)
    PEOPLE.to_parquet("t.parquet")
    return lambda **keys: load({"seed": 0, "data": {**NODE, **KEYS, **keys}}, AllowList())


@pytest.fixture
def protection(monkeypatch):
    monkeypatch.setenv("HASH_KEY", SECRET)
    return Protection({"email": "hash", "zip": "mask:2"}, "HASH_KEY")


@pytest.mark.parametrize("way", ["hash", "mask:2"])
@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "hans@mail.example", "Übergröße", "\ud800", "80331"])
def test_what_stands_for_a_value_says_no_more_than_it_must_and_stays_as_it_is(protection, way, text):
    mark = protection.text(way, text)
    assert protection.text(way, mark) == mark
    assert MARK.fullmatch(mark) if way == "hash" else mark in ("***", f"{text[:2]}***")
    assert way == "hash" or len(text) > 2 or mark == "***"  # never the whole value


def test_equal_values_have_equal_hashes_however_they_were_read(protection):
    numbers, texts = pd.Series([7.0, None, 8.0]), pd.Series(["7", None, "8"])
    hashed = protection.column(numbers, "hash")
    assert hashed.equals(protection.column(texts, "hash")) and hashed.isna().tolist() == [False, True, False]
    assert protection.column(pd.Series([True]), "hash").equals(protection.column(pd.Series(["True"]), "hash"))
    days = pd.Series(pd.to_datetime(["2024-01-31", "2024-02-29"]))
    assert protection.column(days, "hash").equals(protection.column(pd.Series(["2024-01-31", "2024-02-29"]), "hash"))
    assert protection.record({"email": 7, "zip": "80331", "age": 1}) == {"email": hashed[0], "zip": "80***", "age": 1}
    assert protection.record({"email": None, "zip": ["x"]}) == {"email": None, "zip": ["x"]}
    assert protection.record({"email": "n/d"}, frozenset({"n/d"})) == {"email": "n/d"}
    other = Protection({"email": "hash"}, "OTHER_KEY")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_KEY", SECRET + "2")
        assert other.column(texts, "hash")[0] != hashed[0]


def test_columns_may_have_numbers_as_names(protection):
    frame = pd.DataFrame({0: ["a", "b"], 1: ["c", "d"]})
    hidden = Protection({"0": "mask:1", "1": "drop"}).frame(frame)
    assert hidden.columns.tolist() == [0] and hidden[0].tolist() == ["***", "***"]
    assert frame[0].tolist() == ["a", "b"]


@pytest.mark.parametrize("path", ["t.csv", "t.parquet"])
def test_nothing_of_a_table_holds_a_value_and_batches_read_it_alike(read, path, monkeypatch):
    monkeypatch.setattr(stream, "BATCH_ROWS", 17)
    whole, streamed = read(path=path), read(path=path, batches=True, batch_sample=40)
    assert list(whole.features) == ["email", "code", "zip", "age"]
    assert whole.features["email"].isna().equals(PEOPLE["email"].isna())
    assert whole.features["email"].dropna().map(lambda text: bool(MARK.fullmatch(text))).all()
    # 001 is no number, and 1 another code
    assert whole.features["code"].nunique() == 11
    assert set(whole.features["zip"]) == {"80***"}
    assert {whole.types[name] for name in ("email", "code", "zip")} == {"category"}
    assert streamed.fingerprint == whole.fingerprint != read(path=path, sensitive={}, hash_key=None).fingerprint
    assert "anari" not in repr(whole) + repr(streamed) and SECRET not in repr(whole)


def test_another_key_gives_another_table_and_the_same_key_the_same(read, monkeypatch):
    first = read().fingerprint
    assert read().fingerprint == first
    monkeypatch.setenv("HASH_KEY", SECRET[::-1])
    assert read().fingerprint != first


def test_words_for_a_missing_value_are_no_values(read):
    PEOPLE.assign(email=["NA", "n/d", *PEOPLE["email"][2:]]).to_csv("t.csv", index=False)
    assert read(missing=["auto", "n/d"]).features["email"][:2].isna().all()


def test_a_group_may_be_hashed_and_what_was_hashed_before_is_counted(read):
    plain = read(sensitive={"name": "drop"}, group="code")
    hashed = read(group="code")
    assert hashed.groups.nunique() == plain.groups.nunique() == 11
    assert pd.crosstab(hashed.groups, plain.groups).gt(0).to_numpy().sum() == 11
    table = read(sensitive={"code": "hash"})
    table.features.assign(y=table.target).to_csv("t.csv", index=False)
    again = read(sensitive={"code": "hash"})
    assert again.features["code"].equals(table.features["code"])
    assert again.notes[-1] == "column 'code': 60 of 60 values are hashes already, and are kept"


@pytest.mark.parametrize(
    ("ways", "more", "says"),
    [
        (["email"], {}, ["data.sensitive: ['email']", "data.sensitive={email: hash}"]),
        ({"email": "hush"}, {}, ["data.sensitive.email: 'hush'", "hash, mask:2, drop"]),
        ({"email": "mask:0"}, {}, ["data.sensitive.email: 'mask:0'", "1 to 99"]),
        ({"email": True}, {}, ["data.sensitive.email: 'True'"]),
        ({"email": "hash"}, {"hash_key": None}, ["data.hash_key: data.sensitive.email=hash needs a key", "openssl"]),
        ({"email": "hash"}, {"hash_key": "typed-kanari"}, ["data.hash_key: a key is not typed, but named"]),
        ({"y": "hash"}, {}, ["data.sensitive.y: column 'y' is data.target", "~data.sensitive.y"]),
        ({"age": "mask:1"}, {"time": "age"}, ["data.sensitive.age: column 'age' is data.time"]),
        ({"age": "drop"}, {"weight": "age"}, ["data.sensitive.age: column 'age' is data.weight"]),
        ({"age": "hash"}, {"split_column": "age"}, ["data.sensitive.age: column 'age' is data.split_column"]),
        ({"code": "drop"}, {"group": "code"}, ["data.sensitive.code: column 'code' is data.group"]),
        ({"code": "hash"}, {"types": {"code": "number"}}, ["data.types.code: 'number'", "~data.types.code"]),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_type(ways, more, says):
    with pytest.raises(ConfigError) as refused:
        table_options({**NODE, "hash_key": "${secret:HASH_KEY}", "sensitive": ways, **more})
    text = "\n".join((refused.value.message, *refused.value.hints))
    assert all(part in text for part in says), text
    assert "typed-kanari" not in text


def test_a_key_must_be_there_be_long_and_be_that_of_the_model(protection, monkeypatch):
    model = Protection.of_model(protection.describe())
    assert model.ways == protection.ways and model.key == protection.key
    assert SECRET not in str(protection.describe())
    for value, says in (
        (None, "the secret HASH_KEY is not set"),
        ("short", "the secret HASH_KEY has fewer than 16 characters"),
        (SECRET + "x", "the secret HASH_KEY is not the key that the model was trained with"),
    ):
        monkeypatch.delenv("HASH_KEY", raising=False) if value is None else monkeypatch.setenv("HASH_KEY", value)
        fresh = Protection.of_model({**model.describe(), "secret": "HASH_KEY"})
        assert fresh.text("mask:2", "80331") == "80***"  # which needs none
        with pytest.raises(ConfigError, match=says):
            fresh.text("hash", "x")
    with pytest.raises(ValueError, match="unknown ways"):
        Protection.of_model({"columns": {"a": "rot13"}})


def test_a_misspelt_column_is_refused_as_it_would_stay_what_it_is(read):
    for keys in ({}, {"batches": True}):
        with pytest.raises(DataError, match=r"unknown column at data\.sensitive: 'emial'") as refused:
            read(sensitive={"emial": "hash"}, **keys)
        assert refused.value.hints[0] == "did you mean: email?"


def test_a_data_frame_that_was_kept_as_it_is_is_refused(read, folder):
    (folder / ".frames").mkdir()
    PEOPLE.to_parquet(".frames/a.parquet")
    with pytest.raises(DataError, match="was kept with all values"):
        read(path=".frames/a.parquet")


# --- Joins and parts.


@pytest.fixture
def customers(read):
    found = pd.DataFrame({"mail": [f"kanari{n}@mail.example" for n in range(9)], "city": [*"abcabcabc"]})
    found.to_csv("c.csv", index=False)
    return {"path": "c.csv", "on": {"email": "mail"}}


def test_tables_are_joined_on_values_and_their_fingerprints_know_only_hashes(read, customers, monkeypatch):
    table = read(join=[customers])
    assert table.features["city"].notna().equals(PEOPLE["email"].notna())
    # a mask would give every row each customer
    masked = read(sensitive={"email": "mask:2"}, join=[customers])
    assert len(masked.features) == ROWS and set(masked.features["email"].dropna()) == {"ka***"}
    before = [source.get("fingerprint") for source in table.sources]
    monkeypatch.setenv("HASH_KEY", SECRET[::-1])
    after = [source.get("fingerprint") for source in read(join=[customers]).sources]
    assert before[1] and before[1] != after[1]


def test_parts_have_fingerprints_that_know_only_hashes(read, monkeypatch):
    PEOPLE[:20].to_csv("test.csv", index=False)
    before = [source["fingerprint"] for source in read(parts={"test": "test.csv"}).sources]
    monkeypatch.setenv("HASH_KEY", SECRET[::-1])
    after = [source["fingerprint"] for source in read(parts={"test": "test.csv"}).sources]
    assert not set(before) & set(after)


def test_a_sensitive_column_that_a_join_renames_must_be_named(read, customers):
    pd.DataFrame({"age": range(40), "email": ["kanari"] * 40}).to_csv("c.csv", index=False)
    with pytest.raises(ConfigError, match=r"column 'email' of c\.csv becomes 'email_c'") as refused:
        read(join=[{"path": "c.csv", "on": "age"}])
    assert refused.value.hints == ("type: data.sensitive.email_c=hash",)
    table = read(join=[{"path": "c.csv", "on": "age"}], sensitive={**WAYS, "email_c": "drop"})
    assert "email_c" not in table.features


QUOTED = {
    "no partner": {"join": [{"path": "other.csv", "on": {"email": "who"}}]},
    "another kind": {"join": [{"path": "numbers.csv", "on": {"email": "who"}}]},
    "kinds of parts": {"parts": {"test": "code.parquet"}},
}


@pytest.mark.parametrize("name", QUOTED)
def test_no_error_of_reading_quotes_a_value(read, name):
    pd.DataFrame({"who": ["kanari-other"], "city": ["a"]}).to_csv("other.csv", index=False)
    pd.DataFrame({"who": [4711], "city": ["a"]}).to_csv("numbers.csv", index=False)
    PEOPLE.assign(code=[4711] * ROWS).to_parquet("code.parquet")
    with pytest.raises(RuntreeError) as refused:
        read(**QUOTED[name])
    text = "\n".join((refused.value.message, *refused.value.hints))
    assert "not shown" in text
    assert "kanari" not in text and "4711" not in text
    # without data.sensitive the same message has examples
    with pytest.raises(RuntreeError) as refused:
        read(**QUOTED[name], sensitive={}, hash_key=None)
    assert "not shown" not in str(refused.value) + str(refused.value.hints)


def test_an_empty_mapping_changes_nothing():
    protection = read_protection({}, None, {"data.target": "y"}, {})
    assert protection.frame(PEOPLE) is PEOPLE and protection.ways == {}
