"""A disk that takes no more, or fails, outside of a sweep: the path, what helps, what became of the run, no harm done."""

import errno
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import runtree.contract.files
import runtree.records.writer
from runtree.contract.storage import REMEDIES
from runtree.testing.fixtures import UNEXAMINED

TRAIN = ("train", "data=iris", "algorithm=dummy", *UNEXAMINED)


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a full disk; unlike permissions this holds for root, too."""
    before, bytecode = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # Python does not notice that it wrote half a .pyc file
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = bytecode


def fail_at(monkeypatch, name: str, number: int) -> None:
    """Let the system refuse to make each file whose name begins so."""
    create = runtree.records.writer.create_file

    def refuse(file):
        if Path(file).name.startswith(f".{name}."):
            raise OSError(number, os.strerror(number), str(file))
        return create(file)

    monkeypatch.setattr(runtree.records.writer, "create_file", refuse)


def assert_told(said, number: int) -> None:
    assert said.out == "" and "Traceback" not in said.err, said
    assert os.strerror(number) in said.err and REMEDIES[number] in said.err, said.err
    assert len(said.err.strip().splitlines()) <= 5, said.err


def runs() -> list[Path]:
    return list(Path("outputs/default").glob("*-????????"))


def test_a_run_that_cannot_be_begun_leaves_no_folder(runtree, monkeypatch):
    fail_at(monkeypatch, "config.yaml", errno.ENOSPC)
    said = runtree(*TRAIN)
    assert said.code == 1
    assert_told(said, errno.ENOSPC)
    assert "config.yaml" in said.err and "nothing was trained" in said.err
    assert runs() == []


@pytest.mark.parametrize(
    ("name", "number", "state"),
    [
        ("run.json", errno.ENOSPC, "the run has no record; to remove what it has written: runtree clean"),
        ("metrics.json", errno.EDQUOT, "the run is recorded as failed; to do it again: runtree rerun"),
        ("manifest.json", errno.EIO, "the run is recorded as failed; to do it again: runtree rerun"),
    ],
)
def test_a_run_says_what_the_disk_refused_and_what_became_of_it(runtree, monkeypatch, name, number, state):
    fail_at(monkeypatch, name, number)
    said = runtree(*TRAIN)
    assert said.code == 1
    assert_told(said, number)
    [run] = runs()
    assert f"error: {run / name}: {os.strerror(number)}" in said.err
    assert state in said.err
    if (run / "run.json").exists():
        assert json.loads((run / "run.json").read_text())["state"] == "failed"


def test_a_disk_that_is_full_when_the_model_is_saved_leaves_no_half_of_it_and_can_be_run_again(runtree):
    with small_files(6_000):
        said = runtree("train", "data=iris", "algorithm=knn", *UNEXAMINED)
    assert said.code == 1
    assert_told(said, errno.EFBIG)
    [run] = runs()
    assert (json.loads((run / "run.json").read_text())["state"], (run / "model").exists()) == ("failed", False)
    assert "completed" in runtree("rerun", "latest").out


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Return a folder with a finished run, a report of it, and files that the verbs below replace."""
    from runtree.cli.main import main

    folder, before = tmp_path_factory.mktemp("finished"), Path.cwd()
    os.chdir(folder)
    try:
        assert main([*TRAIN]) == 0
        rows = (
            ",".join(f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width"))
            + "\n"
            + "1,2,3,4\n" * 50
        )
        Path("rows.csv").write_text(rows)
        for name in ("out.csv", "out.parquet", "page.html"):
            Path(name).write_text("an earlier one")
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (("export", "-o", "out.csv"), "out.csv"),
        (("export", "-o", "out.parquet"), "out.parquet"),
        (("report", "latest", "-o", "page.html"), "page.html"),
        (("predict", "latest", "rows.csv", "-o", "out.csv"), "out.csv"),
        (("predict", "latest", "rows.csv", "-o", "out.parquet"), "out.parquet"),
    ],
    ids=lambda value: " ".join(value[:1] if isinstance(value, tuple) else [value]),
)
def test_a_verb_that_writes_a_file_names_it_and_leaves_the_earlier_one(finished, monkeypatch, runtree, words, target):
    monkeypatch.chdir(finished)
    before = set(finished.rglob("*"))
    with small_files(100):
        said = runtree(*words)
    assert said.code == 2
    assert_told(said, errno.EFBIG)
    assert target in said.err
    assert Path(target).read_text() == "an earlier one"
    assert set(finished.rglob("*")) == before
