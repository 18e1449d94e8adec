"""Sealed files open with their key, whole and in their place; everything else is refused by name."""

import os

import pytest

from runtree.contract.errors import ConfigError, RequestError
from runtree.records import sealed
from runtree.records.sealed import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    is_sealed,
    key_of,
    named_key,
    parse_key,
    seal_file,
    unseal_file,
    unsealed_chunks,
    unsealed_folder,
)

pytest.importorskip("cryptography")
TEXT = "ab" * 32


@pytest.fixture
def key():
    return parse_key(TEXT, "key")


@pytest.fixture
def chunk(monkeypatch):
    monkeypatch.setattr(sealed, "CHUNK_BYTES", 10)


def make(folder, content, key, place="models:/m/1/x"):
    (folder / "plain").write_bytes(content)
    seal_file(folder / "plain", folder / "sealed", key, place)
    return folder / "sealed"


def opened(file, key, place="models:/m/1/x"):
    return b"".join(unsealed_chunks(file, place, key))


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 25])
def test_a_file_comes_back_and_its_ciphertext_differs_each_time(tmp_path, key, chunk, size):
    content = os.urandom(size)
    file = make(tmp_path, content, key)
    assert opened(file, key) == content
    assert is_sealed(file) and not is_sealed(tmp_path / "plain")
    before = file.read_bytes()
    assert make(tmp_path, content, key).read_bytes() != before
    seal_file(tmp_path / "plain", tmp_path / "plain", key, "models:/m/1/x")
    assert opened(tmp_path / "plain", key) == content


@pytest.mark.parametrize("end", range(1, 62))
def test_a_file_that_was_cut_off_is_refused_wherever_the_cut_is(tmp_path, key, chunk, end):
    file = make(tmp_path, b"x" * 20, key)
    file.write_bytes(file.read_bytes()[:-end])
    with pytest.raises(RequestError, match=r"sealed: (was changed or cut off|is no sealed file)"):
        opened(file, key)


def test_each_byte_that_is_changed_is_noticed(tmp_path, key, chunk):
    file = make(tmp_path, b"x" * 12, key)
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(RequestError, match="sealed"):
            opened(file, key)


def test_parts_that_were_exchanged_repeated_or_taken_from_another_file_are_refused(tmp_path, key, chunk):
    file = make(tmp_path, b"a" * 10 + b"b" * 10 + b"c" * 5, key)
    head, _, body = file.read_bytes().partition(b"\n")
    parts = [body[:26], body[26:52], body[52:]]
    other = make(tmp_path, b"a" * 10 + b"d" * 10 + b"c" * 5, key).read_bytes().partition(b"\n")[2]
    for order in ([1, 0, 2], [0, 0, 2], [0, 2], [2], [0, 1]):
        file.write_bytes(b"\n".join([head, b"".join(parts[number] for number in order)]))
        with pytest.raises(RequestError, match="was changed or cut off"):
            opened(file, key)
    file.write_bytes(head + b"\n" + parts[0] + other[26:52] + parts[2])
    with pytest.raises(RequestError, match="was changed or cut off"):
        opened(file, key)


def test_another_place_and_another_key_are_refused_by_name(tmp_path, key):
    file = make(tmp_path, b"x", key)
    with pytest.raises(RequestError, match=r"is not models:/m/2/x, but the sealed models:/m/1/x"):
        opened(file, key, "models:/m/2/x")
    other = parse_key("cd" * 32, "key")
    with pytest.raises(
        RequestError, match=rf"encrypted with the key {key.id}, which is not known\n  known: {other.id}"
    ):
        opened(file, other)
    assert TEXT not in file.read_text("latin-1") and key.secret not in file.read_bytes()


def test_the_key_is_found_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_KEY", TEXT)
    file = make(tmp_path, b"x", key_of({"key": "${secret:CHURN_KEY}", "file": None}))
    assert opened(file, None) == b"x"
    monkeypatch.setenv(KEY_VARIABLE, TEXT)
    assert key_of({"key": "${secret:OF_ANOTHER_MACHINE}"}).source == KEY_VARIABLE
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.delenv("CHURN_KEY")
    with pytest.raises(RequestError, match="export CHURN_KEY="):
        opened(file, None)
    monkeypatch.setenv(KEY_VARIABLE, "cd" * 32)
    with pytest.raises(RequestError, match="known: "):
        opened(file, None)
    key_file = tmp_path / "key"
    key_file.write_text(f"{TEXT}\n")
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(key_file))
    with pytest.raises(ConfigError, match=r"others may read .*\n  type: chmod 600"):
        opened(file, None)
    key_file.chmod(0o600)
    assert opened(file, None) == b"x"
    monkeypatch.delenv(KEY_FILE_VARIABLE)
    other = make(tmp_path, b"y", key_of({"file": str(key_file)}))
    assert opened(other, None) == b"y"  # the file says where its key was
    key_file.unlink()
    with pytest.raises(RequestError, match=f"export {KEY_VARIABLE}="):
        opened(other, None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"key": "hunter2hunter2"}, r"encrypt\.key: a key is not typed, but named"),
        ({"key": "${secret:NO_SUCH_KEY}"}, "the secret NO_SUCH_KEY is not set"),
        ({"key": "${secret:WEAK}"}, r"encrypt\.key: WEAK: is no key of 256 bits"),
        ({"key": "${secret:WEAK}", "file": "k"}, "has a key and a file"),
        ({"file": "/no/such/key"}, r"encrypt\.file: /no/such/key: cannot be read"),
    ],
)
def test_what_is_no_key_is_told_by_its_key(options, says, monkeypatch):
    monkeypatch.setenv("WEAK", "password-of-anna")
    with pytest.raises(ConfigError, match=says) as raised:
        key_of(options)
    assert "hunter2" not in str(raised.value) and "password-of" not in str(raised.value)
    assert key_of(None) is key_of({"key": None, "file": None}) is None


def test_a_folder_is_opened_in_memory_and_gone_afterwards(tmp_path, key, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, TEXT)
    model = tmp_path / "model"
    (model / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (model / name).write_text(name)
    with unsealed_folder(model, "m/model") as same:
        assert same == model
    for name in ("a", "sub/b"):
        seal_file(model / name, model / name, key, f"m/model/{name}")
    with unsealed_folder(model, "m/model") as plain:
        assert [(plain / name).read_text() for name in ("a", "sub/b")] == ["a", "sub/b"]
        assert plain.stat().st_mode & 0o777 == 0o700 and (plain / "a").stat().st_mode & 0o777 == 0o600
    assert not plain.exists()
    (model / "c").write_text("put in by somebody without the key")
    with pytest.raises(RequestError, match="c: is not sealed, and its folder is"), unsealed_folder(model, "m/model"):
        pass


def test_an_unsealed_copy_takes_no_place(tmp_path, key):
    file = make(tmp_path, b"x", key)
    with pytest.raises(FileExistsError):
        unseal_file(file, tmp_path / "plain", None, key)


def test_what_cannot_be_unsealed_is_told_with_what_can(runtree, folder, key):
    make(folder, b"rows", key).rename("scores.parquet")
    said = runtree("unseal", "score.parquet")
    assert (said.code, "did you mean: scores.parquet?" in said.err) == (5, True)
    said = runtree("unseal", "nosuch/x")
    assert (said.code, "there is no encrypted file to choose from" in said.err) == (5, True)
    assert "possible: scores.parquet" in runtree("unseal", ".").err
    assert (runtree("unseal", "plain").code, runtree("unseal", "plain").err) == (2, "error: plain: is not encrypted\n")


def test_a_key_is_named_on_the_command_line_as_in_a_config_or_by_its_variable(monkeypatch):
    monkeypatch.setenv("MY_KEY", "ab" * 32)
    assert named_key("${secret:MY_KEY}", "--encrypt") == named_key("MY_KEY", "--encrypt")
    with pytest.raises(ConfigError) as caught:
        named_key("no.such.file", "--encrypt")
    assert "export" not in str(caught.value)
