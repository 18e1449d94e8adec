import pytest

from runtree.contract.errors import RequestError
from runtree.records.layout import RunFolder
from runtree.records.manifest import check_manifest, sha256, write_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.bin").write_bytes(b"0123456789")
    (tmp_path / "log.txt").write_text("goes on")
    (tmp_path / ".lock").write_text("")
    folder = RunFolder(tmp_path)
    write_manifest(folder)
    return folder


def test_the_hash_is_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_files_as_they_were_pass(folder):
    check_manifest(folder, folder.model)


@pytest.mark.parametrize("position", range(10))
def test_any_flipped_byte_is_noticed(folder, position):
    content = bytearray((folder.model / "m.bin").read_bytes())
    content[position] ^= 1
    (folder.model / "m.bin").write_bytes(content)
    with pytest.raises(RequestError, match=r"m\.bin: not the file that the run wrote"):
        check_manifest(folder, folder.model)


def test_a_file_that_is_gone_or_came_later_is_noticed(folder):
    (folder.model / "more.bin").write_bytes(b"")
    with pytest.raises(RequestError, match=r"more\.bin"):
        check_manifest(folder, folder.model)
    (folder.model / "more.bin").unlink()
    (folder.model / "m.bin").unlink()
    with pytest.raises(RequestError, match=r"m\.bin"):
        check_manifest(folder, folder.model)


def test_a_run_without_a_manifest_is_not_believed(folder):
    folder.manifest.unlink()
    with pytest.raises(RequestError, match=r"no manifest\.json"):
        check_manifest(folder, folder.model)
