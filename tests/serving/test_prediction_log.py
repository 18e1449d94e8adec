"""The prediction log: nothing is lost but what is counted, by a full queue, a kill, a full disk or a database that is away."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from postgresql import PASSWORD
from runtree.contract.errors import ConfigError, NotFoundError, RequestError
from runtree.records import prediction_segments
from runtree.records.prediction_reader import count_log, read_prediction_log
from runtree.records.prediction_segments import LogCounts, Segment, read_segment
from runtree.records.sealed import parse_key
from runtree.serving import prediction_log
from runtree.serving.prediction_log import LoggedPrediction, LogOptions, PredictionLog, sensitive_columns

TIME = "2026-11-29T10:00:00.500+00:00"


def entry(number=0, row=0, time=TIME, outputs=None, **inputs):
    outputs = outputs or {"prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}}
    return LoggedPrediction(f"r{number}", time, "churn", 1, {"age": number, **inputs}, outputs, 0.004, "primary", row)


def rows(place, **options):
    tables = [pa.Table.from_batches([batch]) for batch in read_prediction_log(place, **options)]
    return [row for table in tables for row in table.to_pylist()]


def log_of(place, *entries, labels=(), **options):
    log = PredictionLog.open(LogOptions(to=str(place), **options))
    for item in entries:
        log.append(item)
    log.add_labels(labels)
    log.close()
    return log


def test_what_is_appended_is_read_as_columns_while_it_is_written_and_after(tmp_path):
    log = PredictionLog.open(LogOptions(to=str(tmp_path / "log")))
    for number in range(3):
        log.append(entry(number, day="2026-11-01", owner=None if number else "x"))
    log.flush()
    during = rows(tmp_path / "log")
    assert log.counts == LogCounts(3, 3)
    log.close()
    assert rows(tmp_path / "log") == during
    assert during[1] | {"time": None} == {
        "request_id": "r1",
        "row": 0,
        "time": None,
        "model": "churn",
        "version": "1",
        "route": "primary",
        "seconds": 0.004,
        "inputs.age": 1,
        "inputs.day": "2026-11-01",  # and not a moment, as Arrow would read it
        "inputs.owner": None,
        "outputs.prediction": "yes",
        "outputs.probabilities.no": 0.25,
        "outputs.probabilities.yes": 0.75,
        "label": None,
        "label_source": None,
        "override": None,
    }
    assert during[1]["time"].isoformat() == "2026-11-29T10:00:00.500000+00:00"
    assert [file.suffix for file in (tmp_path / "log").iterdir() if file.is_file()] == [".parquet"]
    assert count_log(tmp_path / "log") == LogCounts(3, 3)


def test_late_truths_are_joined_and_the_last_one_counts(tmp_path):
    labels = [{"request_id": "r1", "row": 1, "label": "no"}, {"request_id": "r0", "label": 2.5}]
    log_of(tmp_path, entry(0), entry(1), entry(1, row=1), labels=labels)
    log_of(tmp_path, labels=[{"request_id": "r1", "row": 1, "label": "yes"}, {"request_id": "other", "label": 1}])
    assert [row["label"] for row in rows(tmp_path)] == ["2.5", None, "yes"]
    assert list(rows(tmp_path, columns=["inputs.age"])[0]) == ["inputs.age", "label"]


def test_columns_of_several_types_in_several_files_are_read_as_one(tmp_path):
    log_of(tmp_path, entry(1, x=1, y=1, z=1))
    log_of(tmp_path, entry(2, x=0.5, y="one"), entry(3, x=7, y=2, time="2026-11-30T00:00:00.000+00:00"))
    found = rows(tmp_path)
    assert [(row["inputs.x"], row["inputs.y"], row["inputs.z"]) for row in found] == [
        (1.0, "1", 1),
        (0.5, "one", None),
        (7.0, "2", None),
    ]
    assert [row["request_id"] for row in rows(tmp_path, since="2026-11-29T23:00")] == ["r3"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("all", {"inputs.age", "inputs.city"}),
        ("none", set()),
        ("hash", {"inputs_hash"}),
        (["sex", "city"], {"inputs.sex", "inputs.city"}),
    ],
)
def test_a_sensitive_column_is_logged_only_where_it_is_named(tmp_path, columns, expected):
    log = PredictionLog.open(LogOptions(to=str(tmp_path), columns=columns, sensitive=["race"]))
    log.protect(sensitive_columns({"evaluator.fairness.columns": ["sex"]}))
    log.append(entry(1, sex="f", race="x", city="Bern"))
    log.flush()
    line = next(tmp_path.glob("*.jsonl")).read_text()
    log.close()
    assert {name for name in json.loads(line) if name.startswith("inputs")} == expected
    assert "x" not in json.loads(line).values()


def test_equal_inputs_have_equal_hashes_in_all_processes_and_other_ones_in_another_log(tmp_path):
    for place in ("a", "a", "b"):
        log_of(tmp_path / place, entry(1), columns="hash")
    first, second = (row["inputs_hash"] for row in rows(tmp_path / "a"))
    assert first == second != rows(tmp_path / "b")[0]["inputs_hash"]


def test_a_full_queue_drops_and_counts(tmp_path):
    log = PredictionLog.open(LogOptions(to=str(tmp_path), queue=2))
    with log._writing:  # as if the disk were slow
        for number in range(5):
            log.append(entry(number))
    log.flush()
    assert log.counts == LogCounts(received=5, written=2, dropped=3)
    log.close()
    assert count_log(tmp_path) == LogCounts(received=5, written=2, dropped=3)


def test_a_full_disk_drops_and_counts_and_leaves_whole_lines(tmp_path, monkeypatch, caplog):
    log = PredictionLog.open(LogOptions(to=str(tmp_path)))
    log.append(entry(1))
    log.flush()
    write = os.write

    def full(handle, content):
        write(handle, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, log._writing:
        patch.setattr(prediction_segments.os, "write", full)
        log.append(entry(2))
        log.flush()
    log.append(entry(3))
    log.close()
    assert [row["request_id"] for row in rows(tmp_path)] == ["r1", "r3"]
    assert count_log(tmp_path) == LogCounts(received=3, written=2, dropped=1)
    assert "predictions are not logged: " in caplog.text


def test_entries_that_wait_while_a_file_is_rotated_are_counted_once(tmp_path):
    log = PredictionLog.open(LogOptions(to=str(tmp_path)))
    with log._writing:
        for number in range(4):
            log.append(entry(number))
        log._predictions.rotate()
    log.flush()
    assert log.counts == LogCounts(4, 4)
    log.close()
    assert count_log(tmp_path) == LogCounts(4, 4)
    assert len(rows(tmp_path)) == 4


KILLED = """
import sys
from runtree.serving.prediction_log import *
log = PredictionLog.open(LogOptions(to=sys.argv[1]))
number = 0
while True:
    log.append(LoggedPrediction(str(number), "2026-11-29T10:00:00.000+00:00", "m", 1, {"x": 1}, {"y": 2}, 0.1, "primary"))
    number += 1
    if number % 1000 == 0:
        print(number, flush=True)
"""


def test_after_a_kill_each_entry_is_written_dropped_or_counted_as_lost(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    for _ in range(10):
        appended = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    segment = next(tmp_path.glob("*.jsonl"))
    counts = read_segment(segment).counts
    assert counts.received >= appended
    assert counts.received == counts.written + counts.dropped + counts.lost
    log_of(tmp_path, entry(1))  # the next process stores what was left behind
    assert not list(tmp_path.glob("*.jsonl"))
    assert count_log(tmp_path) == counts + LogCounts(1, 1)
    assert len(rows(tmp_path)) == counts.written + 1


def test_what_a_living_process_writes_is_left_alone_by_another(tmp_path):
    first = PredictionLog.open(LogOptions(to=str(tmp_path)))
    first.append(entry(1))
    first.flush()
    log_of(tmp_path, entry(2))
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    first.append(entry(3))
    first.close()
    assert sorted(row["request_id"] for row in rows(tmp_path)) == ["r1", "r2", "r3"]


def test_a_kill_between_parquet_and_the_removal_of_its_lines_logs_nothing_twice(tmp_path, monkeypatch):
    segment = Segment(tmp_path)
    segment.receive()
    segment.write([b'{"request_id":"r1","row":0,"time":"2026-11-29T10:00:00+00:00"}', b'{"request_id":"r2","row":0}'])
    segment.release()
    prediction_segments.write_parquet(read_segment(segment.file))
    assert len(rows(tmp_path)) == 2
    log_of(tmp_path)
    assert len(rows(tmp_path)) == 2
    assert len(list(tmp_path.glob("*.jsonl"))) == 0


def test_files_that_become_parquet_while_they_are_read_are_read_once(tmp_path):
    is_over, labels = threading.Event(), tmp_path / "labels"

    def roll():
        for number in range(150):
            line = {"request_id": str(number), "row": 0, "time": TIME}
            for folder, more in ((tmp_path, {}), (labels, {"label": str(number)})):
                segment = Segment(folder)
                segment.receive()
                segment.write([prediction_segments.dump_entry(line | more)])
                segment.release()
                prediction_segments.roll_left(folder, prediction_segments.write_parquet)
        is_over.set()

    thread = threading.Thread(target=roll)
    thread.start()
    read = LogCounts()
    while not is_over.is_set():
        before, read, found = read, count_log(tmp_path), rows(tmp_path)
        assert before.received <= read.received == read.written <= len(found)
        assert not (read.dropped or read.lost)
        assert all(row["label"] == row["request_id"] for row in found[:-1])
    thread.join()
    assert count_log(tmp_path) == LogCounts(150, 150)
    assert len(rows(tmp_path)) == 150


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": "some"}, "serve.log.columns: 'some'"),
        ({"queue": 0}, "serve.log.queue: 0 must be above 0"),
        ({"to": "/proc/log"}, "serve.log.to: /proc/log"),
    ],
)
def test_mistakes_are_told_by_their_key(options, says):
    with pytest.raises(ConfigError, match=says):
        PredictionLog.open(LogOptions(**options))


def test_where_there_is_no_log_it_is_said(tmp_path):
    with pytest.raises(NotFoundError, match="there is no prediction log"):
        rows(tmp_path / "none")


# --- sealed


@pytest.fixture
def key():
    pytest.importorskip("cryptography")
    return parse_key("ab" * 32, "key")


def test_a_sealed_log_holds_nothing_in_plain_and_opens_with_its_key_alone(tmp_path, key):
    log = PredictionLog.open(LogOptions(to=str(tmp_path)), key)
    log.append(entry(1, city="Bern-Bümpliz"))
    log.flush()
    during = rows(tmp_path, key=key)
    left = next(iter(tmp_path.glob("*.jsonl"))).read_bytes()
    log.add_labels([{"request_id": "r1", "label": "Bern-Bümpliz"}])
    log.close()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"mpliz" in content for content in (left, *(file.read_bytes() for file in files)))
    after = rows(tmp_path, key=key)
    assert (during[0]["inputs.city"], during[0]["label"]) == ("Bern-Bümpliz", None)
    assert (after[0]["inputs.city"], after[0]["label"]) == ("Bern-Bümpliz", "Bern-Bümpliz")
    with pytest.raises(RequestError, match=r"is encrypted with the key [0-9a-f]{8}, which is not known"):
        rows(tmp_path, key=parse_key("cd" * 32, "key"))


def test_a_sealed_line_or_file_that_was_changed_or_exchanged_is_refused(tmp_path, key):
    segments = [Segment(tmp_path, key) for _ in range(2)]
    for segment in segments:
        segment.write([b'{"request_id":"r1","row":0,"time":"2026-11-29T10:00:00+00:00"}'] * 2)
        segment.release()
    first = segments[0].file
    content = first.read_bytes().split(b"\n")
    first.write_bytes(b"\n".join([content[0], content[2], content[1], b""]))
    with pytest.raises(RequestError, match="was changed or cut off after it was sealed"):
        rows(tmp_path, key=key)
    first.write_bytes(segments[1].file.read_bytes())
    with pytest.raises(RequestError, match=f"is not {first.stem}, but the sealed {segments[1].name}"):
        rows(tmp_path, key=key)


# --- a database


def test_a_database_gets_each_entry_once_and_what_it_misses_waits_in_files(tmp_path, monkeypatch, key):
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    check_database(f"sqlite:///{tmp_path}/log.db", monkeypatch)
    log = PredictionLog.open(LogOptions(to="sqlite:///sealed.db"), key)
    log.append(entry(1, city="Bern-Bümpliz"))
    log.close()
    assert b"mpliz" not in Path("sealed.db").read_bytes()
    assert rows("sqlite:///sealed.db", key=key)[0]["inputs.city"] == "Bern-Bümpliz"


def check_database(url, monkeypatch):
    from runtree.records.prediction_database import PredictionDatabase

    labels = [{"request_id": "r1", "label": "no"}, {"request_id": "r1", "label": "yes"}]
    log_of(url, entry(0), entry(1, city="Bern"), labels=labels)
    with monkeypatch.context() as patch:
        patch.setattr(PredictionDatabase, "_tables", property(lambda self: (_ for _ in ()).throw(OSError("away"))))
        log_of(url, entry(2, time="2026-11-30T10:00:00.000+00:00"))
    assert [row["request_id"] for row in rows(url)] == ["r0", "r1"]
    left = next(Path("predictions").glob("*.jsonl"))
    content, counts = left.read_bytes(), left.with_suffix(".counts").read_bytes()
    log_of(url, columns="hash")  # the next process brings it
    left.write_bytes(content)  # as if a kill had come before it was removed
    left.with_suffix(".counts").write_bytes(counts)
    log_of(url)
    found = rows(url)
    assert [(row["request_id"], row["inputs.age"], row["label"]) for row in found] == [
        ("r0", 0, None),
        ("r1", 1, "yes"),
        ("r2", 2, None),
    ]
    assert found[1]["inputs.city"] == "Bern"
    assert [row["request_id"] for row in rows(url, since="2026-11-30", columns=["request_id"])] == ["r2"]
    assert count_log(url) == LogCounts(3, 3)
    assert not list(Path("predictions").glob("*.jsonl"))


def test_several_processes_write_beside_each_other_and_time_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_log, "TICK_SECONDS", 0.01)
    log = PredictionLog.open(LogOptions(to=str(tmp_path), minutes=0.0002))
    log.append(entry(1))
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    log.append(entry(2))
    log.close()
    assert [row["request_id"] for row in rows(tmp_path)] == ["r1", "r2"]


def test_postgresql_gets_each_entry_once(postgresql_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_database(postgresql_server.format(PASSWORD), monkeypatch)
