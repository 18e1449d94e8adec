import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.data.bundled import Bundled
from runtree.data.files import TableFile
from runtree.data.synthetic import SyntheticClassification, SyntheticRegression
from runtree.tables.csv_files import Reading


@pytest.mark.parametrize(
    ("source", "rows", "classes"),
    [("breast_cancer", 569, 2), ("iris", 150, 3), ("wine", 178, 3), ("digits", 1797, 10), ("diabetes", 442, 0)],
)
def test_bundled_tables_are_real_and_name_their_classes(source, rows, classes):
    frame = Bundled(source).load()
    assert len(frame) == rows
    if classes:
        assert frame["target"].nunique() == classes
        assert all(isinstance(label, str) for label in frame["target"].unique())


def test_an_unknown_table_is_refused():
    with pytest.raises(ConfigError, match="did you mean: iris"):
        Bundled("iriss").load()


def test_a_csv_is_read_as_it_is_written(tmp_path):
    (tmp_path / "t.csv").write_bytes("größe;y\n1,5;a\n2,5;b\n".encode("latin-1"))
    frame = TableFile(str(tmp_path / "t.csv"), separator=";", decimal=",", encoding="latin-1").load()
    assert frame["größe"].tolist() == [1.5, 2.5]


def test_a_compressed_csv_and_a_parquet_file_are_read(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "y": ["p", "q"]})
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    assert TableFile(str(tmp_path / "t.csv.gz")).load().equals(frame)
    assert TableFile(str(tmp_path / "t.parquet")).load().equals(frame)


def test_words_that_were_taken_as_missing_are_told_once_for_all_columns(tmp_path):
    (tmp_path / "t.csv").write_text("country,size,when,n\nNA,null,,1\nDE,big,NA,NA\n,small,NA,2\n")
    source = TableFile(str(tmp_path / "t.csv"))
    [note] = source.notes(source.load(), Reading())
    assert note.startswith("column 'country' and 2 other columns of text: NA, null are taken as missing")
    assert note.endswith("type: data.types.country=category")
    everywhere = Reading(dict.fromkeys(["country", "size", "when"], "category"))
    for reading in (everywhere, Reading(missing=()), Reading(missing=("auto", "NA", "null"))):
        assert source.notes(source.load(reading=reading), reading) == []


def test_a_missing_file_is_answered_with_what_lies_beside_it(tmp_path):
    (tmp_path / "sales.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"sales\.csv"):
        TableFile(str(tmp_path / "sale.csv")).load()


def test_made_up_tables_repeat_and_have_the_size_that_was_asked_for():
    one = SyntheticClassification(rows=50, features=6, informative=3, classes=3)
    assert one.load().equals(one.load())
    assert one.load().shape == (50, 7)
    assert one.load()["target"].nunique() == 3
    other = SyntheticRegression(rows=40, features=5, informative=2, noise=0.0)
    assert other.load().shape == (40, 6)
    assert not other.load().equals(SyntheticRegression(rows=40, features=5, informative=2, noise=0.0, seed=1).load())
