"""Tables on which runtree once answered wrongly, each as a user meets it: one command and what it says."""

import html
import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

from runtree.testing.fixtures import UNEXAMINED

ROWS = 120
DAYS = pd.date_range("2024-01-01", periods=ROWS)
QUICK = ("algorithm=dummy", "compute=cpu", "compute.threads=1", *UNEXAMINED)


def table(**columns):
    numbers = np.random.default_rng(0).normal(size=(ROWS, 2)).round(4)
    target = np.where(numbers[:, 0] > 0, "yes", "no")
    return pd.DataFrame({"x": numbers[:, 0], "z": numbers[:, 1], "c": list("abc") * (ROWS // 3), "y": target}).assign(
        **columns
    )


def unused_category():
    return table(y=pd.Categorical(["yes", "no"] * (ROWS // 2), ["no", "never", "yes"]))


@pytest.fixture
def train(runtree, folder):
    def write_and_train(frame, *words, name="t.csv", verb="train"):
        if isinstance(frame, str):
            (folder / name).write_text(frame)
        elif name.endswith(".csv"):
            frame.to_csv(folder / name, index=False)
        else:
            frame.to_parquet(folder / name)
        kind = "csv" if name.endswith(".csv") else "parquet"
        return runtree(verb, f"data={kind}", f"data.path={name}", "data.target=y", *QUICK, *words)

    return write_and_train


def parts(folder):
    [file] = folder.glob("outputs/*/*/predictions.parquet")
    predictions = pd.read_parquet(file)
    return [predictions["row"][predictions["part"] == part] for part in ("train", "validation", "test")]


SPELLED = {
    "%d/%m/%Y": DAYS.strftime("%d/%m/%Y"),
    "m/d/yyyy": [f"{day.month}/{day.day}/{day.year}" for day in DAYS],
    "%b %d %Y": DAYS.strftime("%b %d %Y"),
}


@pytest.mark.parametrize("spelling", SPELLED)
def test_the_test_split_holds_the_latest_days(train, folder, spelling):
    said = train(table(t=SPELLED[spelling]), "data.time=t")
    assert said.code == 0, said.err
    first, second, third = parts(folder)
    assert first.max() < second.min() <= second.max() < third.min()


def test_numbers_kept_as_text_are_in_order_too(train, folder):
    assert train(table(t=[str(row) for row in range(ROWS)]), "data.time=t", name="t.parquet").code == 0
    first, second, third = parts(folder)
    assert first.max() < second.min() <= second.max() < third.min()


def test_rows_of_one_day_are_not_divided_and_check_agrees(train, runtree, folder):
    frame = table(t=np.repeat(["2024-01-01", "2024-01-02", "2024-01-03"], ROWS // 3))
    said = train(frame, "data.time=t")
    assert "note     rows of one 't' stay in one split: test has 40 rows, not 24" in said.out
    assert [set(frame["t"].iloc[rows]) for rows in parts(folder)] == [{f"2024-01-0{day}"} for day in (1, 2, 3)]
    [data] = folder.glob("outputs/*/*/data.json")
    note, _ = json.loads(data.read_text())["notes"]
    assert note in runtree("show", "latest").out
    assert runtree("report", "latest").code == 0
    [page] = folder.glob("outputs/*/*/report.html")
    assert note in html.unescape(page.read_text())
    said = train(frame, "data.time=t", verb="check")
    assert re.search(r"time +passed +the train split ends with 2024-01-01", said.out), said.out


def test_a_sweep_tells_the_notes_on_its_table_once(train):
    said = train(table(c=["007", "07", "7"] * (ROWS // 3)), "-m", "seed=0", "algorithm.strategy=prior,most_frequent")
    assert said.code == 0, said.err
    assert said.out.count("note     column 'c': codes with leading zeros") == 1


REFUSED = {
    "a hole in the time": (
        table(t=DAYS.where(DAYS[5] != DAYS)),
        ["data.time=t"],
        "data.time: column 't' is missing in 1 of 120",
    ),
    "a hole in the group": (
        table(g=np.where(np.arange(ROWS) < 12, np.nan, 1.0)),
        ["data.group=g"],
        "data.group: column 'g' is missing in 12 of 120 rows",
    ),
    "an infinite target": (
        table(y=np.where(np.arange(ROWS) == 3, np.inf, np.arange(ROWS) / 7)),
        [],
        "data.target: column 'y' holds infinity in 1 of 120 rows",
    ),
    "the target twice": ("x,z,y,y\n1,2,a,a\n2,3,b,b\n", [], "the header of t.csv names 'y' twice"),
    "lists of lists": (table(lst=[[[1, 2]]] * ROWS), [], "column 'lst' holds lists of lists"),
    "NA as a class": (
        table(y=["NA", "None"] * (ROWS // 2)),
        [],
        "if NA or None is a value there, type: data.types.y=category",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused_with_its_column(train, folder, case):
    frame, words, says = REFUSED[case]
    said = train(frame, *words, name="t.parquet" if case == "lists of lists" else "t.csv")
    assert (said.code, says in said.err) == (2, True), said.err
    assert len(said.err.splitlines()) <= 5
    assert not list(folder.glob("outputs/*/*/model"))


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (table(x=["n/d", *table()["x"].astype(str)[1:]]), "column 'x': 119 numbers and 1 other text ('n/d')"),
        (table(x=[f"{n + 1},257" for n in range(ROWS)]), "column 'x': 120 texts look like numbers ('1,257'"),
        (table(x=table()["x"].astype(str) + "%"), "column 'x': 120 texts look like numbers"),
        (table(c=["NA", "null", "nan"] * (ROWS // 3)), "column 'c': NA, nan, null are taken as missing"),
        (table(c=["007", "07", "7"] * (ROWS // 3)), "column 'c': codes with leading zeros ('007', '07')"),
    ],
)
def test_a_guess_is_told_by_train_and_by_check_and_what_they_say_to_type_ends_it(train, frame, note):
    said = train(frame)
    assert said.code == 0
    [line] = [line for line in said.out.splitlines() if line.startswith("note")]
    assert note in line
    assert re.search(rf"reading +warned +{re.escape(note)}", train(frame, verb="check").out)
    said = train(frame, *shlex.split(line.rpartition("type: ")[2]))
    assert said.code == 0
    assert "note" not in said.out


def test_nested_cells_are_columns_in_training_prediction_and_further_parts(train, runtree, folder):
    frame = table(s=[{"a": row % 7, "b": {"c": "uvw"[row % 3]}} for row in range(ROWS)])
    frame = frame.assign(tags=[["red", "blue"][: row % 3] for row in range(ROWS)], lst=[[[1]]] * ROWS)
    frame.iloc[:30].to_parquet(folder / "test.parquet")
    words = ["algorithm=naive_bayes", "data.types.lst=drop", "data.types.s.a=category"]
    said = train(frame.iloc[30:], *words, "data.parts.test=test.parquet", name="t.parquet")
    assert said.code == 0, said.err
    assert (
        "note     column 's': mappings become columns (s.a, s.b.c); to leave them out, type: data.drop=[s]" in said.out
    )
    [run] = folder.glob("outputs/*/*/predictions.parquet")
    saved = pd.read_parquet(run).query("part == 'test'").sort_values("row")["y_pred"].tolist()
    # one row at a time no list shows what the others hold
    said = runtree("predict", "latest", "test.parquet", "-o", "out.csv", "--batch", "1", "--keep", "s.b.c")
    assert said.code == 0, said.err
    predicted = pd.read_csv(folder / "out.csv")
    assert predicted["s.b.c"].tolist() == ["uvw"[row % 3] for row in range(30)]
    assert predicted["prediction"].tolist() == saved


def test_a_category_that_no_row_has_is_no_class(train):
    said = train(unused_category(), name="t.parquet")
    assert (said.code, "2 classes" in said.out) == (0, True), said.err


def test_words_for_missing_can_be_classes(train, folder):
    said = train(table(y=["NA", "None"] * (ROWS // 2)), "data.types.y=category")
    assert said.code == 0, said.err
    [model] = folder.glob("outputs/*/*/model/model.json")
    assert json.loads(model.read_text())["classes"] == ["NA", "None"]


# --- Prediction: one model on a table in a format of its own, with dates.


@pytest.fixture(scope="module")
def european(tmp_path_factory):
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags

    place = tmp_path_factory.mktemp("european")
    frame = table(ts=DAYS.strftime("%d.%m.%Y"), y=np.arange(ROWS) / 2, größe=["7", "08", "9"] * (ROWS // 3))
    frame.to_csv(place / "train.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    words = [
        "data=csv",
        f"data.path={place / 'train.csv'}",
        'data.separator=";"',
        'data.decimal=","',
        "data.encoding=cp1252",
    ]
    train(App(), parse_flags([*words, "data.target=y", *QUICK, "algorithm=ridge", f"outputs={place / 'outputs'}"]))
    return place


@pytest.fixture
def predict(european, runtree, folder):
    def predict_file(file, *words):
        return runtree("predict", "latest", str(file), "-o", "out.csv", "--outputs", str(european / "outputs"), *words)

    return predict_file


def test_a_model_reads_the_format_of_its_own_table(european, predict, folder):
    said = predict(european / "train.csv")
    assert (said.code, said.err) == (0, "")
    [run] = european.glob("outputs/*/*/predictions.parquet")
    saved = pd.read_parquet(run).set_index("row").sort_index()["y_pred"]
    assert pd.read_csv(folder / "out.csv")["prediction"].tolist() == pytest.approx(saved.tolist())


def test_another_format_is_said_so(european, predict, folder):
    frame = pd.read_csv(european / "train.csv", sep=";", decimal=",", encoding="cp1252", dtype={"größe": str})
    frame.to_csv(folder / "plain.csv", index=False)
    said = predict("plain.csv")
    assert said.code == 2
    assert "read with the separator ';'" in said.err
    assert "--separator" in said.err
    said = predict("plain.csv", "--separator", ",", "--decimal", ".", "--encoding", "utf-8")
    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize("value", ["soon", "08/13/2024", "1722470400"])
def test_a_value_that_is_no_date_is_refused_with_its_row_or_counted(european, predict, folder, value):
    lines = (european / "train.csv").read_text("cp1252").splitlines()[:5]
    for row in (2, 4):
        lines[row] = re.sub(r"\d\d\.\d\d\.\d{4}", value, lines[row])
    (folder / "rows.csv").write_text("\n".join(lines), "cp1252")
    said = predict("rows.csv", "--batch", "1")
    assert said.code == 2
    assert f"column 'ts' holds '{value}' in row 2, which is not a date" in said.err
    said = predict("rows.csv", "--batch", "1", "--unreadable", "missing")
    assert said.code == 0
    assert f"holds '{value}' in row 2, which is not a date; 2 of 4 values were taken as missing" in said.err


def test_a_column_without_a_value_is_told(european, predict, folder):
    text = (european / "train.csv").read_text("cp1252")
    (folder / "rows.csv").write_text(re.sub(r"\d\d\.\d\d\.\d{4}", "", text), "cp1252")
    said = predict("rows.csv")
    assert said.code == 0
    assert "note: column 'ts' is missing in all 120 rows; in training it was in 0%" in said.err
