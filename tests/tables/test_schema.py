"""A declared schema: what is found in a table, and that a schema runs no code."""

import builtins

import numpy as np
import pandas as pd
import pytest
import yaml

from runtree.contract.errors import ConfigError, MissingError
from runtree.tables.schema import read_schema

ORDERS = """
id: order
columns:
  order: {dtype: integer, unique: true}
  amount: {dtype: number, nullable: true, checks: {in_range: {min_value: 0, max_value: 10}}}
  city: {dtype: str, isin: [Oslo, Rome], severity: warn}
  start: {dtype: date, ge: "2024-01-01"}
  end: {dtype: date, less_than: {value: "2025-01-01", options: {raise_warning: true}}}
  code: {str_matches: '^[A-Z]\\d{2}$', required: false}
  paid: {dtype: boolean}
rules:
  - end >= start
  - {rule: amount > 3 or city == "Rome", severity: warn}
"""


@pytest.fixture
def schema():
    pytest.importorskip("pandera", reason="a declared schema needs the extra schema")
    return read_schema(yaml.safe_load(ORDERS))


def orders(rows=4):
    return pd.DataFrame(
        {
            "order": np.arange(rows) + 10,
            "amount": 5.0,
            "city": "Oslo",
            "start": "2024-01-31",
            "end": pd.Timestamp("2024-02-01"),
            "code": "A01",
            "paid": True,
        }
    )


def test_a_table_as_declared_has_no_fault(schema):
    assert list(schema.validate(orders())) == []


@pytest.mark.parametrize(
    ("column", "values", "severity", "says"),
    [
        ("order", [10, 11, 10, 12], "error", "column 'order': 2 values are not unique, such as 10 (order 10, 10)"),
        ("order", [10, 11.5, 12, 13], "error", "1 value is no whole number, such as 11.5 (order 11.5)"),
        ("amount", ["1,0", "x", "3", "4"], "error", "no number, such as '1,0' (order 10, 11)"),
        (
            "amount",
            [5, 5, 50, 5],
            "error",
            "1 value is against in_range(min_value=0, max_value=10), such as 50 (order 12)",
        ),
        ("city", ["Oslo", "Bonn", "Oslo", None], "warn", "against isin(['Oslo', 'Rome']), such as 'Bonn' (order 11)"),
        ("city", ["Oslo", "Oslo", "Oslo", None], "warn", "column 'city': 1 value is missing (order 13)"),
        (
            "start",
            ["2024-01-31", "2023-12-31"] * 2,
            "error",
            "greater_than_or_equal_to(2024-01-01), such as '2023-12-31",
        ),
        ("end", pd.Timestamp("2026-01-01"), "warn", "4 values are against less_than(2025-01-01)"),
        ("end", pd.Timestamp("2024-01-30"), "error", "rule end >= start: 4 rows are against it (order 10, 11, 12, 13)"),
        ("amount", [2, 4, 4, None], "warn", 'rule amount > 3 or city == "Rome": 1 row is against it (order 10)'),
        ("code", ["A01", "a1", "B22", "C33"], "error", "such as 'a1' (order 11)"),
        ("paid", [True, "maybe", False, "true"], "error", "no boolean, such as 'maybe' (order 11)"),
    ],
)
def test_each_fault_is_told_with_its_rows(schema, column, values, severity, says):
    found = [one for one in schema.validate(orders().assign(**{column: values})) if says in one.says]
    assert [one.severity for one in found] == [severity]


def test_columns_that_are_missing_or_unknown_are_faults_of_a_whole_table_only(schema):
    frame = orders().drop(columns=["paid", "code"])
    assert [one.says for one in schema.validate(frame)] == ["column 'paid' is not in the table"]
    assert list(schema.validate(frame, whole=False)) == []
    strict = read_schema({"columns": {"order": None}, "strict": True})
    assert [one.says for one in strict.validate(orders()[["order", "city"]])] == ["column 'city' is not in the schema"]


def test_a_batch_is_not_judged_by_what_is_unique_and_counts_its_rows_on(schema):
    frame = orders().assign(order=10, amount=[5, 5, 5, 99]).drop(columns="order")
    [found] = schema.validate(frame, whole=False, first=101)
    assert found.says.endswith("such as 99 (row 104)")


def test_what_names_a_column_that_is_not_there_is_a_fault_of_a_whole_table():
    """A rule of undeclared columns is looked at; one that is misspelt would hold of every table."""
    frame = pd.DataFrame({"a": [1, 5], "bb": [2, 3], "c": "x"})
    node = {"rules": ["a < bb", "a < b", {"rule": "d == 1", "severity": "warn"}], "unique": ["a", "z"], "id": "cc"}
    assert [(one.says, one.severity) for one in read_schema(node).validate(frame)] == [
        ("rule a < b: column 'b' is not in the table; did you mean 'bb'?", "error"),
        ("rule d == 1: column 'd' is not in the table", "warn"),
        ("unique: column 'z' is not in the table", "error"),
        ("id: column 'cc' is not in the table; did you mean 'c'?", "error"),
        ("rule a < bb: 1 row is against it (row 2)", "error"),
    ]
    assert [one.says for one in read_schema(node).validate(frame, whole=False)] == [
        "rule a < bb: 1 row is against it (row 2)"
    ]
    # such a rule would compare with the text "a"
    with pytest.raises(ConfigError, match=r"a may be text or the column a.*\n.*compare by <= and >="):
        list(read_schema({"rules": ["c != a"]}).validate(frame))


def test_the_levels_of_a_category_may_be_numbers(schema):
    node = {
        "columns": {"a": {"dtype": "category", "checks": {"isin": [1, 2.5], "ne": 3, "str_length": {"min_value": 1}}}}
    }
    for values in ([1, 2.5], ["1", "2.5"]):
        assert list(read_schema(node).validate(pd.DataFrame({"a": values}))) == []
    [one, two] = read_schema(node).validate(pd.DataFrame({"a": [1, 2.5, 3]}))
    assert one.what.startswith("column 'a': against isin") and two.what == "column 'a': against not_equal_to(3)"


def test_arguments_that_are_no_texts_are_refused_and_others_told(schema):
    with pytest.raises(ConfigError, match=r"^schema\.columns\.c\.checks\.isin: true is no text; YAML reads yes"):
        read_schema({"columns": {"c": {"dtype": "category", "checks": {"isin": [True, "maybe"]}}}})
    [found] = read_schema({"columns": {"a": {"gt": "x"}}}).validate(pd.DataFrame({"a": [1.5, 2.5]}))
    assert found.says.startswith("column 'a': 2 values are not to be compared by greater_than(x) (")


def test_what_pandera_writes_is_read():
    pa = pytest.importorskip("pandera.pandas", reason="a declared schema needs the extra schema")
    written = pa.DataFrameSchema(
        {
            "a": pa.Column(float, [pa.Check.in_range(0, 1), pa.Check.gt(-1)], nullable=True),
            "b": pa.Column(str, pa.Check.str_length(1, 2, raise_warning=True), unique=True),
        }
    )
    read = read_schema(yaml.safe_load(written.to_yaml()))
    frame = pd.DataFrame({"a": [0.5, 2, None], "b": ["x", "x", "long"]})
    assert [(one.what, one.severity) for one in read.validate(frame)] == [
        ("column 'a': against in_range(min_value=0, max_value=1, include_min=True, include_max=True)", "error"),
        ("column 'b': not unique", "error"),
        ("column 'b': against str_length(min_value=1, max_value=2)", "warn"),
    ]


HOSTILE = [
    {"columns": {"a": {"checks": {"planted": 1}}}},
    {"columns": {"a": {"planted": 1}}},
    {"columns": {"a": {"checks": {"register_check_method": 1}}}},
    {"columns": {"a": {"checks": {"__class__": 1}}}},
    {"columns": {"a": {"checks": {"gt": {"value": 1, "options": {"_check_fn": "os.system"}}}}}},
    {"columns": {"a": {"checks": {"gt": {"value": {"_target_": "os.system"}}}}}},
    {"columns": {"a": {"checks": {"isin": [{"_target_": "os.system"}]}}}},
    {"columns": {"a": {"dtype": "os.system"}}},
    {"columns": {"a": {"parsers": ["os.system"]}}},
    {"checks": {"planted": 1}},
    {"rules": ["__import__('os').system('x')"]},
]


@pytest.mark.parametrize("node", HOSTILE, ids=str)
def test_a_schema_runs_no_code(node):
    """Only listed checks are built: also one that a package has registered with pandera is refused."""
    pytest.importorskip("pandera", reason="a declared schema needs the extra schema")
    from pandera.api.checks import Check
    from pandera.extensions import register_check_method

    ran = []
    if not hasattr(Check, "planted"):

        @register_check_method(statistics=["value"])
        def planted(column, *, value):
            ran.append(value)
            return True

    with pytest.raises(ConfigError):
        list(read_schema(node).validate(pd.DataFrame({"a": [1]})))
    assert ran == []


def test_without_pandera_it_says_what_to_install(monkeypatch):
    imported = builtins.__import__

    def absent(name, *others, **more):
        if name.startswith("pandera"):
            raise ImportError(name)
        return imported(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingError, match="needs pandera") as caught:
        read_schema({"columns": {"a": {"isin": [1]}}})
    assert caught.value.exit_code == 4
    assert "runtree[schema]" in caught.value.hints[0]
