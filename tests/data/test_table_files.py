"""Each format of files once for real: what is stored is what is read, and what differs between files is told."""

import bz2
import datetime
import decimal
import gzip
import http.server
import importlib.util
import json
import lzma
import threading
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from runtree.contract.errors import ConfigError, DataError, MissingError
from runtree.data.files import TableFile
from runtree.tables.csv_files import Reading

FRAME = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "x": [0.5, None, 2.5],
        "code": ["007", "7", "010"],
        "day": pd.to_datetime(["2024-01-31", None, "2024-03-01"]).astype("datetime64[us]"),
        "yes": [True, False, True],
        "y": ["p", "q", "p"],
    }
)


def csv_bytes(frame=FRAME):
    return frame.to_csv(index=False).encode()


def load(path, reading=Reading(), **options):  # noqa: B008  frozen
    source = TableFile(str(path), **options)
    frame = source.load(reading)
    return frame, source


def zipped(content, file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t.csv", content)


PACK = {
    ".gz": lambda content, file: file.write_bytes(gzip.compress(content)),
    ".bz2": lambda content, file: file.write_bytes(bz2.compress(content)),
    ".xz": lambda content, file: file.write_bytes(lzma.compress(content)),
    ".zst": lambda content, file: file.write_bytes(pa.Codec("zstd").compress(content, asbytes=True)),
    ".zip": zipped,
}


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_file_is_read_as_the_plain_one(tmp_path, suffix):
    (tmp_path / "t.csv").write_bytes(csv_bytes())
    PACK[suffix](csv_bytes(), tmp_path / f"t.csv{suffix}")
    plain, _ = load(tmp_path / "t.csv")
    packed, _ = load(tmp_path / f"t.csv{suffix}")
    pd.testing.assert_frame_equal(plain, packed)
    assert plain["code"].tolist() == ["007", "7", "010"]
    (tmp_path / f"t.csv{suffix}").write_bytes(b"no archive")
    with pytest.raises(DataError, match=f"data.path: .*t.csv{suffix}"):
        load(tmp_path / f"t.csv{suffix}")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_and_encoding_are_found_and_told(tmp_path, mark, encoding):
    text = 'größe;"a;b";y\n1.5;"x;z";ä\n2.5;c;b\n'.replace(";", mark)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    frame, source = load(tmp_path / "t.csv")
    assert list(frame.columns) == ["größe", f"a{mark}b", "y"]
    assert frame["größe"].tolist() == [1.5, 2.5]
    assert frame["y"].tolist() == ["ä", "b"]
    usual = mark == "," and encoding.startswith("utf-8")
    notes = source.notes(frame, Reading())
    assert len(notes) == (not usual)
    if notes:
        assert f"the encoding {encoding}" in notes[0]
        assert ("a tab" if mark == "\t" else repr(mark)) in notes[0]


def test_a_byte_that_is_not_utf8_may_come_late(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,y\n" + b"1,p\n" * 20_000 + "2,ä\n".encode("cp1252"))
    frame, source = load(tmp_path / "t.csv")
    assert frame["y"].iloc[-1] == "ä"
    assert source.origin.csv.encoding == "cp1252"


def test_what_is_given_is_not_guessed(tmp_path):
    (tmp_path / "t.csv").write_bytes("a;b,y\nä;1,p\n".encode("latin-1"))
    frame, source = load(tmp_path / "t.csv", separator=",", encoding="latin-1")
    assert list(frame.columns) == ["a;b", "y"]
    assert source.notes(frame, Reading()) == []
    with pytest.raises(DataError, match=r"not encoded in utf-8.*\n.*data.encoding=latin-1"):
        load(tmp_path / "t.csv", encoding="utf-8")


# --- Many files.


def test_a_folder_and_a_glob_are_one_table_and_text_in_one_file_is_text_in_all(tmp_path):
    place = tmp_path / "orders"
    (place / "old").mkdir(parents=True)
    (place / "a.csv").write_text("id,c,n,y\n1,7,1,p\n2,8,2,q\n")
    (place / "b.csv").write_text("y,id,c,n\np,3,007,1.5\n")
    (place / "old" / "c.csv").write_text("id,c,n,y\n4,,,q\n")
    (place / "_SUCCESS").write_text("")
    (place / "readme.md").write_text("about")
    whole, source = load(place)
    assert whole["id"].tolist() == [1, 2, 3, 4]
    assert whole["c"].fillna("-").tolist() == ["7", "8", "007", "-"]
    assert whole["n"].fillna(-1).tolist() == [1, 2, 1.5, -1]
    assert (source.origin.files, source.origin.rows) == (3, 4)
    globbed, _ = load(place / "*.csv")
    assert globbed["id"].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="no file matches"):
        load(place / "*.tsv")


def test_columns_that_differ_between_files_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,p\n")
    (tmp_path / "b.csv").write_text("b,y\n1,p\n")
    with pytest.raises(DataError, match=r"b.csv lacks column 'a' and has column 'b' besides, unlike a.csv"):
        load(tmp_path)


def test_parquet_is_read_from_folders_with_partitions_and_types_that_widen(tmp_path):
    for year, frame in {2023: FRAME, 2024: FRAME.assign(n=[0.5, 1.5, 2.5])}.items():
        (tmp_path / f"year={year}").mkdir()
        frame.to_parquet(tmp_path / f"year={year}" / "part.parquet")
    frame, source = load(tmp_path)
    assert frame["year"].tolist() == [2023] * 3 + [2024] * 3
    assert frame["n"].tolist() == [1, 2, 3, 0.5, 1.5, 2.5]
    assert source.origin.files == 2
    pyarrow.parquet.write_table(
        pa.table({**FRAME.drop(columns="n"), "n": ["a", "b", "c"]}), tmp_path / "year=2024/x.parquet"
    )
    with pytest.raises(
        DataError, match=r"column 'n' is double in year=2023/part.parquet, and (large_)?string in year=2024/x"
    ):
        load(tmp_path)


def test_decimals_and_days_of_arrow_are_numbers_and_dates(tmp_path):
    table = pa.table(
        {"price": [decimal.Decimal("1.25"), None], "day": [datetime.date(2024, 1, 2), None], "y": ["p", "q"]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "t.feather")
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    for name in ("t.parquet", "t.feather", "t.arrow"):
        frame, _ = load(tmp_path / name)
        assert frame["price"].dtype == "float64"
        assert frame["day"].dtype.kind == "M"
    (tmp_path / "bad.arrow").write_bytes(b"words")
    with pytest.raises(DataError, match=r"data.path: .*bad.arrow is not an Arrow file"):
        load(tmp_path / "bad.arrow")


def test_json_lines_keep_texts_that_look_like_numbers(tmp_path):
    rows = json.loads(FRAME.assign(day=FRAME["day"].astype(str)).to_json(orient="records"))
    rows[0]["mixed"], rows[1]["mixed"] = 1, "n/d"
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress((tmp_path / "t.jsonl").read_bytes()))
    (tmp_path / "t.json").write_text(json.dumps(rows))
    frames = [load(tmp_path / name)[0] for name in ("t.jsonl", "t.jsonl.gz", "t.json")]
    assert frames[0]["code"].tolist() == ["007", "7", "010"]
    assert frames[0]["yes"].dtype == bool
    assert frames[0]["mixed"].tolist()[:2] == ["1", "n/d"]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other)
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\nwords\n')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        load(tmp_path / "bad.jsonl")


def test_a_sheet_of_excel_keeps_the_types_of_its_cells(tmp_path):
    pytest.importorskip("python_calamine")
    write_sheet(tmp_path / "t.xlsx", [["n", "code", "y"], [1, "007", "p"], [2, "7", "q"], [None, None, "p"]])
    frame, _ = load(tmp_path / "t.xlsx")
    assert frame["code"].fillna("-").tolist() == ["007", "7", "-"]
    assert frame["n"].fillna(-1).tolist() == [1, 2, -1]
    for sheet in ("Orders", 0, None):
        assert load(tmp_path / "t.xlsx", sheet=sheet)[0].equals(frame)
    with pytest.raises(DataError, match="did you mean: Orders"):
        load(tmp_path / "t.xlsx", sheet="Order")
    with pytest.raises(DataError, match="has 1 sheets"):
        load(tmp_path / "t.xlsx", sheet=3)
    write_sheet(tmp_path / "twice.xlsx", [["y", "y"], ["p", "q"]])
    with pytest.raises(DataError, match="'y' twice"):
        load(tmp_path / "twice.xlsx")
    (tmp_path / "bad.xlsx").write_bytes(b"words")
    with pytest.raises(DataError, match=r"bad.xlsx is not an Excel file"):
        load(tmp_path / "bad.xlsx")


def write_sheet(file, rows):
    """Write a workbook with one sheet "Orders": the three XML files that readers need."""
    cells = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Orders" sheetId="1" '
        'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def cell(value):
    if value is None:
        return "<c/>"
    text = isinstance(value, str)
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>' if text else f"<c><v>{value}</v></c>"


@pytest.mark.skipif(importlib.util.find_spec("python_calamine") is not None, reason="the extra is installed")
def test_without_the_extra_excel_says_what_to_install(tmp_path):
    write_sheet(tmp_path / "t.xlsx", [["a", "y"], [1, "p"]])
    with pytest.raises(MissingError, match=r"pip install 'runtree\[excel\]'"):
        load(tmp_path / "t.xlsx")


def test_a_format_that_does_not_show_is_asked_for(tmp_path):
    (tmp_path / "table").write_bytes(csv_bytes())
    with pytest.raises(DataError, match=r"does not show in its name\n +possible: .csv"):
        load(tmp_path / "table")
    assert len(load(tmp_path / "table", format="csv")[0]) == 3
    with pytest.raises(ConfigError, match="did you mean: parquet"):
        load(tmp_path / "table", format="parkett")


# --- URLs.


@pytest.fixture
def site(tmp_path):
    """Serve the files of a folder on loopback while the test lasts."""
    pytest.importorskip("aiohttp")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_table_on_the_web_is_read_up_to_a_size(tmp_path, site):
    FRAME.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(csv_bytes()))
    assert load(f"{site}/t.parquet")[0].equals(load(tmp_path / "t.parquet")[0])
    assert load(f"{site}/t.csv.gz?version=2")[0].equals(load(tmp_path / "t.csv.gz")[0])
    with pytest.raises(DataError, match=r"data.path: http.*: more than 0.0001 MB\n.*data.max_download_mb"):
        load(f"{site}/t.parquet", max_download_mb=0.0001)
    with pytest.raises(DataError, match=r"data.path: http.*/nope.csv cannot be read \(no such file\)"):
        load(f"{site}/nope.csv")


def test_a_file_url_is_a_path(tmp_path):
    (tmp_path / "a b.csv").write_bytes(csv_bytes())
    assert len(load((tmp_path / "a b.csv").as_uri())[0]) == 3


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/t.csv",
        "ssh://h/t.csv",
        "zip::https://h/t.zip",
        "https://h/a.zip::file:///etc/x.csv",
        "github://a:b@/t.csv",
    ],
)
def test_no_other_protocol_is_spoken(url):
    with pytest.raises(DataError, match="nothing is read by the protocol"):
        load(url)


def test_a_bucket_is_read_by_glob_and_by_folder(monkeypatch):
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        import boto3

        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word-nobody-may-see")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        bucket = boto3.client("s3")
        bucket.create_bucket(Bucket="shop")
        for name in ("a", "b"):
            bucket.put_object(Bucket="shop", Key=f"orders/year=1/{name}.csv", Body=csv_bytes())
        assert len(load("s3://shop/orders/*/*.csv")[0]) == 6
        assert len(load("s3://shop/orders")[0]) == 6
        assert len(load("s3://shop/orders/year=1/a.csv")[0]) == 3
        with pytest.raises(DataError, match=r"data\.path: no file at s3://shop/order"):
            load("s3://shop/order")
    finally:
        server.stop()


def test_a_protocol_without_its_package_says_what_to_install(monkeypatch):
    fsspec = pytest.importorskip("fsspec.core")

    def missing(name, **options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", missing)
    with pytest.raises(MissingError, match=r"pip install 'runtree\[s3\]'"):
        load("s3://bucket/t.csv")
