import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow
import pytest

from runtree.contract.errors import DataError
from runtree.lifecycle.predict import ColumnContract, Predictor, RowCounts, row_notes
from runtree.lifecycle.predict_file import batches
from runtree.tables.csv_files import CsvFormat, Reading

ROWS = 300


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train once on a table with every kind of column; yield the folder of the outputs and the table."""
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags
    from runtree.testing.fixtures import UNEXAMINED

    place = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": [f"c{n}" for n in range(ROWS)],
            "age": rng.normal(40, 9, ROWS).round(1),
            "zip": rng.choice(["01234", "10000", "00007"], ROWS),
            "city": rng.choice(["Rome", "Oslo", None], ROWS),
            "joined": pd.date_range("2024-01-01", periods=ROWS, freq="D").astype(str),
        }
    )
    table.loc[::9, "age"] = np.nan
    table["bought"] = np.where(table["age"].fillna(40) + rng.normal(0, 3, ROWS) > 40, "yes", "no")
    table.to_csv(place / "table.csv", index=False)
    words = [
        "data=csv",
        f"data.path={place / 'table.csv'}",
        "data.target=bought",
        "data.drop=[id]",
        "algorithm=logistic",
    ]
    train(App(), parse_flags([*words, *UNEXAMINED, f"outputs={place / 'outputs'}"]))
    return place / "outputs", table


@pytest.fixture
def predict(trained, runtree, folder):
    outputs, _ = trained

    def type_it(table, *words, name="rows.csv"):
        if name.endswith(".csv"):
            table.to_csv(folder / name, index=False)
        else:
            table.to_parquet(folder / name, index=False)
        return runtree("predict", "latest", name, "--outputs", str(outputs), *words)

    return type_it


def test_predictions_equal_those_of_the_run(trained, predict, folder):
    outputs, table = trained
    assert predict(table, "-o", "out.parquet").code == 0
    [saved] = outputs.glob("*/*/predictions.parquet")
    run = pd.read_parquet(saved).set_index("row").sort_index()
    found = pd.read_parquet(folder / "out.parquet")
    assert found["prediction"].tolist() == run["y_pred"].tolist()
    assert found["p_yes"].tolist() == run["p_yes"].tolist()


@pytest.mark.parametrize("batch", [1, 7, 300])
def test_batches_give_what_the_whole_gives(trained, predict, folder, batch):
    _, table = trained
    assert predict(table.head(40), "-o", "a.csv", "--batch", str(batch)).code == 0
    assert predict(table.head(40), "-o", "b.csv").code == 0
    one, two = pd.read_csv(folder / "a.csv"), pd.read_csv(folder / "b.csv")
    assert one["prediction"].tolist() == two["prediction"].tolist()
    assert np.allclose(one["p_yes"], two["p_yes"], rtol=1e-12)  # BLAS adds up in another order for another shape


def test_parquet_and_csv_give_the_same(trained, predict, folder):
    _, table = trained
    assert predict(table, "-o", "a.csv", name="rows.parquet").code == 0
    assert predict(table, "-o", "b.csv").code == 0
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.feather", "rows.tsv.zst", "rows-*.csv"])
def test_rows_of_every_format_are_predicted_as_those_of_csv(trained, predict, runtree, folder, name):
    _, table = trained
    assert predict(table, "-o", "a.csv").code == 0
    if name.endswith(".feather"):
        table.to_feather(folder / name)
    elif name.endswith(".gz"):
        table.to_json(folder / name, orient="records", lines=True)
    elif name.endswith(".zst"):
        # the marks of the training table are typed over
        packed = pyarrow.Codec("zstd").compress(table.to_csv(sep="\t", index=False).encode(), asbytes=True)
        (folder / name).write_bytes(packed)
    else:
        table[:200].to_csv(folder / "rows-1.csv", index=False)
        table[200:].to_csv(folder / "rows-2.csv", index=False)
    words = ["--separator", "auto"] if ".tsv" in name else []
    said = runtree("predict", "latest", name, "-o", "b.csv", "--outputs", str(trained[0]), *words)
    assert (said.code, said.err) == (0, "")
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


def test_more_columns_another_order_and_unknown_categories_are_taken(trained, predict, folder):
    _, table = trained
    other = table[table.columns[::-1]].assign(more=1, city="Atlantis", zip="99999", joined="not a date", age=np.nan)
    said = predict(other, "-o", "out.csv", "--keep", "id", "--unreadable", "missing")
    assert said.code == 0, said.err
    found = pd.read_csv(folder / "out.csv")
    assert list(found) == ["id", "prediction", "p_no", "p_yes"]
    assert found["id"].tolist() == table["id"].tolist()
    assert np.allclose(found["p_no"] + found["p_yes"], 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns=["age", "zip"]), ["lacks 2 of the 4 columns", "age, zip"]),
        (lambda t: t.assign(age="old"), ["age", "old"]),
        (lambda t: t.iloc[:0], ["no rows"]),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_left(trained, predict, folder, change, says):
    (folder / "out.csv").write_text("precious")
    said = predict(change(trained[1]), "-o", "out.csv")
    assert said.code == 2
    assert [words for words in says if words not in said.err] == [], said.err
    assert len(said.err.splitlines()) <= 5
    assert (folder / "out.csv").read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "rows.csv"]


def test_files_that_are_not_there_or_no_tables_are_told(trained, runtree, folder):
    outputs = str(trained[0])
    assert "no file nope.csv" in runtree("predict", "latest", "nope.csv", "--outputs", outputs).err
    (folder / "empty.csv").write_text("")
    assert "empty.csv is empty" in runtree("predict", "latest", "empty.csv", "--outputs", outputs).err
    (folder / "x.parquet").write_text("words")
    assert "not a Parquet file" in runtree("predict", "latest", "x.parquet", "--outputs", outputs).err
    assert runtree("predict", "nosuchrun", "empty.csv", "--outputs", outputs).code == 5
    assert runtree("predict", "latest", "empty.csv", "-o", "x.txt", "--outputs", outputs).code == 2


def test_a_model_with_a_flipped_byte_is_not_loaded(trained, predict, tmp_path):
    outputs, table = trained
    [model] = outputs.glob("*/*/model/model.skops")
    whole = model.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    model.write_bytes(flipped)
    try:
        said = predict(table)
    finally:
        model.write_bytes(whole)
    assert said.code == 2
    assert "not the file that the run wrote" in said.err


@pytest.mark.slow
def test_a_file_larger_than_memory_is_predicted(trained, folder):
    """400,000 rows, 20 MB of text and far more as a table, in a process that may use 64 MiB more than it starts with."""
    outputs, table = trained
    header = ",".join(table.columns)
    lines = table.to_csv(index=False, header=False)
    with (folder / "big.csv").open("w") as file:
        file.write(header + "\n")
        for _ in range(400_000 // ROWS):
            file.write(lines)
    code = (
        "import resource, sys\nfrom runtree.cli.main import main\n"
        "arguments = ['predict', 'latest', sys.argv[1], '--outputs', sys.argv[2], '--batch', '5000', '-o']\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "main([*arguments, 'small.csv']); before = used()\n"
        "arguments[2] = sys.argv[3]\n"
        "main([*arguments, 'big_out.csv']); print(used() - before)"
    )
    small = folder / "small_in.csv"
    small.write_text(header + "\n" + lines)
    done = subprocess.run(
        [sys.executable, "-c", code, str(small), str(outputs), str(folder / "big.csv")],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout.splitlines()[-1]) < 64 * 1024, done.stdout  # KiB
    with (folder / "big_out.csv").open() as file:
        assert sum(1 for _ in file) == 1 + 400_000 // ROWS * ROWS


def test_declared_types_hold_for_later_rows(tmp_path):
    """The model of a table whose times are text gets times, in every batch and from a frame, too."""

    class Mirror:
        def predict(self, features):
            self.seen = features
            return features["n"].to_numpy()

    columns = {
        "t": ColumnContract("t", "datetime64[us]", "date"),
        "n": ColumnContract("n", "float64", "number"),
        "c": ColumnContract("c", "str", "few"),
    }
    reading = Reading({"t": "%d/%m/%Y", "n": "number", "c": "category"}, ("auto", "n/d"))
    predictor = Predictor(Mirror(), columns, (), reading, CsvFormat(";", ","))
    (tmp_path / "rows.csv").write_text("t;n;c\n05/01/2024;1.257,5;007\n06/01/2024;50 %;NA\n2024-01-07;n/d;7\n")
    chunks = list(batches(tmp_path / "rows.csv", predictor, (), 1))
    assert [predictor.predict(chunk)["prediction"].item() for chunk in chunks[:2]] == [1257.5, 0.5]
    assert np.isnan(predictor.predict(chunks[2])["prediction"].item())
    whole = pd.DataFrame({"t": ["05/01/2024", "06/01/2024"], "n": ["1,5", None], "c": ["007", "NA"]})
    predictor.predict(whole)
    assert predictor.model.seen["t"].tolist() == [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-06")]
    assert predictor.model.seen["c"].tolist() == ["007", "NA"]
    with pytest.raises(DataError, match=r"column 't' holds '31\.12\.2024' in row 1, which is not a date"):
        predictor.predict(whole.assign(t="31.12.2024").head(1))


def test_what_training_took_as_missing_is_missing_in_later_rows_and_counted():
    class Constant:
        def predict(self, features):
            return np.zeros(len(features))

    columns = {
        "price": ColumnContract("price", "float64", "number", strays=["n/d"]),
        "share": ColumnContract("share", "float64", "number"),
        "day": ColumnContract("day", "str", "date", "%d/%m/%Y", strays=["soon"]),
    }
    predictor = Predictor(Constant(), columns, (), Reading({"price": "number", "share": "decimal_comma"}))
    rows = pd.DataFrame({"price": ["$5", "n/d"], "share": ["12,5", "1.257"], "day": ["31/12/2024", "soon"]})
    counts = RowCounts()
    read = predictor.select_columns(rows, counts)
    assert read["price"].tolist()[:1] + read["share"].tolist() == [5, 12.5, 1257]
    assert read.isna().sum().tolist() == [1, 0, 1]
    assert {name: count for name, (count, _) in counts.unreadable.items()} == {"price": 1, "day": 1}
    assert (
        "column 'day' holds 'soon' in row 2, which is not a date; 1 of 2 values were" in row_notes(predictor, counts)[1]
    )
    with pytest.raises(DataError, match=r"column 'price' holds '\?' in row 4, which is not a number"):
        predictor.select_columns(rows.assign(price=["n/d", "?"]), counts)


@pytest.mark.parametrize(
    ("dtype", "kind", "values", "says"),
    [
        ("float64", "", ["1", "old"], "column 'a' holds 'old' in row 2, which is not a number"),
        ("int64", "", ["old", "old"], "column 'a' holds 'old' in row 1 (2 such rows), which is not a number"),
        ("datetime64[us]", "", ["2024-01-01", "soon"], "column 'a' holds 'soon' in row 2, which is not a date"),
        ("str", "", ["1", "old"], None),
        ("str", "dropped", ["1", "old"], None),
        ("bool", "", [True, None], None),
    ],
)
def test_whatever_preprocesses_the_type_of_the_training_table_holds(dtype, kind, values, says):
    class Constant:
        def predict(self, features):
            return np.zeros(len(features))

    predictor = Predictor(Constant(), {"a": ColumnContract("a", dtype, kind)}, ())
    rows = pd.DataFrame({"a": values})
    if says is None:
        assert predictor.select_columns(rows)["a"].tolist() == values
        return
    with pytest.raises(DataError) as caught:
        predictor.predict(rows)
    assert says in str(caught.value)
    counts = RowCounts()
    replace(predictor, refuse=False).predict(rows, counts=counts)
    assert counts.unreadable["a"][0] == sum(value in ("old", "soon") for value in values)
