"""A file is predicted in parts: a process that is killed is gone on with after the last one, with the same answers."""

import os
from dataclasses import replace

import pandas as pd
import pytest

from runtree.contract.errors import DataError, RequestError
from runtree.lifecycle import predict_file as module
from runtree.lifecycle.predict import ColumnContract, Predictor, row_notes
from runtree.lifecycle.predict_file import predict_file
from runtree.records.layout import RunFolder
from runtree.records.sealed import parse_key, unsealed_chunks
from runtree.tables.csv_files import Reading

ROWS, BATCH = 23, 2  # parts of 4 rows


class Kill(BaseException):
    """A process that ends in this moment."""


class Doubler:
    """Predicts twice the number, and is killed at a row; notes how many rows it has met."""

    def __init__(self, killed_at=None):
        self.killed_at, self.met = killed_at, 0

    def predict(self, features):
        if self.killed_at is not None and features.index[-1] >= self.killed_at:
            raise Kill
        self.met += len(features)
        return 2 * features["n"].to_numpy()


def predictor(killed_at=None, **facts):
    columns = {"n": ColumnContract("n", "float64", "number"), "m": ColumnContract("m", "float64", "number")}
    return Predictor(Doubler(killed_at), columns, (), Reading(), **{"identity": "m1", **facts})


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_ROWS", 4)
    file = tmp_path / "rows.csv"
    pd.DataFrame({"n": range(ROWS), "m": None, "name": [f"client {n}" for n in range(ROWS)]}).to_csv(file, index=False)
    return file


def left(folder):
    return sorted(file.name for file in folder.iterdir() if file.name != "rows.csv")


def killed(rows, target, at=17, key=None):
    with pytest.raises(Kill):
        predict_file(predictor(at), rows, target, ["name"], BATCH, key)
    assert not target.exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("source", ["file", "table"])
def test_what_was_predicted_before_a_kill_is_not_predicted_again_and_the_answers_are_the_same(rows, suffix, source):
    whole, target = rows.with_name(f"whole{suffix}"), rows.with_name(f"out{suffix}")
    given = rows if source == "file" else pd.read_csv(rows)
    at_once = predict_file(predictor(), given, whole, ["name"], BATCH)
    killed(given, target)
    assert left(rows.parent) == [f".out{suffix}.parts", f"whole{suffix}"]
    later = predictor()
    counts = predict_file(later, given, target, ["name"], BATCH)
    assert (counts.earlier, later.model.met) == (16, ROWS - 16)
    assert row_notes(later, replace(counts, earlier=0)) == row_notes(later, at_once) != []
    assert target.read_bytes() == whole.read_bytes()
    assert left(rows.parent) == [f"out{suffix}", f"whole{suffix}"]


def test_a_kill_between_the_last_part_and_the_output_predicts_nothing_again(rows, monkeypatch):
    target = rows.with_name("out.csv")

    def kill(*_):
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(module.Path, "replace", kill)
        with pytest.raises(Kill):
            predict_file(predictor(), rows, target, (), BATCH)
    later = predictor()
    assert predict_file(later, rows, target, (), BATCH).rows == ROWS
    assert (later.model.met, left(rows.parent)) == (0, ["out.csv"])


@pytest.mark.parametrize("change", [{}, {"identity": "m2"}, {"keep": ()}, {"batch": 3}, {"key": "cd" * 32}])
def test_of_other_rows_or_another_model_it_is_begun_anew(rows, caplog, change):
    target, other = rows.with_name("out.csv"), predictor(identity=change.get("identity", "m1"))
    killed(rows, target)
    if not change:
        os.utime(rows, (9, 9))
    if "key" in change:
        pytest.importorskip("cryptography")
    key = parse_key(change["key"], "key") if "key" in change else None
    counts = predict_file(other, rows, target, change.get("keep", ["name"]), change.get("batch", BATCH), key)
    assert (counts.earlier, other.model.met) == (0, ROWS)
    assert "begun anew" in caplog.text


def test_rows_that_were_right_to_a_stricter_command_are_kept_and_not_the_other_way_round(rows):
    target = rows.with_name("out.csv")
    rows.write_text(rows.read_text() + "old,,x\n")
    with pytest.raises(DataError, match="holds 'old' in row 24"):
        predict_file(predictor(), rows, target, (), BATCH)
    assert left(rows.parent) == [".out.csv.parts"]
    lenient = predict_file(predictor(refuse=False), rows, target, (), BATCH)
    assert (lenient.earlier, lenient.rows, lenient.unreadable["n"][0]) == (20, 24, 1)
    with pytest.raises(Kill):
        predict_file(predictor(17, refuse=False), rows, target, (), BATCH)
    with pytest.raises(DataError):
        predict_file(predictor(), rows, target, (), BATCH)


def test_with_a_key_nothing_is_on_the_disk_in_plain_at_any_moment(rows):
    pytest.importorskip("cryptography")
    key, target, whole = parse_key("ab" * 32, "key"), rows.with_name("out.parquet"), rows.with_name("whole.parquet")
    predict_file(predictor(), rows, whole, ["name"], BATCH)
    killed(rows, target, key=key)
    files = [file for file in rows.with_name(".out.parquet.parts").iterdir() if file.stat().st_size]
    assert len(files) == 5 and not any(b"client" in file.read_bytes() or b"PAR1" in file.read_bytes() for file in files)
    assert predict_file(predictor(), rows, target, ["name"], BATCH, key).earlier == 16
    assert b"".join(unsealed_chunks(target, "out.parquet", key)) == whole.read_bytes()


def test_two_processes_do_not_write_into_one_output(rows):
    target = rows.with_name("out.csv")
    killed(rows, target)
    with RunFolder(rows.with_name(".out.csv.parts")).held(), pytest.raises(RequestError, match="another process works"):
        predict_file(predictor(), rows, target, (), BATCH)


def test_a_folder_that_cannot_be_written_is_told_as_the_output(rows, monkeypatch):
    def full(path, *_):
        raise OSError(28, "No space left on device", str(path))

    other = predictor()
    with pytest.raises(RequestError, match="cannot be written"):
        predict_file(other, rows, rows.with_name("nosuch") / "out.csv", (), BATCH)
    assert other.model.met == 0  # it is told before, and not after hours of predictions
    monkeypatch.setattr(module, "write_bytes", full)
    with pytest.raises(RequestError, match=r"-o .*out\.csv: cannot be written \(No space left on device"):
        predict_file(predictor(), rows, rows.with_name("out.csv"), (), BATCH)
