"""Mappings and lists in cells: what they become, alike in a table, in later rows and in a record of a service."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import DataError
from runtree.lifecycle.table_options import TableOptions
from runtree.serving.row_schema import RowError, RowSchema
from runtree.tables.nested import parents_of, refuse_nested, unfold, unfold_record

ROWS = [
    {"at": {"city": "Oslo", "geo": {"lat": 1.5}}, "tags": ["red", "big"], "spent": [1, 3.5], "vector": [1, 2]},
    {"at": {"city": "Rome", "geo": {"lat": 2.5}}, "tags": [], "spent": [], "vector": [None, 4]},
    {"at": None, "tags": ["red"], "spent": [7], "vector": [5, 6]},
    {"at": {"city": "Rome"}, "tags": None, "spent": None, "vector": None},
]
FLAT = {
    "at.city": ["Oslo", "Rome", None, "Rome"],
    "at.geo.lat": [1.5, 2.5, None, None],
    "tags.red": [1, 0, 1, None],
    "tags.big": [1, 0, 0, None],
    "tags.count": [2, 0, 1, None],
    "spent.count": [2, 0, 1, None],
    "spent.mean": [2.25, None, 7, None],
    "spent.min": [1, None, 7, None],
    "spent.max": [3.5, None, 7, None],
    "vector.0": [1, None, 5, None],
    "vector.1": [2, 4, 6, None],
}


def plain(frame):
    return {name: [None if pd.isna(one) else one for one in column] for name, column in frame.items()}


def test_each_kind_of_cell_becomes_columns_and_is_told():
    flat, notes = unfold(pd.DataFrame(ROWS))
    assert plain(flat) == FLAT
    assert [str(dtype) for dtype in flat.dtypes] == ["str", *["float64"] * 10]
    assert notes[0] == (
        "column 'at': mappings become columns (at.city, at.geo.lat); to leave them out, type: data.drop=[at]"
    )
    assert len(notes) == 4


def test_parquet_and_json_are_unfolded_alike(tmp_path):
    from runtree.tables.csv_files import Reading
    from runtree.tables.file_formats import FileOptions, read_files
    from runtree.tables.places import local_files

    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    pd.DataFrame(ROWS).to_parquet(tmp_path / "t.parquet")
    for name in ("t.jsonl", "t.parquet"):
        with local_files(str(tmp_path / name), FileOptions().suffixes, "data.path") as files:
            assert plain(unfold(read_files(files, FileOptions(), Reading(), "data.path")[0])[0]) == FLAT


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_a_row_alone_and_a_record_are_unfolded_as_the_table_was(row):
    # alone, no list shows how long the others are, nor which texts they hold
    expected = {name: values[row] for name, values in FLAT.items()}
    alone = plain(unfold(pd.DataFrame([ROWS[row]]), expected=[*FLAT, "x"])[0])
    assert {name: values[0] for name, values in alone.items()} == expected
    record = unfold_record({**ROWS[row], "x": 3.0}, {*FLAT, "x"}, parents_of(FLAT))
    assert {name: record.get(name) for name in FLAT} == expected
    assert record["x"] == 3.0


def test_what_does_not_fit_is_told_and_not_taken_as_missing():
    from dataclasses import replace

    from runtree.lifecycle.predict import ColumnContract, Predictor, RowCounts

    kinds = {"vector.0": "number", "vector.1": "number", "spent.mean": "number", "spent.count": "number"}
    contracts = {name: ColumnContract(name, "float64", kind) for name, kind in kinds.items()}
    predictor = Predictor(None, contracts, ())
    rows = pd.DataFrame([{"vector": [1, 2], "spent": [1]}, {"vector": [1, 2, 3], "spent": ["much"]}])
    with pytest.raises(DataError, match=r"column 'vector.0' holds '3 numbers, not 2' in row 2, which is not a number"):
        predictor.select_columns(rows)
    counts = RowCounts()
    read = replace(predictor, refuse=False).select_columns(rows, counts)
    assert read["spent.mean"].tolist()[0] == 1 and np.isnan(read["spent.mean"][1])
    assert set(counts.unreadable) == {"vector.0", "vector.1", "spent.mean"}
    # fields that are not there, or not of the model, are columns that are lacking
    with pytest.raises(DataError, match="lacks 2 of the 4 columns"):
        predictor.select_columns(rows[["vector"]])
    assert unfold_record({"vector": {"x": 1}}, contracts, parents_of(contracts)) == {"vector.x": 1}


def test_names_with_points_are_no_fields():
    frame = pd.DataFrame({"sepal": [None, None], "sepal.length": [1.0, 2.0], "sepal.width": [3.0, 4.0]})
    for expected in (["sepal.length", "sepal.width"], ["sepal", "sepal.length"], ["other.a"]):
        assert plain(unfold(frame, expected=expected)[0]) == plain(frame)
    record = {"sepal": None, "sepal.length": 1.0}
    assert unfold_record(record, ["sepal.length"], {"sepal"})["sepal.length"] == 1.0


def test_many_texts_are_one_text_and_a_declared_list_is_one_column():
    frame = pd.DataFrame({"words": [[f"w{row}", "a"] for row in range(60)]})
    flat, _ = unfold(frame)
    assert flat.iloc[7].to_dict() == {"words.count": 2, "words.text": "w7, a"}
    assert plain(unfold(frame.iloc[:1], expected=list(flat))[0]) == {"words.count": [2], "words.text": ["w0, a"]}
    assert unfold(frame, {"words": "text"})[0]["words"][7] == "w7, a"


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([[{"a": 1}]], "column 'c' holds lists of mappings"),
        ([[[1, 2]]], "column 'c' holds lists of lists"),
        ([{f"k{number}": 1} for number in range(300)], "column 'c' holds mappings with 300 different fields"),
    ],
)
def test_what_is_not_unfolded_is_refused_unless_it_is_left_out(cells, says):
    frame = pd.DataFrame({"c": pd.Series(cells, dtype=object)})
    with pytest.raises(DataError, match=says) as caught:
        unfold(frame)
    assert "data.drop=[c]" in str(caught.value)
    for left in ({"dropped": ["c"]}, {"types_of": {"c": "drop"}}):
        assert unfold(frame, **left)[0] is frame
    mixed = pd.DataFrame({"c": [[1], "x", None]})
    assert unfold(mixed)[0] is mixed
    with pytest.raises(DataError, match="column 'c' holds lists or mappings"):
        refuse_nested(mixed, [])
    refuse_nested(mixed, ["c"])
    refuse_nested(pd.DataFrame({"a": [b"1", None], "b": [datetime.date(2024, 1, 1), "x"]}), [])


def test_a_service_tells_what_it_cannot_unfold():
    from runtree.lifecycle.predict import ColumnContract
    from runtree.serving.row_schema import RowField

    fields = [RowField(ColumnContract(name, "float64", "number"), "number") for name in ("tags.red", "tags.count")]
    schema = RowSchema(tuple(fields))
    assert schema.check(schema.unfold({"tags": ["red", "blue"]})).values == [1.0, 2.0]
    with pytest.raises(RowError, match="column 'tags' holds lists of lists"):
        schema.unfold({"tags": [["red"]]})
    with pytest.raises(RowError, match=r"field 'tags.red' is missing"):
        schema.check(schema.unfold({"tags": "red"}))


def test_a_type_of_a_field_is_declared_by_its_name():
    options = TableOptions(target="y", types={"at": {"city": "text", "geo": {"lat": "number"}}, "x": "drop"})
    assert options.reading.types == {"at.city": "text", "at.geo.lat": "number", "x": "drop"}
