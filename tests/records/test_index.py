"""The index never shows what the tree does not hold, and a tree with one is listed as without."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtree.contract.types import RunRecord
from runtree.records import index, index_builder, scan
from runtree.records.find import find_run
from runtree.records.index import INDEX_NAME, RunIndex, open_index, query_index
from runtree.records.layout import RunFolder
from runtree.records.query import RunQuery, select_runs
from runtree.records.record import write_record
from runtree.records.selectors import read_records


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Write the index from the third run on, and take every change for one that a clock can tell from the next."""
    monkeypatch.setattr(index, "MIN_CHANGES_TO_WRITE", 3)
    monkeypatch.setattr(scan, "SETTLED_NANOSECONDS", -(10**12))


def put(outputs: Path, name: str, state: str = "completed", place: str = "e", **changes) -> Path:
    folder = outputs / place / name
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "id": name, "experiment": place.partition("/")[0], "state": state, "reason": None, "started": f"2026-{name}",
        "finished": None, "seconds": 1.5, "overrides": (), "metrics": {"validation": {"accuracy": 0.5}},
        "config": {"algorithm.name": "ridge", "algorithm.alpha": 1.0}, "objective": {}, "task": None, "error": None,
        "fingerprints": {"config": f"f{name}"}, "stages": {}, "folder": folder,
    }  # fmt: skip
    write_record(RunFolder(folder), RunRecord(**{**values, **changes}), durable=False)
    return folder


def put_sweep(outputs: Path, count: int = 4) -> Path:
    sweep = outputs / "e" / "t-sweep"
    for number in range(count):
        put(outputs, f"{number:04d}", place="e/t-sweep/runs")
    (sweep / "ledger.jsonl").write_text("{}\n")
    return sweep


def told(outputs: Path, *where: str) -> list[tuple[str, str, float]]:
    """Return what a listing says, having seen that the bare columns say the same."""
    found = query_index(outputs, lambda runs: select_runs(runs, RunQuery(where=where), dict)).records
    if not where:
        bare = open_index(outputs)
        pairs = zip(bare.column("id").values(), bare.column("state").values(), strict=True)
        assert sorted(pairs) == sorted((r.id, r.state) for r in found)
    return [(run.id, run.state, run.metrics["validation"]["accuracy"]) for run in found]


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def served(outputs: Path) -> int:
    """Return how many runs are told by the index."""
    runs = open_index(outputs)
    return sum(row < runs.fresh_from for row in runs.rows())


def contents(runs: RunIndex) -> dict[str, list[str]]:
    """Return the values under each key in the order of the folders; repr tells 1, 1.0 and True apart."""
    rows = sorted(runs.rows(), key=runs.folder)
    keys = runs.keys()
    return {key: [repr(runs.column(key)[row]) for row in rows] for key in keys}


def test_a_second_listing_is_served_from_the_index_and_says_the_same(tmp_path):
    for number in range(5):
        put(
            tmp_path,
            f"r{number}",
            seconds=number / 3,
            config={"a": number, "b": [number], "c.d": None, "e": number > 2},
        )
    first = told(tmp_path)
    assert (tmp_path / INDEX_NAME).is_file()
    assert served(tmp_path) == 5
    assert told(tmp_path) == first
    kept = open_index(tmp_path)
    with open_index(tmp_path, use_cache=False) as fresh:
        assert contents(kept) == contents(fresh)
        assert sorted(kept.folders().values()) == sorted(fresh.folders().values())
        assert kept.names() == fresh.names()


def test_runs_of_many_shapes_have_the_same_columns_whatever_the_batch(tmp_path, monkeypatch):
    for number in range(9):
        more = {"a": number % 2, "b": number} if number % 3 else {"c": [number]}
        put(tmp_path, f"r{number}", config=more, metrics={"test": {"f1": number / 7}} if number % 4 else {})
    monkeypatch.setattr(index, "MIN_CHANGES_TO_WRITE", 10**6)
    one_batch = open_index(tmp_path)
    monkeypatch.setattr(index_builder, "BATCH_RUNS", 2)
    monkeypatch.setattr(index_builder, "MAX_COLUMNS", 8)  # so that a second table begins
    monkeypatch.setattr(index, "MAX_RECORDS_IN_MEMORY", 4)
    many = open_index(tmp_path)
    assert contents(one_batch) == contents(many)
    assert (len(one_batch.fresh), len(many.fresh)) == (9, 0)
    assert many.read_records([9, 1]) == one_batch.read_records([9, 1])


def test_keys_go_with_the_last_run_that_has_them(tmp_path):
    for number in range(4):
        put(tmp_path, f"r{number}", config={"a": number})
    put(tmp_path, "r4", config={"a": True, "b": 1})
    told(tmp_path)
    assert "b" in open_index(tmp_path).names()
    shutil.rmtree(tmp_path / "e" / "r4")
    assert "b" not in open_index(tmp_path).names()
    put(tmp_path, "r4", config={"a": 4, "b": 2})
    assert open_index(tmp_path).column("config:b") == {1: None, 2: None, 3: None, 4: None, 6: 2}


def test_a_few_runs_need_no_index(tmp_path):
    put(tmp_path, "r0"), put(tmp_path, "r1")
    told(tmp_path)
    assert entries(tmp_path) == ["e"]


def replaced(outputs: Path) -> None:
    put(outputs, "r1", metrics={"validation": {"accuracy": 0.7}})


def edited(outputs: Path) -> None:
    """Change it in place, to the same size and the same time of change that programs can set."""
    file = outputs / "e" / "r1" / "run.json"
    before = file.stat()
    file.write_text(file.read_text().replace("0.5", "0.7"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [replaced, edited])
def test_a_run_that_changed_is_read_anew(tmp_path, change):
    for number in range(4):
        put(tmp_path, f"r{number}")
    told(tmp_path)
    change(tmp_path)
    assert served(tmp_path) == 3
    assert ("r1", "completed", 0.7) in told(tmp_path)
    assert told(tmp_path, "validation.accuracy>0.6") == [("r1", "completed", 0.7)]


def test_runs_that_go_come_and_are_renamed(tmp_path):
    for number in range(5):
        put(tmp_path, f"r{number}")
    told(tmp_path)
    shutil.rmtree(tmp_path / "e" / "r0")
    (tmp_path / "e" / "r1").rename(tmp_path / "e" / "x1")
    put(tmp_path, "r9", place="f")
    assert {run[0] for run in told(tmp_path)} == {"r1", "r2", "r3", "r4", "r9"}
    assert str(find_run(tmp_path, "r1").folder) == str(tmp_path / "e" / "x1")
    shutil.rmtree(tmp_path / "e")
    assert {run[0] for run in told(tmp_path)} == {"r9"}


def test_a_running_run_is_looked_at_each_time(tmp_path):
    for number in range(4):
        put(tmp_path, f"r{number}")
    run = RunFolder(put(tmp_path, "r9", state="running"))
    with run.held():
        assert told(tmp_path)[0][1] == "running"
        assert told(tmp_path)[0][1] == "running"
    assert told(tmp_path)[0][1] == "interrupted"
    assert b"r9" not in (tmp_path / INDEX_NAME).read_bytes()


def test_what_has_only_just_changed_is_not_served(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "SETTLED_NANOSECONDS", 10**12)
    for number in range(4):
        put(tmp_path, f"r{number}")
    assert len(told(tmp_path)) == 4
    assert not (tmp_path / INDEX_NAME).exists()


def test_a_finished_sweep_is_not_looked_at_run_by_run_until_its_ledger_or_its_runs_change(tmp_path, monkeypatch):
    sweep, looked = put_sweep(tmp_path), []
    told(tmp_path)
    monkeypatch.setattr(index, "read_stamp", lambda file: looked.append(file))
    assert served(tmp_path) == 4
    assert looked == []
    monkeypatch.undo()
    monkeypatch.setattr(scan, "SETTLED_NANOSECONDS", -(10**12))
    put(tmp_path, "0002", place="e/t-sweep/runs", metrics={"validation": {"accuracy": 0.9}})
    with (sweep / "ledger.jsonl").open("a") as file:
        file.write('{"event": "kept"}\n')
    assert ("0002", "completed", 0.9) in told(tmp_path)
    put(tmp_path, "0004", place="e/t-sweep/runs")
    assert len(told(tmp_path)) == 5


def test_a_sweep_that_somebody_works_on_is_looked_at_run_by_run(tmp_path):
    from runtree.records.layout import SweepFolder

    sweep = put_sweep(tmp_path)
    told(tmp_path)
    with SweepFolder(sweep).held():
        put(tmp_path, "0002", place="e/t-sweep/runs", state="failed")
        assert ("0002", "failed", 0.5) in told(tmp_path)


def test_a_run_of_a_finished_sweep_that_was_edited_by_hand_is_shown_as_it_is(tmp_path):
    put_sweep(tmp_path)
    told(tmp_path)
    put(tmp_path, "0002", place="e/t-sweep/runs", state="failed")
    shown = query_index(tmp_path, lambda runs: select_runs(runs, RunQuery(where=("state=completed",)), dict)).records
    assert [run.id for run in shown] == ["0003", "0001", "0000"]
    assert ("0002", "failed", 0.5) in told(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "head", "pages", "schema", "cut", "torn", "folder"])
def test_a_damaged_index_is_passed_over_and_written_anew(tmp_path, damage):
    for number in range(4):
        put(tmp_path, f"r{number}")
    before, file = told(tmp_path), tmp_path / INDEX_NAME
    content = bytearray(file.read_bytes())
    if damage == "empty":
        content = b""
    elif damage == "head":
        content[10] ^= 1
    elif damage == "pages":
        content[index_builder.PAGE_BYTES :] = bytes(byte ^ 1 for byte in content[index_builder.PAGE_BYTES :])
    elif damage == "schema":
        content[60:64] = (7).to_bytes(4, "big")  # PRAGMA user_version
    elif damage == "cut":
        content = content[: index_builder.PAGE_BYTES + 100]
    elif damage == "torn":
        content[-2 * index_builder.PAGE_BYTES :] = bytes(2 * index_builder.PAGE_BYTES)
    file.unlink()
    if damage == "folder":
        file.mkdir()
    else:
        file.write_bytes(content)
    assert told(tmp_path) == before
    assert [run.id for run in read_records(tmp_path)]
    assert damage == "folder" or served(tmp_path) == 4


def test_an_unreadable_run_warns_each_time(tmp_path, caplog):
    put_sweep(tmp_path)
    (tmp_path / "e" / "t-sweep" / "runs" / "0001" / "run.json").write_text("{")
    (tmp_path / "e" / "notes").mkdir()
    for _ in range(2):
        caplog.clear()
        assert len(open_index(tmp_path)) == 3
        assert [record.message.partition(": ")[0] for record in caplog.records] == [
            str(tmp_path / "e/t-sweep/runs/0001/run.json")
        ]


def test_a_tree_that_cannot_be_written_to_is_listed(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index_builder, "write_bytes", refuse)
    for number in range(4):
        put(tmp_path, f"r{number}")
    assert len(told(tmp_path)) == len(told(tmp_path)) == 4
    assert entries(tmp_path) == ["e"]


def test_several_writers_at_once_do_no_damage(tmp_path):
    for number in range(30):
        put(tmp_path, f"r{number:02d}")
    abandoned = tmp_path / f".{INDEX_NAME}.1.part"
    abandoned.write_bytes(b"left by a writer that was killed")
    os.utime(abandoned, (0, 0))
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: len(open_index(tmp_path, use_cache=False)), range(12)))
    assert counts == [30] * 12
    assert entries(tmp_path) == [INDEX_NAME, "e"]
    assert served(tmp_path) == 30


def test_strange_records_are_listed_from_the_index_too(tmp_path):
    for number, strange in enumerate([{"a": 1}, {"a": 1.0}, {"a": True}, {"a": None}, {"a": [1]}, {"a": "1"}, {}]):
        put(tmp_path, f"r{number}", config=strange)
    file = tmp_path / "e" / "r6" / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"metrics": {"validation": 7, "odd": {"x": 1}}}))
    before = contents(open_index(tmp_path))
    assert served(tmp_path) == 7
    assert contents(open_index(tmp_path)) == before
    assert before["config:a"] == ["1", "1.0", "True", "None", "[1]", "'1'", "None"]


def test_values_that_sqlite_cannot_store_are_listed(tmp_path):
    for number, strange in enumerate([2**70, "\ud800", {"x": [True]}, float("inf")]):
        put(tmp_path, f"r{number}", config={"a": strange, "\ud801": 1})
    assert len(told(tmp_path)) == 4
    assert [run[0] for run in told(tmp_path, "a>1")] == ["r1", "r0"]
    assert served(tmp_path) == 4


def test_a_full_disk_leaves_no_part_of_an_index(tmp_path, monkeypatch):
    from runtree.records import writer

    for number in range(4):
        put(tmp_path, f"r{number}")

    def full(handle, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.os, "write", full)
    assert len(open_index(tmp_path)) == 4
    assert entries(tmp_path) == ["e"]


def test_a_reader_keeps_the_index_that_it_opened(tmp_path):
    for number in range(4):
        put(tmp_path, f"r{number}")
    told(tmp_path)
    runs = open_index(tmp_path)
    put(tmp_path, "r4")
    (tmp_path / INDEX_NAME).unlink()
    told(tmp_path)
    assert list(runs.column("id").values()) == ["r0", "r1", "r2", "r3"]


def test_a_place_that_goes_in_the_middle_of_the_walk_is_left_out(tmp_path, monkeypatch):
    for number in range(4):
        put(tmp_path, f"r{number}")
    put(tmp_path, "r9", place="f")
    walk = scan.list_subfolders

    def list_subfolders(folder, root=None):
        names = walk(folder)
        if folder.endswith("/e"):
            shutil.rmtree(folder)
        return names

    monkeypatch.setattr(scan, "list_subfolders", list_subfolders)
    assert [run[0] for run in told(tmp_path)] == ["r9"]


@pytest.mark.parametrize("odd", ["half a surrogate pair: \udcff", 2**70])
def test_a_value_that_sqlite_cannot_store_costs_no_other_run_its_values(tmp_path, odd):
    """Rows of several shapes are written together: that of the odd value lies between those of another shape."""
    for number, config in enumerate([{"a": "x"}, {"b": odd}, {"a": "y"}, {"a": "z"}]):
        put(tmp_path, f"r{number}", config=config)
    select = lambda runs: select_runs(runs, RunQuery(), dict)  # noqa: E731
    for _ in range(2):  # while the index is written, and from it
        found = {run.id: run.config for run in query_index(tmp_path, select).records}
        assert [found[name].get("a") for name in ("r0", "r2", "r3")] == ["x", "y", "z"]
    column = dict(
        zip(open_index(tmp_path).column("id").values(), open_index(tmp_path).column("config:a").values(), strict=True)
    )
    assert [column[name] for name in ("r0", "r2", "r3")] == ["x", "y", "z"]
