"""What is opened of a tree that may be anyone's, and what is not."""

import os
from contextlib import suppress

import pytest
import yaml

from runtree.config.config_files import read_yaml
from runtree.contract.errors import ConfigError, NotFoundError
from runtree.contract.files import (
    APPEND,
    MAX_YAML_NODES,
    UnsafeFileError,
    check_yaml,
    create_file,
    load_yaml,
    open_regular,
    read_regular,
)
from runtree.records.folder_claims import make_run_folder
from runtree.records.layout import SweepFolder, read_description, sweep_folders
from runtree.records.ledger import Ledger, read_ledger
from runtree.records.reader import RunReader, read_json, read_lines
from runtree.records.record import read_record_file
from runtree.records.run_log import log_to_file
from runtree.records.scan import find_runs_folders
from runtree.records.writer import append_line, write_text
from runtree.workers.log_capture import append_to_log, clean_log

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.fixture
def victim(tmp_path):
    """Return a file of the user's, that a link leads to."""
    file = tmp_path / "victim"
    file.write_text("mine")
    return file


def make(kind, file, victim):
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(victim)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "folder":
        file.mkdir()
    else:
        with file.open("wb") as content:
            content.truncate(10**12)  # of holes: it takes no space


def refuses(error, function, *arguments):
    with pytest.raises(error):
        function(*arguments)
    return True


KINDS = ("fifo", "link", "device", "folder", "huge")
READERS = {
    "read_regular": lambda file: refuses(OSError, read_regular, file),
    "read_json": lambda file: read_json(file)[0] == {},
    "read_lines": lambda file: read_lines(file) == [],
    "run.json": lambda file: refuses(NotFoundError, read_record_file, str(file.parent)),
    "log.txt": lambda file: refuses((NotFoundError, OSError), RunReader(file.parent).read_log),
    "config.yaml": lambda file: refuses((NotFoundError, OSError), RunReader(file.parent).read_config),
    "sweep.yaml": lambda file: refuses(NotFoundError, read_description, SweepFolder(file.parent)),
    "conf.yaml": lambda file: refuses(ConfigError, read_yaml, file),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_what_is_no_file_or_follows_a_link(tmp_path, victim, kind, reader):
    file = tmp_path / "run" / (reader if "." in reader else "x.json")
    file.parent.mkdir()
    if reader == "conf.yaml" and kind == "link":  # the user's own folder may hold links
        victim.write_text("5")
    make(kind, file, victim)
    assert READERS[reader](file)


@pytest.mark.parametrize("kind", ["fifo", "link", "device"])
def test_a_ledger_that_is_no_file_is_a_warning(tmp_path, victim, kind, caplog):
    make(kind, tmp_path / "ledger.jsonl", victim)
    assert read_ledger(tmp_path / "ledger.jsonl") == []
    assert "left out" in caplog.text


def write_log(file):
    import logging

    with log_to_file(file):
        logging.getLogger("runtree.x").warning("text")


WRITERS = {
    "write_text": lambda file: write_text(file, "new"),
    "append_line": lambda file: append_line(file, {"a": 1}),
    "ledger": lambda file: Ledger(file).append({"a": 1}),
    "lock": lambda file: SweepFolder(file.parent).held().__enter__(),
    "log": write_log,
    "log of a worker": lambda file: append_to_log(file, "text"),
    "cut log": lambda file: clean_log(file, 2),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_follows_a_link(tmp_path, victim, writer):
    file = tmp_path / "run" / (".lock" if writer == "lock" else "x")
    file.parent.mkdir()
    file.symlink_to(victim)
    try:
        WRITERS[writer](file)
    except (OSError, RuntimeError) as error:
        assert isinstance(error, UnsafeFileError)
    except Exception as error:  # the lock
        assert writer == "lock" and "is a link" in str(error)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("writer", ["append_line", "log", "log of a worker"])
def test_no_writer_waits_for_the_reader_of_a_fifo(tmp_path, writer):
    os.mkfifo(tmp_path / "x")
    with suppress(OSError):
        WRITERS[writer](tmp_path / "x")


def test_a_planted_temporary_file_is_not_followed(tmp_path, victim):
    import threading

    aside = tmp_path / f".a.json.{os.getpid()}-{threading.get_ident()}.part"
    aside.symlink_to(victim)
    write_text(tmp_path / "a.json", "new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "a.json").read_text() == "new"
    assert not (tmp_path / "a.json").is_symlink()


def test_a_stale_temporary_file_is_replaced(tmp_path):
    (tmp_path / "x.part").write_text("longer than the new one")
    handle = create_file(tmp_path / "x.part")
    os.write(handle, b"new")
    os.close(handle)
    assert (tmp_path / "x.part").read_text() == "new"


def test_a_new_run_does_not_leave_the_output_folder_through_a_link(tmp_path):
    from runtree.contract.errors import RequestError

    outputs, elsewhere = tmp_path / "outputs", tmp_path / "elsewhere"
    elsewhere.mkdir()
    outputs.mkdir()
    (outputs / "default").symlink_to(elsewhere)
    with pytest.raises(RequestError, match="leaves the output folder"):
        make_run_folder(outputs / "default", "f" * 64)
    assert not list(elsewhere.iterdir())
    # the output folder itself may be a link: its place is the user's choice
    (tmp_path / "linked").symlink_to(outputs)
    make_run_folder(tmp_path / "linked" / "other", "f" * 64)


def test_what_is_outside_is_not_listed(tmp_path):
    outputs, elsewhere = tmp_path / "outputs", tmp_path / "elsewhere"
    for folder in (elsewhere / "run", outputs / "e" / "run", elsewhere / "x-sweep", outputs / "e" / "y-sweep"):
        folder.mkdir(parents=True)
    for sweep in (elsewhere / "x-sweep", outputs / "e" / "y-sweep"):
        (sweep / "ledger.jsonl").touch()
    (outputs / "linked").symlink_to(elsewhere)
    (outputs / "e" / "far").symlink_to(elsewhere / "run")
    (outputs / "e" / "near").symlink_to(outputs / "e" / "run")
    (outputs / "e" / "x-sweep").symlink_to(elsewhere / "x-sweep")
    places = list(find_runs_folders(str(outputs)))
    assert [(place.name, place.subfolders) for place in places if not place.is_sweep] == [("e", ("near", "run"))]
    assert [place.name for place in places if place.is_sweep] == ["e/y-sweep/runs"]
    assert [folder.path.name for folder in sweep_folders(outputs)] == ["y-sweep"]


def test_an_alias_bomb_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="aliases stand for more than"):
        check_yaml(BOMB.encode())
    file = tmp_path / "x.yaml"
    file.write_text(BOMB)
    with pytest.raises(ConfigError, match=r"x\.yaml: cannot be read: its aliases"):
        read_yaml(file)


@pytest.mark.parametrize(
    "text", ["a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n", "- &a 1\n- *a\n", "s: 'a & b * c'\n", "", "5", "a: [1, [2]]"]
)
def test_other_yaml_is_loaded_as_ever(text):
    assert load_yaml(text.encode()) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "{a: " * 300 + "1" + "}" * 300, "- " * 3000 + "x"])
def test_deep_yaml_is_refused(text):
    with pytest.raises((ValueError, yaml.YAMLError)):
        load_yaml(text.encode() + b"\n" + b"#" * 20_000)


def test_the_limit_is_in_values_and_not_in_bytes():
    check_yaml(b"a: &a 1\nb: *a\n" + b"c: [" + b"1, " * (MAX_YAML_NODES - 10) + b"1]")
    with pytest.raises(ValueError, match="stand for more"):
        check_yaml(b"a: &a 1\nb: *a\n" + b"c: [" + b"1, " * MAX_YAML_NODES + b"1]")


def test_append_makes_a_new_file(tmp_path):
    os.close(open_regular(tmp_path / "x", APPEND))
    assert (tmp_path / "x").stat().st_size == 0
