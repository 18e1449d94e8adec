"""A declared schema in a run: refused or told before the fit, kept by the model, inferred to begin with."""

import numpy as np
import pandas as pd
import pytest
import yaml

from runtree.checks.schema import check_schema, hold_to_schema, infer_schema, whole_frame
from runtree.contract.errors import GateError
from runtree.lifecycle.predict import Predictor, RowCounts, row_notes
from runtree.tables.schema import read_schema

pytest.importorskip("pandera", reason="a declared schema needs the extra schema")


def chosen(text):
    return f"+schema={{columns: {{{text}}}}}"


def test_an_error_is_refused_before_the_fit_and_a_warning_told(make_context, tables):
    context = make_context(tables(), chosen("a: {in_range: {min_value: 0, max_value: 9}}, b: {le: 0}"))
    found = check_schema(context)
    assert found.state == "failed"
    assert found.message.startswith("column 'a': ") and found.message.endswith("(and 1 more)")
    with pytest.raises(GateError, match="schema: column 'a'") as caught:
        hold_to_schema(context.run)
    assert caught.value.exit_code == 3

    told = make_context(tables(), chosen("a: {in_range: {min_value: 0, max_value: 9}, severity: warn}"))
    assert check_schema(told).state == "warned"
    hold_to_schema(told.run)
    assert [finding.name for finding in told.run.table_findings] == ["table: schema"]
    assert (
        check_schema(make_context(tables(), chosen("a: {dtype: number}, y: {isin: ['yes', 'no']}"))).state == "passed"
    )
    assert check_schema(make_context(tables())).state == "skipped"


def test_a_table_passes_the_schema_that_is_inferred_from_it(make_context, tables):
    draw = np.random.default_rng(1)
    frame = tables().assign(
        tiny=draw.normal(scale=1e-9, size=200),
        far=draw.normal(size=200) * 123456.789,
        whole=draw.integers(-5, 5, 200),
        zero=0.0,
        number=[f"N{row}" for row in range(200)],
        day=[f"2024-01-{row % 28 + 1:02d}" for row in range(200)],
        flag=draw.random(200) > 0.5,
        holes=np.where(draw.random(200) < 0.5, np.nan, 1.25),
        void=np.nan,
        words=draw.choice(["no", "0x1", "a: b", "ü"], 200),
    )
    table = make_context(frame, "data.drop=[number]").run.data
    text = infer_schema(table)
    node = yaml.safe_load(text)
    assert list(read_schema(node).validate(whole_frame(table))) == []
    assert node["columns"]["number"] == {"dtype": "category", "nullable": False, "unique": True}
    assert node["columns"]["whole"]["checks"] == {"in_range": {"min_value": -5, "max_value": 4}}
    assert node["columns"]["day"]["dtype"] == "date"
    # and it is a schema of this table alone
    other = whole_frame(table).assign(whole=99, words="new")
    assert len(list(read_schema(node).validate(other))) == 2


def test_a_predictor_holds_rows_to_the_schema_of_its_model():
    schema = read_schema({"columns": {"a": {"ge": 0}, "b": {"le": 9, "severity": "warn"}, "y": {"dtype": "number"}}})
    columns = dict.fromkeys("ab")
    rows = pd.DataFrame({"a": [1.0, -1.0], "b": [1.0, 99.0]})

    class Held(Predictor):
        def _read(self, column, contract, counts):
            return column

    predictor, counts = Held(None, columns, (), schema=schema), RowCounts(rows=10)
    with pytest.raises(GateError, match=r"the schema of the model: column 'a': .* \(row 12\)"):
        predictor.select_columns(rows, counts)
    counts = RowCounts()
    lenient = Held(None, columns, (), schema=schema, refuse=False)
    for _ in range(2):
        lenient.select_columns(rows, counts)
    contracts = Predictor(None, {}, ())
    notes = row_notes(contracts, counts)
    assert [note.partition("such as")[0] for note in notes] == [
        "the schema of the model: column 'a': 1 value is against greater_than_or_equal_to(0), ",
        "the schema of the model: column 'b': 1 value is against less_than_or_equal_to(9), ",
    ]
    assert all(note.endswith("; 2 rows in all") for note in notes)
