"""Each use of a test set is counted once, also with several processes and a damaged file."""

import subprocess
import sys

import numpy as np

from runtree.records.layout import TEST_ACCESS_NAME
from runtree.records.test_access import AccessCount, count_accesses, record_access, rows_digest

WORK = (
    "import sys; from pathlib import Path; from runtree.records.test_access import record_access\n"
    "for number in range(50): record_access(Path(sys.argv[1]), 'rows', sys.argv[2] + str(number % 5), 'run')"
)


def test_each_use_is_counted_and_each_config_once(tmp_path):
    assert record_access(tmp_path, "r", "a", "one") == AccessCount("r", 1, 1)
    assert record_access(tmp_path, "r", "a", "two") == AccessCount("r", 2, 1)
    assert record_access(tmp_path, "other", "a", "two") == AccessCount("other", 1, 1)
    assert record_access(tmp_path, "r", "b", "three") == AccessCount("r", 3, 2)
    assert count_accesses(tmp_path, "r") == AccessCount("r", 3, 2)


def test_nobody_has_looked_where_there_is_no_file(tmp_path):
    assert count_accesses(tmp_path / "none", "r") == AccessCount("r", 0, 0)


def test_processes_that_look_at_once_lose_none(tmp_path):
    working = [subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path), name]) for name in ("a", "b", "c")]
    assert [process.wait(120) for process in working] == [0, 0, 0]
    assert count_accesses(tmp_path, "rows") == AccessCount("rows", 150, 15)


def test_a_torn_line_swallows_nothing(tmp_path):
    record_access(tmp_path, "r", "a", "one")
    with (tmp_path / TEST_ACCESS_NAME).open("ab") as file:
        file.write(b'{"event":"looked","rows":"r","con')
    assert record_access(tmp_path, "r", "b", "two") == AccessCount("r", 2, 2)


def test_the_same_rows_of_the_same_data_are_the_same(tmp_path):
    one, other = np.arange(5), np.arange(5, dtype=np.int32)
    assert rows_digest("data", one) == rows_digest("data", other)
    assert len({rows_digest("data", one), rows_digest("else", one), rows_digest("data", one + 1)}) == 3
