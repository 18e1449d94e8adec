"""Tables that are larger than memory, in small: the same fingerprint, no held-out row in a batch, the same model."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.load import load
from runtree.tables import stream
from runtree.tables.fingerprint import TableHash, hash_table
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


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ([], 80),
        (["data.group=group"], None),
        (["data.time=day", "data.gap=5"], None),
    ],
)
def test_no_held_out_row_group_or_later_time_is_learnt(folder, words, left_out):
    run = run_of(folder, "fit.max_iterations=3", *words)
    whole = pd.read_parquet(folder / "t.parquet")
    seen = RowBatches(run, run.split.train, _Kept())
    rows = pd.concat([rows for rows, _, _ in seen.batches()])
    held_out = np.concatenate([run.split.validation, run.split.test])
    numbers = run.data.streamed.sampled[held_out]
    assert not set(rows["whole"].dropna()) & set(whole["whole"].iloc[numbers].dropna())
    if left_out is not None:
        # and rows that repeat a held-out one
        assert ROWS - left_out - 5 <= len(rows) == run.metadata["batches"]["train"] <= ROWS - left_out
    if "data.group=group" in words:
        learnt = whole[whole["whole"].isin(rows["whole"])]["group"]
        assert not set(learnt) & set(run.data.groups.iloc[held_out])
    if "data.time=day" in words:
        assert rows["day"].max() < run.data.times.iloc[run.split.validation].min()
    summary = json.loads((run.folder / "data.json").read_text())
    assert summary["rows"] == ROWS and any("in memory" in note for note in summary["notes"])


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
    assert run.metadata["batches"]["train"] > 500
    lines = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["train_loss"] < lines[0]["train_loss"] / 2


def test_a_regression_learns_its_transformed_target_and_is_fitted_again_on_more_rows(folder):
    words = ["data.target=price", "data.drop=[dear]", "target.transform=standard", "fit.max_iterations=20"]
    run = run_of(folder, *words, "fit.refit=true", name="t.csv", algorithm="sgd")
    assert run.metrics["test"]["r2"] > 0.8
    first = ROWS - len(run.split.validation) - len(run.split.test)
    assert first < run.metadata["batches"]["train"] <= ROWS - len(run.split.test)


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
