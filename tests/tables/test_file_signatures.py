"""Files of another format than their name says, in training and in prediction: what they are and what to type."""

import bz2
import gzip
import io
import lzma

import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.tables.csv_files import CsvFormat, Reading, check_format
from runtree.tables.csv_tables import csv_errors
from runtree.tables.file_formats import FileOptions, read_files
from runtree.tables.file_signatures import encoding_of_begin, refuse_other_kind
from runtree.tables.places import DataFiles

TEXT = b"PAR1,x,y\n" + b"".join(b"%d,2,%d\n" % (n, n % 2) for n in range(9))
TABLE = io.BytesIO()
pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]}).to_parquet(TABLE)
PARQUET = TABLE.getvalue()
# (name, content, read as, what it is, what to do)
WRONG = [
    ("t.csv", PARQUET, "csv", "is a Parquet file, not a CSV file", "data=parquet"),
    ("t.csv", b"ARROW1\0\0", "csv", "is an Arrow file", "data=arrow"),
    ("t.csv", b"PK\x03\x04\x14\0\x06\0....xl/workbook.xml", "csv", "is an Excel file", "data=excel"),
    ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "csv", "is an Excel file", "data=excel"),
    ("t.csv", gzip.compress(TEXT), "csv", "is compressed", "rename it: t.csv.gz"),
    ("t.csv", bz2.compress(TEXT), "csv", "is compressed", "rename it: t.csv.bz2"),
    ("t.csv", lzma.compress(TEXT), "csv", "is compressed", "rename it: t.csv.xz"),
    ("t.csv.gz", TEXT, "csv", "is not compressed", "rename it: t.csv"),
    ("t.csv.zst", TEXT, "csv", "is not compressed", "rename it: t.csv"),
    ("t.csv", b"\n<!DOCTYPE HTML><html>", "csv", "is a web page", "download the file itself"),
    ("t.parquet", b"<html>404</html>", "parquet", "is a web page", "download the file itself"),
    ("t.csv", b'[\n {"x": 1}]', "csv", "is a JSON file", "data=json"),
    ("t.csv", b'{"x": 1}\n{"x": 2}\n', "csv", "is a JSON file", "data=json"),
    ("t.csv", b"version https://git-lfs.github.com/spec/v1\noid", "csv", "a pointer of Git LFS", "git lfs pull"),
    ("t.csv", bytes(99), "csv", "begins with NUL bytes", "download it again"),
    ("t.csv", b"%PDF-1.4", "csv", "is a PDF document", "as CSV or Parquet"),
    ("t.csv", b"SQLite format 3\0", "csv", "is an SQLite database", "as CSV or Parquet"),
    ("t.csv", b"\x80\x04\x95\x10", "csv", "is a pickle", "as CSV or Parquet"),
    ("t.csv", b"\x89PNG\r\n", "csv", "is an image", "image_folder"),
    ("t.parquet", TEXT, "parquet", "is not a Parquet file: it is text", "data=csv"),
    ("t.arrow", TEXT, "arrow", "is not an Arrow file: it is text", "data=csv"),
    ("t.xlsx", TEXT, "excel", "is not an Excel file: it is text", "data=csv"),
    ("t.parquet", gzip.compress(PARQUET), "parquet", "is compressed", "unpack it"),
]


@pytest.mark.parametrize(("name", "content", "kind", "says", "remedy"), WRONG, ids=[f"{w[0]} {w[3]}" for w in WRONG])
def test_another_format_is_named_with_what_to_do(tmp_path, name, content, kind, says, remedy):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_files(DataFiles(name, (file,)), FileOptions(kind), Reading(), "data.path")
    assert str(refused.value).startswith(f"data.path: {name}")
    assert says in refused.value.message
    assert remedy in "".join(refused.value.hints)
    # for prediction the name of the file decides how it is read
    with pytest.raises(DataError) as refused:
        refuse_other_kind(file, name, kind, "auto", chosen_by="")
    assert "data=" not in str(refused.value).replace("data=image_folder", "")


def test_a_file_that_is_cut_off_is_told_with_what_to_do(tmp_path):
    (tmp_path / "t.parquet").write_bytes(PARQUET[: len(PARQUET) // 2])
    with pytest.raises(DataError, match=r"t\.parquet is not a Parquet file: .* footer") as refused:
        read_files(DataFiles("t.parquet", (tmp_path / "t.parquet",)), FileOptions("parquet"), Reading(), "data.path")
    assert refused.value.hints == ("it may be damaged or cut off: copy or write it again",)


@pytest.mark.parametrize(
    "content", [TEXT, b"PK,x\n1,2\n", b"BZh,x\n1,2\n", b"{x},y\n1,2\n", b"par1,y\n", b"", b"\n\n", b"GIF,x\n"]
)
def test_text_that_begins_like_a_signature_is_text(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    refuse_other_kind(tmp_path / "t.csv", "t.csv", "csv", "auto")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_an_encoding_that_shows_is_found_or_named(tmp_path, encoding):
    content = "x,naïve,y\n1,é,2\n".encode(encoding)
    assert encoding_of_begin(content) == encoding
    (tmp_path / "t.csv").write_bytes(content)
    files = DataFiles("t.csv", (tmp_path / "t.csv",))
    frame, _ = read_files(files, FileOptions("csv", CsvFormat("auto", ".", "auto")), Reading(), "data.path")
    assert list(frame) == ["x", "naïve", "y"]
    if encoding != "utf-8-sig":
        with pytest.raises(DataError, match=rf"is encoded in {encoding}, not in utf-8\n.*data.encoding={encoding}"):
            read_files(files, FileOptions("csv", CsvFormat()), Reading(), "data.path")


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"encoding": "utf8x"}, "encoding"),
        ({"encoding": "hex"}, "encoding"),
        ({"encoding": "a\0b"}, "encoding"),
        ({"decimal": ""}, "decimal"),
        ({"decimal": ",,"}, "decimal"),
        ({"decimal": "1"}, "decimal"),
        ({"decimal": ","}, "decimal"),
        ({"separator": ""}, "separator"),
        ({"separator": "\n"}, "separator"),
        ({"separator": '"'}, "separator"),
        ({"separator": "(("}, "separator"),
    ],
)
def test_a_format_that_no_file_has_is_refused_by_its_key(wrong, key):
    with pytest.raises(ConfigError, match=rf"^data\.{key}: "):
        check_format(CsvFormat(**wrong))
    names = ("--separator", "--decimal", "--encoding")
    with pytest.raises(ConfigError, match=rf"^--{key}: "):
        check_format(CsvFormat(**wrong), names)


@pytest.mark.parametrize(
    "csv", [CsvFormat(), CsvFormat(";", ","), CsvFormat("|"), CsvFormat(r"\s+"), CsvFormat("auto", ".", "auto")]
)
def test_usual_formats_are_possible(csv):
    check_format(csv)


def test_what_is_wrong_with_a_path_is_not_said_of_its_columns():
    with (
        pytest.raises(DataError, match=r"^t\.csv is not encoded in utf-8 \(byte 1\)\n +say how$"),
        csv_errors("t.csv", CsvFormat(), "say how"),
    ):
        b"a\xff".decode()
