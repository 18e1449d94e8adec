"""What is said of a folder that is held, and of one whose file system has no locks."""

import errno
import fcntl
import os

import pytest

from runtree.contract.errors import RequestError
from runtree.records import locks
from runtree.records.folder_claims import make_run_folder, make_sweep_folder, use_run_folder
from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.test_access import record_access

WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@pytest.fixture(params=[*WITHOUT_LOCKS, errno.EIO], ids=errno.errorcode.get)
def refused(request, monkeypatch):
    """Let the system refuse each lock, and return why."""
    locks._warn_once.cache_clear()

    def refuse(handle, operation):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return os.strerror(request.param)


@pytest.mark.parametrize(
    "use",
    [
        lambda place: make_run_folder(place, "abc"),
        make_sweep_folder,
        lambda place: use_run_folder(place),
        lambda place: RunFolder(place).held().__enter__(),
        lambda place: SweepFolder(place).held().__enter__(),
        lambda place: record_access(place, "rows", "config", "run"),
    ],
)
def test_what_takes_a_lock_is_refused_with_path_and_remedy_and_makes_no_folder(tmp_path, refused, use):
    with pytest.raises(RequestError) as raised:
        use(tmp_path)
    assert str(tmp_path) in raised.value.message
    assert refused in raised.value.message
    assert any("outputs=/path/to/folder" in hint for hint in raised.value.hints)
    assert len(str(raised.value).splitlines()) <= 5
    assert not [path for path in tmp_path.iterdir() if path.is_dir() or path.name == "config.yaml"]


def test_what_only_looks_says_that_nobody_holds_it_and_warns_once(tmp_path, refused, caplog):
    for folder in (RunFolder(tmp_path / "a"), SweepFolder(tmp_path / "b")):
        folder.path.mkdir()
        folder.lock.write_text('{"pid": 7}')
    assert not RunFolder(tmp_path / "a").is_held()
    assert SweepFolder(tmp_path / "b").holder() is None
    assert caplog.text.count("whether a process works here cannot be seen") == 1
    assert refused in caplog.text


def test_a_lock_is_seen_by_who_may_only_read(tmp_path, monkeypatch):
    """Root may write all, so the way in which the file is opened is what is looked at."""
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda file, flags, *mode: opened.append(flags) or real(file, flags, *mode))
    with RunFolder(tmp_path).held():
        opened.clear()
        assert RunFolder(tmp_path).is_held()
    assert not RunFolder(tmp_path).is_held()
    assert not any(flags & (os.O_WRONLY | os.O_RDWR) for flags in opened)


def test_an_error_within_a_held_folder_is_not_taken_for_another_holder(tmp_path):
    with pytest.raises(BlockingIOError), RunFolder(tmp_path).held():
        raise BlockingIOError(errno.EAGAIN, "from the run itself")
