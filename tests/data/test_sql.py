"""Rows of SQLite, and of a PostgreSQL server that is started for the tests where its programs are installed."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from postgresql import PASSWORD
from runtree.contract.errors import ConfigError, DataError, MissingError
from runtree.data import sql
from runtree.data.sql import Database, refuse_writes
from runtree.tables.csv_files import Reading
from runtree.testing.fixtures import UNEXAMINED


@pytest.fixture
def shop(folder):
    with sqlite3.connect("shop.db") as connection:
        connection.execute("create table orders (id integer primary key, amount real, code text, churned text)")
        rows = [(n, None if n == 3 else n / 2, f"{n % 7:03}", "yes" if n % 2 else "no") for n in range(60, 0, -1)]
        connection.executemany("insert into orders values (?, ?, ?, ?)", rows)
    connection.close()
    return "sqlite:///shop.db"


def test_a_table_is_read_in_the_order_of_its_key_and_a_query_in_its_own(shop):
    source = Database(shop, table="orders")
    frame = source.load()
    assert frame["id"].tolist() == list(range(1, 61))
    assert frame["code"].tolist()[:3] == ["001", "002", "003"]
    assert frame.dtypes.astype(str).to_dict() == {"id": "int64", "amount": "float64", "code": "str", "churned": "str"}
    assert source.notes(frame, Reading()) == []
    query = Database(shop, query="select code as c from orders where code like '%1' limit 2")
    assert len(query.load()) == 2
    assert "no 'order by'" in query.notes(frame, Reading())[0]


def test_parts_of_another_type_are_one_column(shop, monkeypatch):
    monkeypatch.setattr(sql, "CHUNK_ROWS", 2)
    frame = Database(
        shop, query="select id, amount, case when id > 4 then 'late' else id end as mixed from orders order by id"
    ).load()
    assert np.isnan(frame["amount"][2])
    assert frame["mixed"].tolist()[:6] == ["1", "2", "3", "4", "late", "late"]
    empty = Database(shop, query="select * from orders where id < 0").load()
    assert (len(empty), list(empty)) == (0, ["id", "amount", "code", "churned"])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("delete from orders", "begins with 'delete'"),
        (" /* select */ drop table orders", "begins with 'drop'"),
        ("select 1; drop table orders", "more than one statement"),
        ("select ';' -- ;\n; update orders set id = 1", "more than one statement"),
        ("", "begins with ''"),
    ],
)
def test_only_one_statement_that_reads_is_run(query, says):
    with pytest.raises(ConfigError, match=says):
        refuse_writes(query)


def test_what_reads_is_run_and_nothing_else_can_write(shop):
    for query in ("select ';' as a;", "-- first\nWITH t AS (select 1) select * from t", "(select 1)", "values (1)"):
        refuse_writes(query)
    with pytest.raises(DataError, match="readonly database"):
        Database(shop, query="with t as (select 1) delete from orders").load()
    assert len(Database(shop, table="orders").load()) == 60


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"url": "sqlite:///nope.db", "table": "orders"}, DataError, "data.url: no file nope.db"),
        ({"url": "sqlite://", "table": "orders"}, DataError, "data.url: names no file"),
        ({"url": "shop.db", "table": "orders"}, DataError, "data.url: is not the URL of a database"),
        ({"url": "nosuch://u:p@h/d", "table": "orders"}, MissingError, "no installed package speaks 'nosuch'"),
        ({"table": "order"}, DataError, "did you mean: orders"),
        ({"query": "select nope from orders"}, DataError, r"data\.query: no such column: nope"),
        ({"query": "select id, id from orders"}, DataError, "names 'id' twice"),
        ({}, ConfigError, "name a query or a table"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_database(shop, options, error, says):
    with pytest.raises(error, match=says):
        Database(**{"url": shop, **options}).load()
    assert not Path("nope.db").exists()


# --- PostgreSQL.


def test_the_types_of_postgresql_are_kept(postgresql_server):
    frame = Database(postgresql_server.format(PASSWORD), table="orders").load()
    assert frame["id"].tolist() == list(range(1, 61))
    assert frame["price"].tolist()[:3] == [0.25, 0.5, 0.75]
    assert frame["n"].isna().sum() == 1
    assert frame["paid"].tolist()[:5] == [False, False, True, False, None]
    assert (frame["day"].dtype.kind, str(frame["day"][0].date())) == ("M", "2024-01-02")
    assert isinstance(frame["at"].dtype, pd.DatetimeTZDtype)
    like = Database(
        postgresql_server.format(PASSWORD), query="select count(*) as rows from public.orders where churned like 'y%s'"
    )
    assert like.load()["rows"].tolist() == [30]


def test_postgresql_is_only_read(postgresql_server):
    with pytest.raises(DataError, match=r"data\.query: cannot execute nextval.* in a read-only transaction"):
        Database(postgresql_server.format(PASSWORD), query="select nextval('counter')").load()
    with pytest.raises(DataError, match=r"data\.query: .* must not contain data-modifying"):
        Database(
            postgresql_server.format(PASSWORD), query="with gone as (delete from orders returning *) select * from gone"
        ).load()
    with pytest.raises(DataError, match=r'data\.query: column "nope" does not exist'):
        Database(postgresql_server.format(PASSWORD), query="select nope from orders").load()


def test_no_password_is_in_a_file_a_log_or_an_error(postgresql_server, runtree, folder, monkeypatch):
    words = ["train", "data=sql", "data.table=orders", "data.target=churned", "algorithm=dummy", *UNEXAMINED]
    url = "data.url='{}'".format(postgresql_server.format("${secret:SHOP_PASSWORD}"))
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    said = runtree(*words, url)
    assert said.code == 0, said.err
    monkeypatch.setenv("SHOP_PASSWORD", wrong := "another-w0rd-not-of-the-shop")
    refused = runtree(*words, url)
    typed = runtree(*words, "data.url='{}'".format(postgresql_server.format("typed-w0rd-on-the-line")), "--traceback")
    gone = runtree(*words, url.replace("127.0.0.1", "127.0.0.2"))
    assert [each.code for each in (refused, typed, gone)] == [2, 2, 2]
    assert "data.url: cannot connect to postgresql+psycopg://***@127.0.0.1" in refused.err
    assert "password authentication failed" in refused.err
    everything = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    printed = "".join(each.out + each.err for each in (said, refused, typed, gone)).encode()
    for word in (PASSWORD, wrong, "typed-w0rd-on-the-line"):
        assert word.encode() not in everything + printed
    assert b"postgresql+psycopg://shop:${secret:SHOP_PASSWORD}@" in everything
