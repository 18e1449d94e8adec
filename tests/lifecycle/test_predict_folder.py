"""Files of a folder are predicted once: over kills at every moment, while they are copied, and while others fail."""

import pytest

from registered_runs import write_run
from runtree.contract.errors import DataError, RequestError
from runtree.lifecycle import predict_folder as module
from runtree.lifecycle.predict import Predictor, RowCounts
from runtree.lifecycle.predict_folder import PredictedFile, predict_folder
from runtree.records.layout import RunFolder

CSV = (".csv",)


class Kill(BaseException):
    """A process that ends in this moment."""


@pytest.fixture
def work(tmp_path):
    source, target, calls = tmp_path / "in", tmp_path / "out", []
    (source / "day=1").mkdir(parents=True)
    for name in ("a.csv", "day=1/b.csv"):
        (source / name).write_text(f"rows of {name}")

    def predict(file, output):
        calls.append(file.name)
        if "bad" in file.read_text():
            raise DataError("no rows", "hint")
        output.write_text(f"scores of {file.name}")
        return RowCounts(3)

    def run(seconds=None):
        return predict_folder(source, target, predict, CSV, seconds)

    run.source, run.target, run.calls = source, target, calls
    return run


def outputs(work):
    return sorted(p.relative_to(work.target).as_posix() for p in work.target.rglob("*.parquet") if p.name[0] != ".")


def test_each_file_is_predicted_once_and_again_only_when_it_changes(work):
    (work.source / "notes.txt").write_text("no table")
    (work.source / ".a.csv.swp").write_text("hidden")
    assert list(work()) == [PredictedFile("a.csv", 3), PredictedFile("day=1/b.csv", 3)]
    assert outputs(work) == ["a.csv.parquet", "day=1/b.csv.parquet"]
    (work.target / "a.csv.parquet").unlink()  # taken by a reader
    assert list(work()) == []
    (work.source / "a.csv").write_text("more rows of a.csv")
    assert list(work()) == [PredictedFile("a.csv", 3)]


@pytest.mark.parametrize("moment", ["_sync", "_append", "_publish", "after the line"])
def test_a_kill_at_any_moment_is_made_good_and_publishes_nothing_twice(work, monkeypatch, moment):
    published = []
    publish = module._publish

    def noting(target, name):
        if module._pending(target, name).exists():
            published.append(name)
        publish(target, name)

    def kill(*_):
        raise Kill

    append = module._append

    def append_and_die(*arguments):
        append(*arguments)
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(
            module, "_append" if moment == "after the line" else moment, kill if moment[0] == "_" else append_and_die
        )
        with pytest.raises(Kill):
            list(work())
    monkeypatch.setattr(module, "_publish", noting)
    list(work())
    assert sorted(published) == ["a.csv", "day=1/b.csv"]
    assert outputs(work) == ["a.csv.parquet", "day=1/b.csv.parquet"]
    assert work.calls.count("a.csv") == (1 if moment in ("_publish", "after the line") else 2)


def test_a_torn_line_of_the_list_loses_no_other(work):
    list(work())
    with (work.target / module.LIST).open("ab") as file:
        file.write(b'{"file":"day')
    (work.source / "c.csv").write_text("c")
    assert [found.name for found in work()] == ["c.csv"]
    assert list(work()) == []


def test_a_file_that_cannot_be_predicted_stops_no_other_and_is_tried_again_when_it_changes_or_by_the_next_command(
    work, monkeypatch
):
    (work.source / "a.csv").write_text("bad")
    first, second = work()
    assert first.name == "a.csv" and first.error.startswith("no rows")
    assert second == PredictedFile("day=1/b.csv", 3)
    # what it lacked may have been an option: a command that says nothing of it would seem to have done all
    assert list(work()) == [first]
    looks = iter(["bad", "bad", "bad again", "bad again"])
    monkeypatch.setattr(module.time, "sleep", lambda _: (work.source / "a.csv").write_text(next(looks)))
    monkeypatch.setattr(module, "_files", lambda *_: [("a.csv", ((work.source / "a.csv").stat().st_size, 0))])
    watching = work(seconds=1)
    assert [next(watching).name, next(watching).name] == ["a.csv", "a.csv"] and list(looks) == []
    watching.close()
    monkeypatch.undo()
    (work.source / "a.csv").write_text("good")
    assert list(work()) == [PredictedFile("a.csv", 3)]


def test_a_file_that_is_still_copied_is_left_until_it_is_whole(work, monkeypatch):
    looks = iter(["", "half", "half and half", "", ""])

    def sleep(_):
        if text := next(looks):
            (work.source / "new.csv").write_text(text)

    monkeypatch.setattr(module.time, "sleep", sleep)
    found = work(seconds=1)
    assert [next(found).name for _ in range(3)] == ["a.csv", "day=1/b.csv", "new.csv"]
    assert work.calls.count("new.csv") == 1
    found.close()


def test_one_process_at_a_time_and_no_folder_into_itself(work):
    list(work())
    with RunFolder(work.target).held(), pytest.raises(RequestError, match="another process works in this folder"):
        list(work())
    with pytest.raises(RequestError, match="is the folder of the files"):
        list(predict_folder(work.source, work.source, None, CSV))


def test_predictions_inside_the_folder_are_not_predicted(work):
    inside = work.source / "scored"

    def predict(file, output):
        output.write_text("x")
        return RowCounts(1)

    list(predict_folder(work.source, inside, predict, (".csv", ".parquet")))
    assert list(predict_folder(work.source, inside, predict, (".csv", ".parquet"))) == []


def test_an_output_without_the_ending_of_a_file_is_a_folder(folder, runtree, monkeypatch):
    from runtree.app import App
    from runtree.lifecycle import predict_file as predicting

    run = write_run(folder / "r1")
    (folder / "in").mkdir()
    (folder / "in" / "a.csv").write_text("x\n1\n")
    monkeypatch.setattr(App, "load_predictor", lambda *_: Predictor(None, {}, ()))
    monkeypatch.setattr(predicting, "predict_file", lambda _, source, target, *__: target.touch() or RowCounts(1))
    said = runtree("predict", str(run.folder), "in", "-o", "out/")
    assert (said.code, said.out) == (0, "a.csv: 1 row\npredicted 1 file into out\n")
    assert (folder / "out" / "a.csv.parquet").is_file()
    assert runtree("predict", str(run.folder), "in/a.csv", "--watch").err.startswith("error: in/a.csv: is no folder")


def test_files_at_a_url_are_predicted_once_and_again_when_they_change(tmp_path, monkeypatch, caplog):
    fsspec = pytest.importorskip("fsspec")
    store, calls, looks = fsspec.filesystem("memory"), [], []
    for name in ("a.csv", "day=1/b[1].csv", "notes.txt", "_SUCCESS", "x/../../../out.csv"):
        store.pipe(f"/shop/incoming/{name}", b"rows")

    def predict(file, output):
        calls.append(file)
        output.write_text("scores")
        return RowCounts(3)

    def names(seconds=None, url="memory://shop/incoming/"):
        return (found.name for found in predict_folder(url, tmp_path / "out", predict, CSV, seconds))

    def sleep(_):
        looks.append(len(looks))
        if looks == [0, 1]:
            store.pipe("/shop/incoming/c.csv", b"rows")
            monkeypatch.setattr(store, "find", lambda *_, **__: 1 / 0)  # it is away for a moment
        elif looks == [0, 1, 2]:
            monkeypatch.undo()
            monkeypatch.setattr(module.time, "sleep", sleep)

    try:
        assert list(names()) == ["a.csv", "day=1/b[1].csv"]
        assert calls == ["memory://shop/incoming/a.csv", "memory://shop/incoming/day=1/b[1].csv"]
        assert (tmp_path / "out" / "day=1" / "b[1].csv.parquet").is_file()
        store.pipe("/shop/incoming/a.csv", b"more rows")
        assert list(names()) == ["a.csv"] and list(names()) == []
        monkeypatch.setattr(module.time, "sleep", sleep)
        waiting = names(seconds=1)
        assert next(waiting) == "c.csv"
        assert "cannot be listed (division by zero); it is tried again" in caplog.text
        waiting.close()
        with pytest.raises(DataError, match="no table below memory://nobody"):
            list(names(url="memory://nobody"))
        with pytest.raises(DataError, match="a web server has no folders"):
            list(names(url="https://example.org/in"))
    finally:
        store.rm("/shop", recursive=True)


def test_predictions_are_not_written_to_a_url(runtree):
    said = runtree("predict", "latest", "in", "-o", "s3://shop/out")
    assert (said.code, "predictions are written on this machine" in said.err) == (2, True)
