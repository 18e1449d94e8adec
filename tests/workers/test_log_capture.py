"""The log of a job is cut in its middle while processes append to it."""

import os

import pytest

from runtree.workers import log_capture
from runtree.workers.log_capture import truncate_log

LINE = b"%098d\n"
MOST = 10_000


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "log.txt"
    file.write_bytes(b"".join(LINE % number for number in range(200)))
    return file


def test_the_first_and_the_last_lines_are_kept_in_their_order(log):
    truncate_log(log, MOST)
    content = log.read_bytes()
    assert len(content) <= MOST
    assert content.startswith(LINE % 0) and content.endswith(LINE % 199)
    assert content.count(b"cut here") == 1
    truncate_log(log, MOST)
    assert log.read_bytes() == content


def test_what_is_appended_while_a_log_is_cut_stays_its_end_also_when_it_is_cut_again(log, monkeypatch):
    ftruncate, waiting = os.ftruncate, [b"%d more\n" % number for number in range(600)]

    def append(lines):
        with log.open("ab") as file:
            file.writelines(lines)

    def cut(file, size):
        ftruncate(file, size)
        append(waiting)
        waiting.clear()

    monkeypatch.setattr(log_capture.os, "ftruncate", cut)
    truncate_log(log, MOST)
    assert log.stat().st_size > MOST
    truncate_log(log, MOST)
    assert log.stat().st_size <= MOST
    assert log.read_bytes().endswith(b"598 more\n599 more\n")


def test_lines_that_come_between_reading_and_cutting_are_kept(log, monkeypatch):
    pwrite, waiting = os.pwrite, [LINE % 201, LINE % 200]

    def write(file, content, place):
        if waiting:
            with log.open("ab") as appended:
                appended.write(waiting.pop())
        return pwrite(file, content, place)

    monkeypatch.setattr(log_capture.os, "pwrite", write)
    truncate_log(log, MOST)
    assert log.read_bytes().endswith(LINE % 199 + LINE % 200 + LINE % 201)
