"""CSV files: what pandas would guess away is kept, and what it would rename is refused."""

import gzip
import zipfile

import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.tables import csv_tables
from runtree.tables.csv_files import MISSING_WORDS, CsvFormat, Reading, check_format, find_format
from runtree.tables.csv_tables import csv_batches, read_csv


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, reading=Reading(), csv=CsvFormat(), name="t.csv"):  # noqa: B008  frozen
        file = tmp_path / name
        content = text.encode(csv.encoding)
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return read_csv(file, csv, reading)

    return write_and_read


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["007", "07", "7"], ["007", "07", "7"]),
        (["7", "8", "09"], ["7", "8", "09"]),
        (["7", "", "09"], ["7", None, "09"]),
        (['"01"', "2", "3"], ["01", "2", "3"]),
        (["-01", "2", "3"], [-1, 2, 3]),
        (["0", "1", "10"], [0, 1, 10]),
        (["0.5", "00.5", "1"], [0.5, 0.5, 1.0]),
        (["0", "", "10"], [0.0, None, 10.0]),
    ],
)
def test_codes_with_leading_zeros_stay_text(read, cells, expected, name):
    for text in (
        "c,b\n" + "\n".join(f"{cell},1" for cell in cells) + "\n",
        "b,c\n" + "\n".join(f"1,{cell}" for cell in cells),
    ):
        found = read(text, name=name)["c"]
        assert [None if pd.isna(value) else value for value in found] == expected


def test_codes_are_found_whatever_the_encoding_and_separator(read):
    for csv in (CsvFormat(";"), CsvFormat("\t"), CsvFormat(",", encoding="utf-16"), CsvFormat("::")):
        text = "c,b\n1,2\n01,3\n".replace(",", csv.separator)
        frame = read(text, csv=csv)
        assert frame["c"].tolist() == ["1", "01"]
        assert frame["b"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("header", "says"), [("x,y,y", "'y' twice"), ("\ufeffx,x", "'x' twice"), ("x,x,x", "'x' 3 times")]
)
def test_a_repeated_name_in_the_header_is_refused(read, header, says):
    with pytest.raises(DataError, match=says):
        read(f"{header}\n1,2,3\n")


def test_a_byte_order_mark_and_an_unnamed_column_do_no_harm(read):
    assert list(read("\ufeffx,y\n1,2\n")) == ["x", "y"]
    assert list(read(",y\n1,2\n")) == ["Unnamed: 0", "y"]


def test_the_usual_words_for_missing_are_those_of_pandas(read):
    for word in MISSING_WORDS[1:]:
        assert read(f"x,y\n{word},1\nb,2\n")["x"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("reading", "x", "n"),
    [
        (Reading(), [None, None, "a"], ["n/d", "1", None]),
        (Reading(missing=("auto", "n/d")), [None, None, "a"], [None, 1.0, None]),
        (Reading(missing=()), ["NA", None, "a"], ["n/d", "1", "NA"]),
        (Reading({"x": "category"}), ["NA", None, "a"], ["n/d", "1", None]),
        (Reading({"x": "category"}, ("auto", "n/d", "a")), ["NA", None, None], [None, 1.0, None]),
    ],
)
def test_what_is_missing_is_the_users_to_say(read, reading, x, n):
    frame = read("x,n\nNA,n/d\n,1\na,NA\n", reading)
    for name, expected in (("x", x), ("n", n)):
        assert [None if pd.isna(value) else value for value in frame[name]] == expected


def test_batches_are_read_as_the_whole(tmp_path):
    (tmp_path / "t.csv").write_bytes("ä;n\n1;0,5\n02;NA\nb;1,5\n".encode("cp1252"))
    csv = CsvFormat(";", ",", "cp1252")
    chunks = list(csv_batches(tmp_path / "t.csv", csv, Reading(), ["ä"], 1))
    assert [chunk["ä"].item() for chunk in chunks] == ["1", "02", "b"]
    assert pd.concat(chunks)["n"].fillna(0).tolist() == [0.5, 0.0, 1.5]


def test_a_mark_groups_the_digits_of_all_columns(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n"1,257",x\n3,"1,257"\n')
    frame = read_csv(tmp_path / "t.csv", CsvFormat(thousands=","), Reading())
    assert frame["a"].tolist() == [1257, 3]
    assert frame["b"].tolist() == ["x", "1,257"]
    with pytest.raises(ConfigError, match=r"data\.thousands: '\.' cannot group digits beside the decimal mark '\.'"):
        check_format(CsvFormat(thousands="."))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("sign", ["", '"', "'"])
@pytest.mark.parametrize("ends_with_a_line", [True, False])
def test_a_code_is_found_wherever_a_block_of_bytes_ends(tmp_path, monkeypatch, end, sign, ends_with_a_line):
    file = tmp_path / "t.csv"
    for cell, is_code in (("0123", True), ("0", False), ("10", False), ("0.5", False), ("01:30", False)):
        rows = ["7,8", "9,10", f"{sign}{cell}{sign},1", f"5,{sign}{cell}{sign}"]
        file.write_bytes((end.join(["a,b", *rows]) + end * ends_with_a_line).encode())
        for size in range(1, 12):
            monkeypatch.setattr(csv_tables, "SEARCH_BYTES", size)
            # the end of a block may be that of a field: then the file is parsed to be sure
            assert csv_tables._may_hold_codes(file, CsvFormat()) or not is_code, (cell, size)
        monkeypatch.undo()
        assert csv_tables._may_hold_codes(file, CsvFormat()) is is_code, cell


@pytest.mark.parametrize("spare", ["", "\n", " \n", '"two\nlines",1\n', "\r"])
@pytest.mark.parametrize("rows", [3, 100])
def test_words_for_missing_are_those_of_the_rows_that_lack_a_value(tmp_path, monkeypatch, spare, rows):
    # what lies between the rows must not shift the lines that are looked at
    monkeypatch.setattr(csv_tables, "WORD_ROWS", rows)
    file = tmp_path / "t.csv"
    file.write_bytes(f"x,y\n{spare}a,1\nb,2\nNA,3\n,4\nnull,5\n".encode())
    csv = CsvFormat()
    frame = csv_tables.read_csv(file, csv, Reading())
    raw = pd.read_csv(file, dtype="str", keep_default_na=False)["x"][:rows]
    expected = sorted({"NA", "null"} & set(raw))
    found = csv_tables.missing_words(file, csv, frame, Reading())
    assert found == ({"x": expected} if expected else {})


def test_spaces_around_names_and_after_separators_are_no_part_of_them(read, tmp_path):
    text = 'code , kind, "y "\n007, a, p\n12, "b, c", q\n'
    expected = {"code": ["007", "12"], "kind": ["a", "b, c"], "y": ["p", "q"]}
    (tmp_path / "t.csv").write_text(text)
    csv = find_format(tmp_path / "t.csv", CsvFormat())
    assert csv.spaced
    assert read(text, csv=csv).to_dict("list") == expected
    assert read(text.replace("007", "7"), Reading({"code": "category"}), csv)["code"].tolist() == ["7", "12"]
    [batch] = csv_batches(tmp_path / "t.csv", csv, Reading(), ["code"], 10)
    assert batch.to_dict("list") == expected | {"code": ["7", "12"]}
    with pytest.raises(DataError, match="names 'y' twice"):
        read("y,y \n1,2\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n# made,by,a tool\n", "line 3 has 3 fields, and the lines before it have 2"),
        ('a,b\n1,"2\n', "the quotation mark that opens in row 1 is not closed"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_line(read, text, says):
    with pytest.raises(DataError, match=says), csv_tables.csv_errors("t.csv", CsvFormat("auto")):
        read(text)


def test_an_archive_of_several_files_is_refused_with_their_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.CSV.ZIP", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    assert read_csv(tmp_path / "t.CSV.ZIP", CsvFormat(), Reading())["x"].tolist() == [1]
    with zipfile.ZipFile(tmp_path / "t.CSV.ZIP", "a") as archive:
        archive.writestr("b.csv", "")
    with pytest.raises(DataError, match=r"data\.path: t\.CSV\.ZIP holds 2 files: a\.csv, b\.csv"):
        read_csv(tmp_path / "t.CSV.ZIP", CsvFormat(), Reading())
