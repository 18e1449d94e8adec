"""Tables that are larger than memory, in small: the same fingerprint, no held-out row in a batch, the same model."""

import gc
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.types import SPLITS
from runtree.evaluation.context import make_evaluation_context
from runtree.evaluation.evaluate import metric_intervals
from runtree.evaluation.options import EvaluationOptions, IntervalOptions
from runtree.lifecycle import batches
from runtree.lifecycle.load import load
from runtree.lifecycle.split import split
from runtree.lifecycle.table_options import table_options
from runtree.reports.elements import Paragraph
from runtree.reports.run.page import build_section
from runtree.tables import stream
from runtree.tables.fingerprint import TableHash, hash_table
from runtree.tables.places import DataFiles
from runtree.tables.typed_files import parquet_types
from runtree.testing.fixtures import PLAIN, UNEXAMINED, quoted, train
from runtree.training.row_batches import RowBatches

ROWS = 600
QUICK = (*UNEXAMINED, *PLAIN, "evaluator.intervals.resamples=0")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(stream, "BATCH_ROWS", 70)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with all kinds of columns, as CSV and Parquet; late rows widen the types of columns."""
    generator, place = np.random.default_rng(0), tmp_path_factory.mktemp("batches")
    frame = pd.DataFrame(
        {
            "number": generator.normal(size=ROWS),
            "whole": [*range(ROWS - 1), None],
            "code": [str(value) for value in range(ROWS - 60)] + ["x7"] * 60,  # too many for strays
            "city": generator.choice(["Paris", "Rome", None], ROWS),
            "group": generator.integers(0, 40, ROWS),
            "day": pd.date_range("2024-01-01", periods=ROWS, freq="h")[generator.permutation(ROWS)],
        }
    )
    frame["price"] = 100 + 20 * frame["number"] + (frame["city"] == "Rome") * 5 + generator.normal(size=ROWS)
    frame["dear"] = np.where(frame["price"] > 110, "yes", "no")
    frame = frame.iloc[[*range(5), *range(5), *range(10, ROWS)]].reset_index(drop=True)
    frame.to_parquet(place / "t.parquet", row_group_size=110)
    frame.assign(day=frame["day"].astype(str)).to_csv(place / "t.csv", index=False)
    frame.to_feather(place / "t.arrow")
    return place


def node(folder, name="t.parquet", **keys):
    path = {"_target_": "runtree.data.files.TableFile", "path": str(folder / name), "name": "t", "target": "dear"}
    return {"data": {**path, "drop": ["price"], **keys}, "seed": 3}


class Trust:
    def authorize(self, node, path):
        """Nothing is refused."""

    def resolve(self, target, path):
        from runtree.data.files import TableFile

        return TableFile


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_the_fingerprint_is_that_of_the_table_read_whole(folder, name):
    whole = load(node(folder, name), Trust())
    streamed = load(node(folder, name, batches=True, batch_sample=100), Trust())
    assert streamed.fingerprint == whole.fingerprint and streamed.sketch == whole.sketch
    assert streamed.streamed.rows == ROWS and len(streamed.features) == 100
    sampled = whole.features.iloc[streamed.streamed.sampled].reset_index(drop=True)
    pd.testing.assert_frame_equal(streamed.features, sampled)
    assert streamed.sources[0]["missing"]["whole"] == 1


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=6))
def test_a_hash_does_not_depend_on_batches(cuts):
    frame = pd.DataFrame({"a": np.arange(300.0), "b": [f"t{n % 7}" for n in range(300)]})
    target, table = pd.Series(np.arange(300) % 3, name="y"), TableHash()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True):
        table.update(frame.iloc[start:end], target.iloc[start:end])
    assert (table.fingerprint, table.sketch) == hash_table(frame, target)


def test_types_are_those_of_all_batches():
    wider = stream._wider
    assert [wider("int64", "float64"), wider("int64", "str"), wider("bool", "int64"), wider("", "int64")] == [
        "float64",
        "str",
        "str",
        "float64",
    ]


RUN = ("data.target=dear", "data.drop=[price]", "data.batches=true", "data.batch_sample=200")


def run_of(folder, *words, name="t.parquet", algorithm="sgd"):
    path = f"data.path={quoted(folder / name)}"
    return train(f"data={name.rpartition('.')[2]}", *RUN, path, *QUICK, f"algorithm={algorithm}", *words, folder=folder)


BOTH = (
    {},
    {"target": "price", "drop": ["dear"]},
    {"duplicates": "split"},
    {"group": "group"},
    {"group": "group", "split": "stratified"},
    {"time": "day", "gap": 5},
    {"time": "day", "group": "city_group"},
    {"split_column": "part"},
    {"split_file": "rows.csv", "drop": ["price", "part"]},
)


@pytest.mark.parametrize("keys", BOTH)
@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_the_split_is_that_of_the_table_read_whole(tmp_path, monkeypatch, folder, keys, name):
    frame = pd.read_parquet(folder / "t.parquet")
    frame = frame.assign(part=np.resize(["train", "val", "test", "train"], ROWS), city_group=np.arange(ROWS) // 50)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.assign(day=frame["day"].astype(str)).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({"part": np.resize(["train", "test", "train"], ROWS)}).to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.chdir(tmp_path)
    made = []
    for how in ({}, {"batches": True, "batch_sample": 200}):
        table = load(node(tmp_path, name, **keys, **how), Trust())
        made.append((table, split(table, table_options(node(tmp_path, name, **keys, **how)["data"]), 3, True)))
    (_, whole), (table, streamed) = made
    assert streamed.id == whole.id and streamed.notes == whole.notes
    for part in SPLITS:
        assert streamed.numbers(part).tolist() == whole.rows(part).tolist()
        assert len(streamed.rows(part)) and set(table.numbers(streamed.rows(part))) <= set(whole.rows(part))


@pytest.fixture(scope="module")
def weighted(folder):
    """A run whose rows have weights, and its table read whole."""
    frame = pd.read_parquet(folder / "t.parquet").assign(w=np.arange(ROWS) % 3)
    frame.to_parquet(folder / "w.parquet", row_group_size=110)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BATCH_ROWS", 70)
        words = ("fit.max_iterations=3", "data.weight=w", "imbalance.class_weight=balanced")
        return run_of(folder, *words, name="w.parquet"), frame


def test_exactly_the_train_rows_are_learnt_with_their_weights(weighted):
    run, frame = weighted
    numbers = run.split.numbers("train")
    seen = list(RowBatches(run, run.split.train, _Kept(), weigh=lambda target: np.full(len(target), 2.0)).batches())
    rows, own = pd.concat([rows for rows, _, _ in seen]), np.concatenate([weights for _, _, weights in seen])
    assert np.array_equal(rows["number"], frame["number"].to_numpy()[numbers])
    assert np.array_equal(own, 2.0 * frame["w"].to_numpy()[numbers])
    labels = np.concatenate([target for _, target, _ in seen])
    assert labels.dtype == "<U3" and labels.tolist() == frame["dear"].to_numpy()[numbers].tolist()
    assert run.metadata["batches"] == {"rows": ROWS, "train": len(numbers), "in_memory": 200}
    # of a refit the validation rows, too
    both = RowBatches(run, np.sort(np.r_[run.split.train, run.split.validation]), _Kept())
    assert both.parts == ["train", "validation"]


def test_all_held_out_rows_are_scored(weighted):
    run, frame = weighted
    kept = pd.read_parquet(run.folder / "predictions.parquet")
    for part in ("validation", "test"):
        numbers, own = run.split.numbers(part), kept[kept["part"] == part]
        assert own["row"].tolist() == numbers.tolist() and len(own) == 120
        expected = run.model.predict(frame.loc[numbers, list(run.data.features.columns)])
        assert own["y_pred"].tolist() == expected.tolist()
        accuracy = (own["y_pred"].to_numpy() == frame["dear"].to_numpy()[numbers]).mean()
        assert run.metrics[part]["accuracy"] == pytest.approx(accuracy)
    summary = json.loads((run.folder / "data.json").read_text())
    assert summary["rows"] == ROWS and any("in memory" in note for note in summary["notes"])
    assert summary["split"] == {"id": run.split.id, "train": 360, "validation": 120, "test": 120}


def test_examinations_are_of_the_rows_in_memory(weighted):
    run, frame = weighted
    context = make_evaluation_context(run)
    for part in SPLITS:
        rows = context.rows[part]
        assert sorted(rows) == run.split.rows(part).tolist()
        truth = frame["dear"].to_numpy()[run.data.numbers(rows)]
        assert np.asarray(run.data.classes)[context.predictions[part].y_true].tolist() == truth.tolist()
    # the intervals stand beside metrics of all test rows
    predictions, groups = context.test_rows
    assert len(predictions.y_true) == run.split.count("test") == 120 > len(context.rows["test"]) and groups is None
    found = metric_intervals(replace(context, options=EvaluationOptions(IntervalOptions(resamples=50))))
    assert found["test"]["accuracy"]["value"] == pytest.approx(run.metrics["test"]["accuracy"])
    content = SimpleNamespace(data=json.loads((run.folder / "data.json").read_text()))
    for name, said in (("classes", "is of 200 of the 600 rows, those in memory"), ("metrics", None)):
        section = build_section(name, "", lambda *_: [Paragraph("x")], content, None)
        assert (len(section.elements) == 2 and said in section.elements[0].text) if said else len(section.elements) == 1


def test_weights_are_in_the_fingerprint_of_either_reading(weighted, folder):
    run, _ = weighted
    keys = {"weight": "w"}
    whole = load(node(folder, "w.parquet", **keys), Trust())
    assert (
        run.data.fingerprint
        == whole.fingerprint
        != load(node(folder, "w.parquet", drop=["price", "w"]), Trust()).fingerprint
    )


def test_named_parts_are_read_in_batches(folder, tmp_path):
    frame = pd.read_parquet(folder / "t.parquet")
    frame[:400].to_parquet(tmp_path / "a.parquet")
    frame[400:420].assign(day=frame["day"].astype(str)).to_csv(tmp_path / "b.csv", index=False)
    frame[420:].to_parquet(tmp_path / "c.parquet")
    parts = {"train": str(tmp_path / "a.parquet"), "test": str(tmp_path / "c.parquet")}
    whole = load(node(folder, parts=parts), Trust())
    table = load(node(folder, parts=parts, batches=True, batch_sample=90), Trust())
    assert table.fingerprint == whole.fingerprint and table.streamed.parts == (("train", 400), ("test", 180))
    options = table_options(node(folder, parts=parts)["data"])
    one, two = split(whole, options, 3, True), split(table, options, 3, True)
    assert one.id == two.id and two.numbers("test").tolist() == list(range(400, 580)) and two.given == one.given
    assert [source["part"] for source in table.sources] == ["train", "test"]
    # a small part is there, and one in another format whose days are text is refused as one in memory is
    small = load(
        node(
            folder,
            parts={**parts, "test": str(tmp_path / "b.csv")},
            drop=["price", "day"],
            batches=True,
            batch_sample=90,
        ),
        Trust(),
    )
    assert (small.parts == "test").sum() >= 9


def test_files_of_a_url_stay_as_long_as_the_table(folder, tmp_path, monkeypatch):
    copies = []

    @contextmanager
    def fetched(path, suffixes, where, limit, storage):
        copy = shutil.copy(folder / "t.parquet", tmp_path / "copy.parquet")
        copies.append(Path(copy))
        yield DataFiles(path, (Path(copy),))
        Path(copy).unlink()

    monkeypatch.setattr(batches, "local_files", fetched)
    table = load(node(folder, "t.parquet", batches=True, batch_sample=90), Trust())
    assert copies[0].exists() and sum(len(frame) for _, frame in table.streamed.frames()) == ROWS
    del table
    gc.collect()
    assert not copies[0].exists()


def test_a_part_that_is_not_in_memory_is_refused(folder):
    keys = {"batches": True, "batch_sample": 20, "test_size": 2}
    table = load(node(folder, **keys), Trust())
    with pytest.raises(DataError, match=r"data\.batch_sample: none of the 20 rows in memory is a test row"):
        split(table, table_options(node(folder, **keys)["data"]), 3, True)


def test_the_columns_of_a_parquet_file_are_known_from_its_footer(folder, tmp_path):
    whole = pd.read_parquet(folder / "t.parquet")
    _, types, rows = parquet_types(folder / "t.parquet", "t")
    assert rows == ROWS and types == {name: str(dtype) for name, dtype in whole.dtypes.items()}
    for column in (
        pd.Series([True, None]),
        pd.Series(["a", "b"], dtype="category"),
        pd.Series([None, None], dtype=float),
    ):
        column.to_frame("x").to_parquet(tmp_path / "x.parquet")
        assert parquet_types(tmp_path / "x.parquet", "x") is None


def test_folders_that_hold_a_column_are_refused(folder, tmp_path):
    (tmp_path / "year=2024").mkdir()
    shutil.copy(folder / "t.parquet", tmp_path / "year=2024" / "t.parquet")
    with pytest.raises(ConfigError, match=r"hold a column \(year=2024\)"):
        load(node(tmp_path, "", batches=True), Trust())


class _Kept:
    """A preprocessing that keeps the rows."""

    def transform(self, frame):
        return frame


@pytest.mark.parametrize("algorithm", ["sgd", "mlp", "naive_bayes"])
def test_classes_are_learnt_in_batches(folder, algorithm):
    limit = ["fit.max_iterations=15"] if algorithm != "naive_bayes" else []
    words = ["imbalance.class_weight=balanced"] if algorithm == "sgd" else []
    run = run_of(folder, *limit, *words, algorithm=algorithm)
    # dates and codes tell nothing, which naive Bayes does not see
    assert run.metrics["test"]["balanced_accuracy"] > (0.4 if algorithm == "naive_bayes" else 0.8)
    assert run.metadata["batches"]["rows"] == ROWS
    assert (run.folder / "model" / "model.json").is_file()


def test_a_network_learns_in_batches(folder):
    pytest.importorskip("torch")
    words = ["fit.max_iterations=6", "algorithm.scheduler=one_cycle", "algorithm.learning_rate=0.01"]
    run = run_of(folder, *words, "imbalance.class_weight=balanced", algorithm="torch_mlp")
    assert run.metrics["test"]["balanced_accuracy"] > 0.8
    assert run.metadata["batches"]["train"] == 360
    lines = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["train_loss"] < lines[0]["train_loss"] / 2


def test_a_regression_learns_its_transformed_target_and_is_fitted_again_on_more_rows(folder):
    words = ["data.target=price", "data.drop=[dear]", "target.transform=standard", "fit.max_iterations=20"]
    run = run_of(folder, *words, "fit.refit=true", name="t.csv", algorithm="sgd")
    assert run.metrics["test"]["r2"] > 0.8
    # the last fit was that of the train and the validation rows
    assert run.metadata["batches"]["train"] == run.split.count("train") + run.split.count("validation")


def test_naive_bayes_in_batches_is_the_one_of_all_rows(folder):
    from sklearn.naive_bayes import GaussianNB

    run = run_of(folder, algorithm="naive_bayes")
    parts = list(RowBatches(run, run.split.train, run.model[0]).batches())
    rows, target = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    expected = GaussianNB().fit(rows, target)
    assert np.allclose(run.model[-1].theta_, expected.theta_)


@pytest.mark.parametrize(
    ("words", "algorithm", "says"),
    [
        ([], "random_forest", "needs all rows at once: 600 rows x 6 columns, about 0.0 GB"),
        (["evaluator=cross_validation"], "sgd", "type: evaluator=holdout"),
        (["imbalance.resample=over"], "sgd", "imbalance.class_weight=balanced"),
        (["data.sample=0.5"], "sgd", "data.sample: it needs the whole table"),
        (["fit.validation_fraction=0.1"], "sgd", "fit.validation_fraction=null"),
        (["data=arrow"], "sgd", "files of the format arrow are read whole"),
    ],
)
def test_what_cannot_be_done_in_batches_is_refused_with_the_ways_out(folder, words, algorithm, says):
    if "imbalance.resample=over" in words:
        pytest.importorskip("imblearn", reason="resampling needs the extra imbalance")
    with pytest.raises((ConfigError, DataError)) as caught:
        run_of(folder, *words, algorithm=algorithm)
    text = str(caught.value)
    assert says in text
    if algorithm == "random_forest":
        assert all(way in text for way in ("data.sample=200", "these learn in batches", "with enough memory"))


def test_a_class_that_is_in_no_sampled_row_is_refused(tmp_path):
    pd.DataFrame({"a": range(400), "y": ["p", "q"] * 199 + ["r", "r"]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"class 'r' .* data\.batch_sample|data\.batch_sample"):
        load(node(tmp_path, "t.csv", target="y", drop=[], batches=True, batch_sample=20), Trust())
