import errno
import json
import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.records.writer import append_line, jsonable, write_bytes, write_json


def test_a_short_write_is_carried_on_with(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:3]))
    write_bytes(tmp_path / "f", b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    write_bytes(tmp_path / "f", b"old")

    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(tmp_path / "f", b"new")
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_the_kernel_refusing_more_bytes_leaves_the_old_file(tmp_path):
    """The kernel itself stops the write after 4 KiB (RLIMIT_FSIZE), as a full disk would."""
    write_bytes(tmp_path / "f", b"old")
    code = (
        "import sys, pathlib, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from runtree.records.writer import write_bytes\n"
        "write_bytes(pathlib.Path(sys.argv[1]), b'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "f")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in done.stderr
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("moment", ["open", "write", "fsync", "replace"])
def test_a_kill_at_any_system_call_leaves_the_old_or_the_new_file(tmp_path, moment):
    write_bytes(tmp_path / "f", b"old")
    code = f"""
import os, pathlib, signal, sys
from runtree.records import writer
name = {moment!r}
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
before = getattr(os, name)
def dying(*a, **k):
    before(*a, **k) if name == "write" else None
    die()
setattr(os, name, dying)
writer.write_bytes(pathlib.Path(sys.argv[1]), b"new" * 1000)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "f")], check=False)
    assert done.returncode == -9
    assert (tmp_path / "f").read_bytes() == b"old"


def test_numbers_that_json_does_not_know_become_null(tmp_path):
    write_json(tmp_path / "f", {"a": float("nan"), "b": [float("inf")], "c": 1.5})
    assert json.loads((tmp_path / "f").read_text()) == {"a": None, "b": [None], "c": 1.5}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_what_json_knows_is_kept(value):
    assert json.loads(json.dumps(jsonable(value))) == value


def test_lines_are_appended(tmp_path):
    append_line(tmp_path / "f", {"a": 1})
    append_line(tmp_path / "f", {"a": 2})
    assert [json.loads(line) for line in (tmp_path / "f").read_text().splitlines()] == [{"a": 1}, {"a": 2}]
