"""Rows for a model that was trained on a join, from its kinds of sources: files, joined files, queries."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runtree.app import App
from runtree.app.evaluate import EvaluationRequest, rows_to_predict
from runtree.cli.evaluate import one_file
from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.predict_file import predict_file
from runtree.records.find import find_run
from runtree.testing.fixtures import PLAIN, UNEXAMINED, quoted, train

ROWS = 80


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """Return the folder of the tables, a run on their join, and its predictor."""
    folder, generator = tmp_path_factory.mktemp("joined"), np.random.default_rng(0)
    customers = pd.DataFrame({"customer": range(20), "age": generator.integers(18, 80, 20)})
    orders = pd.DataFrame({"customer": generator.integers(0, 20, ROWS), "amount": generator.normal(size=ROWS)})
    orders["churned"] = np.where(customers["age"].to_numpy()[orders["customer"]] > 50, "yes", "no")
    customers.to_csv(folder / "customers.csv", index=False)
    orders.to_csv(folder / "orders.csv", index=False)
    orders.iloc[:9].drop(columns="churned").to_csv(folder / "new.csv", index=False)
    orders.iloc[:9].merge(customers).drop(columns="churned").to_csv(folder / "whole.csv", index=False)
    with sqlite3.connect(folder / "shop.db") as database:
        orders.drop(columns="churned").to_sql("orders", database, index=False)
    join = f"data.join=[{{path: {quoted(folder / 'customers.csv')}, on: customer}}]"
    words = ["data=csv", f"data.path={quoted(folder / 'orders.csv')}", "data.target=churned", join, *PLAIN]
    run = train(*words, *UNEXAMINED, "algorithm=logistic", "evaluator.intervals.resamples=0", folder=folder / "out")
    record = find_run(folder / "out", run.folder.name, needs="model")
    return folder, record, App().load_predictor(record)


def rows(joined, file=None, *overrides):
    _, record, predictor = joined
    return rows_to_predict(App(), EvaluationRequest(record, file, overrides), predictor)


def test_a_file_with_the_keys_alone_is_joined_and_one_with_the_columns_is_read_as_it_is(joined):
    folder, _, predictor = joined
    made = rows(joined, str(folder / "new.csv"))
    assert len(made) == 9 and {"customer", "amount", "age"} <= set(made.columns)
    assert rows(joined, str(folder / "whole.csv")) == str(folder / "whole.csv")
    counts = predict_file(predictor, made, folder / "p.csv", ["customer"], batch=4)
    assert counts.rows == 9
    predict_file(predictor, str(folder / "whole.csv"), folder / "q.csv")
    one, two = pd.read_csv(folder / "p.csv"), pd.read_csv(folder / "q.csv")
    assert sorted(one["p_yes"]) == pytest.approx(sorted(two["p_yes"]))


def test_a_table_and_a_query_of_a_database_are_joined(joined):
    pytest.importorskip("sqlalchemy")
    folder, _, _ = joined
    url = f"data.url=sqlite:///{folder / 'shop.db'}"
    assert len(rows(joined, None, "data=sql", url, "data.table=orders")) == ROWS
    query = "data.query='select * from orders where customer < 3 order by amount'"
    made = rows(joined, None, "data=sql", url, query)
    assert 0 < len(made) < ROWS and "age" in made


def test_other_keys_than_those_of_data_are_refused(joined):
    with pytest.raises(ConfigError, match="only keys of data may differ"):
        rows(joined, None, "evaluator.metrics=[f1]")
    folder = joined[0]
    with pytest.raises(DataError, match=r"data\.join\[0\]\.on"):
        pd.DataFrame({"amount": [1.0]}).to_csv(folder / "no_key.csv", index=False)
        rows(joined, str(folder / "no_key.csv"))


def test_words_with_an_equals_sign_are_keys_unless_they_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert one_file(("a.csv", "data.target=y")) == ("a.csv", ("data.target=y",))
    Path("year=2024").mkdir()
    assert one_file(("year=2024",)) == ("year=2024", ())
    assert one_file(("https://host/a.csv?x=1",)) == ("https://host/a.csv?x=1", ())
