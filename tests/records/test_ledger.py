"""The ledger: every line a commit point; what is damaged is left out, and what stands is never harmed."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.records.ledger import Ledger, line, parse, read_ledger

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=5).filter(lambda event: "sum" not in event)


@given(events)
def test_a_line_reads_back_as_it_was_written(event):
    written = line(event)
    assert written.endswith(b"\n") and written.count(b"\n") == 1
    assert parse(written) == event
    assert json.loads(written)["sum"]  # and it is plain JSON for anybody else


@given(events, st.data())
def test_a_line_with_any_byte_changed_is_not_taken(event, data):
    written = bytearray(line(event)[:-1])
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    assert parse(bytes(written)) is None


@given(events, st.data())
def test_a_torn_line_is_not_taken(event, data):
    written = line(event)
    assert parse(written[: data.draw(st.integers(0, len(written) - 2))]) is None


def filled(path, count=5):
    ledger = Ledger(path)
    for number in range(count):
        ledger.append({"event": "ended", "run": number})
    ledger.close()
    return path


def runs(path):
    return [event["run"] for event in read_ledger(path)]


def test_events_come_back_in_order(tmp_path):
    assert runs(filled(tmp_path / "l")) == [0, 1, 2, 3, 4]
    assert read_ledger(tmp_path / "none") == []


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_end_loses_one_event_and_swallows_none_after_it(tmp_path, cut, caplog):
    path = filled(tmp_path / "l")
    path.write_bytes(path.read_bytes()[:-cut])
    whole = cut == 1  # the line itself is there, only its end is not
    assert runs(path) == ([0, 1, 2, 3, 4] if whole else [0, 1, 2, 3])
    again = Ledger(path)
    again.append({"event": "ended", "run": 9})
    again.close()
    assert runs(path)[-1] == 9 and runs(path)[:4] == [0, 1, 2, 3]
    assert ("torn" in caplog.text or "damaged" in caplog.text) != whole


def test_zeros_at_the_end_are_left_out(tmp_path):
    path = filled(tmp_path / "l")
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert runs(path) == [0, 1, 2, 3, 4]
    again = Ledger(path)
    again.append({"event": "ended", "run": 5})
    assert runs(path) == [0, 1, 2, 3, 4, 5]


def test_a_flipped_byte_costs_its_own_line_alone(tmp_path, caplog):
    path = filled(tmp_path / "l")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert runs(path) == [0, 1, 3, 4]
    assert "line 3 is damaged" in caplog.text


def test_a_full_disk_takes_back_what_it_wrote(tmp_path, monkeypatch):
    path = filled(tmp_path / "l")
    ledger, real = Ledger(path), os.write
    left = [10]

    def full(handle, content):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = real(handle, bytes(content)[: left[0]])
        left[0] -= count
        return count

    before = path.read_bytes()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        ledger.append({"event": "ended", "run": 5})
    assert path.read_bytes() == before
    monkeypatch.undo()
    ledger.append({"event": "ended", "run": 5})
    assert runs(path) == [0, 1, 2, 3, 4, 5]


def test_killed_at_any_moment_every_acknowledged_event_is_there(tmp_path):
    path = tmp_path / "l"
    code = (
        "import sys\nfrom pathlib import Path\nfrom runtree.records.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]))\nn = 0\n"
        "while True:\n    ledger.append({'event': 'ended', 'run': n, 'x': 'y' * 300})\n    print(n, flush=True)\n    n += 1\n"
    )
    for _ in range(3):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        told = process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        told = (told + process.stdout.read()).split("\n")[:-1]
        process.wait()
        assert runs(path)[: len(told)] == list(range(len(told)))
        process.stdout.close()


def test_lines_that_follow_each_other_share_one_wait_for_the_disk(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(os, "fdatasync", lambda handle: waited.append(runs(tmp_path / "l")))
    ledger = Ledger(tmp_path / "l")
    ledger.append({"event": "ended", "run": 0}, durable=False)
    ledger.append({"event": "ended", "run": 1}, durable=False)
    assert runs(tmp_path / "l") == [0, 1]  # the end of this process takes neither
    ledger.sync()
    ledger.sync()
    assert waited == [[0, 1]]
    ledger.append({"event": "ended", "run": 2})
    assert waited == [[0, 1], [0, 1, 2]]
