import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.find import find_run
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.record import read_record, write_record
from runtree.records.selectors import read_records

STRANGE = b'{"id": "x", "experiment": "e", "state": "failed", "started": "2026", "config": 7}'
texts = st.text("abcé 0", max_size=6)
maps = st.dictionaries(texts, st.none() | st.integers() | texts, max_size=3)


def a_record(folder: Path, **changes) -> RunRecord:
    values = {
        "id": folder.name, "experiment": "e", "state": "completed", "reason": None, "started": "2026-01-01T00:00:00+00:00",
        "finished": None, "seconds": 1.5, "overrides": (), "config": {}, "metrics": {}, "objective": {},
        "fingerprints": {}, "stages": {}, "task": None, "error": None, "folder": folder,
    }  # fmt: skip
    return RunRecord(**{**values, **changes})


def keep(outputs: Path, name: str, **changes) -> RunRecord:
    folder = outputs / "e" / name
    folder.mkdir(parents=True)
    record = a_record(folder, **changes)
    write_record(RunFolder(folder), record)
    return record


@given(st.lists(texts, max_size=3), maps, maps, st.sampled_from(["completed", "failed", "interrupted"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_what_is_written_is_read(tmp_path_factory, overrides, config, metrics, state):
    outputs = tmp_path_factory.mktemp("outputs")
    record = keep(outputs, "r", overrides=tuple(overrides), config=config, metrics=metrics, state=state)
    assert list(read_records(outputs)) == [record]


def test_a_run_whose_process_died_was_interrupted(tmp_path):
    record = keep(tmp_path, "r", state="running")
    assert read_record(RunFolder(record.folder)).state == "interrupted"
    with RunFolder(record.folder).held():
        assert read_record(RunFolder(record.folder)).state == "running"


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 4096, b"[]", b'{"schema": 1}', b"\xff\xfe", STRANGE])
def test_an_unreadable_record_is_a_warning_and_never_breaks_the_listing(tmp_path, caplog, content):
    keep(tmp_path, "good")
    bad = keep(tmp_path, "bad")
    (bad.folder / "run.json").write_bytes(content)
    assert [record.id for record in read_records(tmp_path)] == ["good"]
    assert "bad" in caplog.text


def test_foreign_files_are_no_runs(tmp_path):
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "e" / "notes").mkdir(parents=True)
    (tmp_path / "e" / "file.txt").write_text("x")
    assert list(read_records(tmp_path)) == []


def test_runs_of_sweeps_are_found(tmp_path):
    keep(tmp_path, "t-sweep/runs/0000", id="t-sweep/0000")
    assert [record.id for record in read_records(tmp_path)] == ["t-sweep/0000"]


def test_a_run_is_found_by_latest_path_and_beginning(tmp_path):
    keep(tmp_path, "20260101-000000-aaaa", started="2026-01-01", fingerprints={"config": "aaaa11"})
    keep(tmp_path, "20260102-000000-bbbb", started="2026-01-02", fingerprints={"config": "bbbb22"})
    assert find_run(tmp_path, "latest").id.endswith("bbbb")
    assert find_run(tmp_path, "20260101").id.endswith("aaaa")
    assert find_run(tmp_path, "bbbb2").id.endswith("bbbb")
    assert find_run(tmp_path, str(tmp_path / "e" / "20260101-000000-aaaa")).id.endswith("aaaa")


def test_a_selector_that_names_several_runs_or_none_is_refused(tmp_path):
    keep(tmp_path, "20260101-a")
    keep(tmp_path, "20260101-b")
    with pytest.raises(NotFoundError, match="names 2 runs"):
        find_run(tmp_path, "2026")
    with pytest.raises(NotFoundError, match="no run 'x'"):
        find_run(tmp_path, "x")
    with pytest.raises(NotFoundError, match="no runs in"):
        find_run(tmp_path / "none", "latest")


def test_the_record_is_one_json_document(tmp_path):
    record = keep(tmp_path, "r")
    assert json.loads((record.folder / "run.json").read_text())["schema"] == 1


@pytest.mark.parametrize("key", ["overrides", "flags", "missed"])
@pytest.mark.parametrize("value", [5, "seed=1", [1], [None], {"a": 1}])
def test_a_record_whose_lists_hold_no_texts_is_damaged(tmp_path, key, value):
    content = {"id": "a", "experiment": "e", "state": "completed", "started": "", key: value}
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(NotFoundError, match=f"'{key}' is not a list of texts"):
        read_record(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("error", 5), ("error", "no"), ("seconds", "1.5"), ("seconds", True), ("reason", 7), ("task", []), ("finished", 0),
        ("stages", {"fit": "long"}), ("stages", {"fit": None}),
    ],
)  # fmt: skip
def test_a_record_whose_values_have_another_type_is_damaged(tmp_path, caplog, key, value):
    keep(tmp_path, "good")
    bad = keep(tmp_path, "bad")
    file = bad.folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(NotFoundError, match=f"cannot be read .*'{key}'"):
        read_record(RunFolder(bad.folder))
    assert [record.id for record in read_records(tmp_path)] == ["good"]


def test_a_result_of_another_shape_counts_as_missing(tmp_path):
    content = {"test_looks": "many", "intervals": [], "baselines": {}, "findings": 3, "benchmark": None, "other": 1}
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    assert RunReader(tmp_path).evaluation == {"benchmark": None, "other": 1}
