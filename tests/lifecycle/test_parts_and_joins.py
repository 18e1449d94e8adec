"""Parts and joins: whose rows are in which split, and what becomes of rows without a partner or with several."""

import numpy as np
import pandas as pd
import pytest

from runtree.config.allowlist import AllowList
from runtree.contract.errors import DataError, RuntreeError, UntrustedError
from runtree.lifecycle.load import load
from runtree.lifecycle.split import split
from runtree.lifecycle.table_options import table_options

NODE = {"_target_": "runtree.data.files.TableFile", "name": "orders", "path": "orders.csv", "target": "y"}
ORDERS = pd.DataFrame(
    {"id": range(60), "customer": np.arange(60) % 6, "amount": np.arange(60) / 4, "y": ["no", "yes"] * 30}
)


@pytest.fixture
def read(folder):
    """Write the orders, and return a function that loads the table of a `data` node."""
    ORDERS.to_csv("orders.csv", index=False)

    def read_node(**keys):
        return load({"seed": 0, "data": {**NODE, **keys}}, AllowList())

    return read_node


# --- Parts.


@pytest.fixture
def parts(folder):
    ORDERS[:30].to_csv("train.csv", index=False)
    ORDERS[30:45].to_parquet("validation.parquet")
    ORDERS[45:].to_csv("test.csv", index=False)
    return {"train": "train.csv", "validation": {"path": "validation.parquet"}, "test": "test.csv"}


def rows_of(table, holds_out=True, **keys):
    made = split(table, table_options({**NODE, **keys}), 0, holds_out)
    ids = table.features["id"]
    return [ids.iloc[made.rows(part)].tolist() for part in ("train", "validation", "test")], made


def test_each_part_is_a_split(read, parts):
    table = read(parts=parts)
    (train, validation, test), made = rows_of(table)
    assert (train, validation, test) == (list(range(30)), list(range(30, 45)), list(range(45, 60)))
    assert made.given == ("train", "validation", "test")
    assert [source["part"] for source in table.sources] == ["train", "validation", "test"]
    assert len({source["fingerprint"] for source in table.sources}) == 3
    # folds have no validation split: its rows are trained on
    assert rows_of(table, holds_out=False)[0] == [list(range(45)), [], list(range(45, 60))]


def test_a_split_without_a_part_is_taken_from_the_train_part(read, parts):
    table = read(path="train.csv", parts={"test": "test.csv"})
    (train, validation, test), _ = rows_of(table)
    assert test == list(range(45, 60))
    assert sorted(train + validation) == list(range(30))
    table = read(parts={"train": "train.csv", "validation": parts["validation"]})
    (train, validation, test), _ = rows_of(table)
    assert validation == list(range(30, 45))
    assert sorted(train + test) == list(range(30))


def test_the_parts_are_in_the_fingerprint_and_a_sample_keeps_them(read, parts):
    whole, divided, other = read(), read(parts=parts), read(parts={**parts, "test": "train.csv", "train": "test.csv"})
    assert len({whole.fingerprint, divided.fingerprint, other.fingerprint}) == 3
    (train, validation, test), _ = rows_of(read(parts=parts, sample=30))
    assert len(train) + len(validation) + len(test) == 30
    assert max(train) < 30 <= min(validation) <= max(validation) < 45 <= min(test)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tset": "test.csv"}, "unknown part at data.parts: 'tset'"),
        ({"test": 3}, "data.parts.test: 3 is neither a path"),
        ({"test": "other.csv"}, "data.parts: the test part lacks columns 'amount', 'y', unlike the train part"),
        (
            {"test": "text.csv"},
            r"column 'amount' holds numbers in the train part \('0.0'\), and texts in the test part",
        ),
    ],
)
def test_parts_that_do_not_fit_are_told(read, parts, given, says):
    ORDERS[["id", "customer"]].to_csv("other.csv", index=False)
    ORDERS.assign(amount="many").to_csv("text.csv", index=False)
    with pytest.raises(RuntreeError, match=says):
        read(parts=given)


# --- Joins.


def joined(read, customers, **keys):
    customers.to_parquet("customers.parquet", index=False)
    return read(join=[{"path": "customers.parquet", "on": "customer", **keys}])


CUSTOMERS = pd.DataFrame({"customer": range(6), "city": list("abcdef")})


def test_a_join_adds_the_columns_of_the_partner_and_keeps_the_order(read):
    table = joined(read, CUSTOMERS[::-1])
    assert table.features["id"].tolist() == list(range(60))
    assert table.features["city"].tolist() == list("abcdef") * 10
    assert table.notes == ()
    assert {key: table.sources[1][key] for key in ("unmatched", "multiplied", "added")} == {
        "unmatched": 0,
        "multiplied": 0,
        "added": 0,
    }


def test_rows_that_a_join_loses_or_multiplies_are_counted_and_told(read):
    some = pd.concat([CUSTOMERS[1:], CUSTOMERS[5:], CUSTOMERS[5:]])
    left, inner = joined(read, some), joined(read, some, how="inner")
    assert (len(left.features), len(inner.features)) == (80, 70)
    assert left.features["city"].isna().sum() == 10
    assert left.notes[0] == (
        "join with customers.parquet on 'customer': 10 of 60 rows have no partner and have no values in its columns"
    )
    assert "10 of 60 rows have no partner and are left out" in inner.notes[0]
    assert "10 rows have several partners, which adds 20 rows" in left.notes[1]
    assert (left.sources[1]["unmatched"], left.sources[1]["multiplied"], left.sources[1]["added"]) == (10, 10, 20)


def test_missing_keys_have_no_partner(read):
    holes = pd.concat([CUSTOMERS.astype({"customer": float}), pd.DataFrame({"customer": [np.nan], "city": ["x"]})])
    ORDERS.assign(customer=ORDERS["customer"].where(ORDERS["customer"] > 0)).to_csv("orders.csv", index=False)
    assert joined(read, holes).features["city"].isna().sum() == 10


KEYS = {
    "whole and decimal numbers": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    "numbers written as text": ["0", "1", "2", "3", "4", "5"],
    "texts of which some are numbers": ["0", "1", "2", "3", "4", "5x"],
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_different_types_are_made_consistent(read, kind):
    table = joined(read, CUSTOMERS.assign(customer=KEYS[kind]))
    assert table.features["city"].fillna("f").tolist() == list("abcdef") * 10


def test_days_and_texts_of_days_are_the_same_key(read):
    days = pd.date_range("2024-01-01", periods=6)
    ORDERS.assign(customer=list(days.strftime("%Y-%m-%d")) * 10).to_csv("orders.csv", index=False)
    assert joined(read, CUSTOMERS.assign(customer=days)).features["city"].tolist() == list("abcdef") * 10


def test_keys_that_cannot_be_compared_are_named_with_examples(read):
    coded = CUSTOMERS.assign(customer=[f"00{n}" for n in range(6)])
    with pytest.raises(DataError) as told:
        joined(read, coded)
    assert str(told.value).splitlines() == [
        "data.join[0].on: column 'customer' holds numbers ('0'), and 'customer' in customers.parquet holds texts ('000')",
        "  to compare both as numbers, type: data.types.customer=number",
        "  to compare both as text, type: data.types.customer=category",
    ]
    with pytest.raises(
        DataError,
        match=r"no row has a partner in customers.parquet\n.* '0' in the table, and 'customer' '90' in customers",
    ):
        joined(read, CUSTOMERS.assign(customer=range(90, 96)))


def test_other_names_several_keys_and_columns_of_one_name(read):
    other = pd.DataFrame({"who": range(6), "amount": 1.5, "y": "-"})
    table = joined(read, other, on={"customer": "who"})
    assert [name for name in table.features if name not in ORDERS] == ["amount_customers", "y_customers"]
    assert "its 'amount' is 'amount_customers'" in table.notes[0]
    assert joined(read, ORDERS[["id", "customer"]].assign(z=1), on=["id", "customer"]).features["z"].eq(1).all()


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("customers.parquet", r"data.join\[0\]: names no columns to join on"),
        ({"path": "customers.parquet", "on": "custmer"}, r"(?s)the table has no 'custmer'.*did you mean: customer"),
        ({"path": "customers.parquet", "on": {"customer": "id"}}, r"customers.parquet has no 'id'"),
        (
            {"path": "customers.parquet", "on": "customer", "how": "outer"},
            r"unknown join at data.join\[0\].how: 'outer'",
        ),
        ({"on": "customer"}, r"data.join\[0\]: names no source"),
        ({"path": "customers.parquet", "on": "customer", "sheat": 1}, r"unknown config key 'data.join\[0\].sheat'"),
    ],
)
def test_a_join_that_cannot_be_made_is_told(read, item, says):
    CUSTOMERS.to_parquet("customers.parquet", index=False)
    with pytest.raises(RuntreeError, match=says):
        read(join=[item])


def test_a_join_may_follow_another_and_keeps_the_parts(read, parts):
    CUSTOMERS[1:].to_csv("customers.csv", index=False)
    pd.DataFrame({"city": list("bcdef"), "land": list("xxyyy")}).to_json("cities.jsonl", orient="records", lines=True)
    joins = [{"path": "customers.csv", "on": "customer", "how": "inner"}, {"path": "cities.jsonl", "on": "city"}]
    table = read(parts=parts, join=joins)
    assert table.features["land"].value_counts().to_dict() == {"x": 20, "y": 30}
    assert table.parts.tolist() == ["train"] * 25 + ["validation"] * 12 + ["test"] * 13


def test_a_third_party_class_is_no_source_of_a_join_unasked(read):
    with pytest.raises(UntrustedError, match=r"os\.system"):
        read(join=[{"_target_": "os.system", "command": "true", "on": "customer"}])
