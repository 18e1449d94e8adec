"""Looks at a test part are counted, each once, whatever happens beside."""

import subprocess
import sys

import numpy as np

from runtree.records.looks import FILE, Looks, count_look, looks_at, rows_id

WORK = (
    "import sys; from pathlib import Path; from runtree.records.looks import count_look\n"
    "for number in range(50): count_look(Path(sys.argv[1]), 'rows', sys.argv[2] + str(number % 5), 'run')"
)


def test_each_look_is_counted_and_configs_once(tmp_path):
    assert count_look(tmp_path, "r", "a", "one") == Looks("r", 1, 1)
    assert count_look(tmp_path, "r", "a", "two") == Looks("r", 2, 1)
    assert count_look(tmp_path, "other", "a", "two") == Looks("other", 1, 1)
    assert count_look(tmp_path, "r", "b", "three") == Looks("r", 3, 2)
    assert looks_at(tmp_path, "r") == Looks("r", 3, 2)


def test_nobody_has_looked_where_there_is_no_file(tmp_path):
    assert looks_at(tmp_path / "none", "r") == Looks("r", 0, 0)


def test_processes_that_look_at_once_lose_none(tmp_path):
    working = [subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path), name]) for name in ("a", "b", "c")]
    assert [process.wait(120) for process in working] == [0, 0, 0]
    assert looks_at(tmp_path, "rows") == Looks("rows", 150, 15)


def test_a_torn_line_swallows_nothing(tmp_path):
    count_look(tmp_path, "r", "a", "one")
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"event":"looked","rows":"r","con')
    assert count_look(tmp_path, "r", "b", "two") == Looks("r", 2, 2)


def test_the_same_rows_of_the_same_data_are_the_same(tmp_path):
    one, other = np.arange(5), np.arange(5, dtype=np.int32)
    assert rows_id("data", one) == rows_id("data", other)
    assert len({rows_id("data", one), rows_id("else", one), rows_id("data", one + 1)}) == 3
