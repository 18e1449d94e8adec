"""Sealed files: encrypted with AES-256-GCM, and bound to their place, so that no file passes for another.

A file begins with a line of JSON that says what it is and which key opens it; chunks of ciphertext follow. Each file
has a key of its own, derived from the user's key and a random salt, so that a counter is a safe nonce; the last chunk
is marked in its nonce, so that a file that was cut off is refused (STREAM: Hoang, Reyhanitabar, Rogaway and Vizár,
"Online authenticated-encryption and its nonce-reuse misuse-resistance", CRYPTO 2015). The line is authenticated with
each chunk.
"""

import base64
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from runtree.contract.errors import ConfigError, MissingError, RequestError
from runtree.contract.files import create_file, open_regular, read_regular
from runtree.contract.model_version import SCHEME
from runtree.contract.redaction import REFERENCE, remember_secret

MAGIC = b'{"sealed":1,'
MAX_HEADER_BYTES = 4096
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
KEY_VARIABLE, KEY_FILE_VARIABLE = "RUNTREE_ENCRYPTION_KEY", "RUNTREE_ENCRYPTION_KEY_FILE"
MAKE_KEY = "make one: openssl rand -hex 32"
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class SealKey:
    """A key of 256 bits; `source` is the environment variable or the path of the file that holds it, "" if unknown."""

    secret: bytes = field(repr=False)
    source: str = ""

    @cached_property
    def id(self) -> str:
        """What names the key in a file that it seals; it says nothing about the key."""
        return self.derive(b"", b"runtree key id", 4).hex()

    def derive(self, salt: bytes, info: bytes, size: int = 32) -> bytes:
        """Return a key for one use."""
        hashes, hkdf = _cryptography("hazmat.primitives.hashes"), _cryptography("hazmat.primitives.kdf.hkdf")
        derived: bytes = hkdf.HKDF(hashes.SHA256(), size, salt, info).derive(self.secret)
        return derived


def _cryptography(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"cryptography.{module}")
    except ImportError:
        raise MissingError(
            "encrypt: needs the package 'cryptography'", "install it: pip install 'runtree[encryption]'"
        ) from None


def parse_key(text: str, path: str, source: str = "") -> SealKey:
    """Return the key that a text holds as 64 hexadecimal digits or in base64.

    Raises
    ------
    ConfigError
        It is no such text. A password is refused: it could be guessed from a file that it sealed.
    """
    word = text.strip()
    if word:
        remember_secret(word)
    try:
        secret = bytes.fromhex(word) if len(word) == 64 else base64.b64decode(word, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise ConfigError(f"{path}: is no key of 256 bits", "possible: 64 hexadecimal digits, or base64", MAKE_KEY)
    return SealKey(secret, source)


def key_of(options: Mapping[str, Any] | None, path: str = "encrypt") -> SealKey | None:
    """Return the key that ``encrypt: {key: ${secret:NAME}, file: PATH}`` names, None if it names none.

    Raises
    ------
    ConfigError
        The key is typed instead of named, is not set, or is no key.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    if len(given) > 1:
        raise ConfigError(f"{path}: has a key and a file", "name one of them")
    if "file" in given:
        return read_key_file(Path(str(given["file"])), f"{path}.file")
    if "key" not in given:
        return None
    name = REFERENCE.fullmatch(str(given["key"]))
    if name is None:
        remember_secret(str(given["key"]))
        raise ConfigError(f"{path}.key: a key is not typed, but named", f"type: '{path}.key=${{secret:NAME}}'")
    if name[1] not in os.environ:
        if keys := known_keys():  # on another machine it may have another name
            return keys[0]
        raise ConfigError(f"{path}.key: the secret {name[1]} is not set", f"export {name[1]}=…", MAKE_KEY)
    return parse_key(os.environ[name[1]], f"{path}.key: {name[1]}", name[1])


def read_key_file(file: Path, path: str) -> SealKey:
    """Return the key in a file, which others must not be able to read."""
    try:
        content = read_regular(file.expanduser(), 4096, follow=True)
        mode = file.expanduser().stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {file}: cannot be read ({error.strerror})", f"{MAKE_KEY} > {file}") from None
    if mode & 0o077:
        raise ConfigError(f"{path}: others may read {file}", f"type: chmod 600 {file}")
    return parse_key(content.decode("utf-8", "replace"), f"{path}: {file}", str(file.expanduser().absolute()))


def named_key(word: str, option: str) -> SealKey:
    """Return the key in the file or the environment variable that a word on the command line names."""
    reference = REFERENCE.fullmatch(word)  # as a config names it
    if reference is None and ("/" in word or Path(word).is_file()):
        return read_key_file(Path(word), option)
    word = reference[1] if reference else word
    if word not in os.environ:
        hint = f"export {word}=…" if word.isidentifier() else ""
        raise ConfigError(f"{option} {word}: is neither a file nor set in the environment", hint, MAKE_KEY)
    return parse_key(os.environ[word], f"{option} {word}", word)


def known_keys(source: str = "") -> list[SealKey]:
    """Return the keys that the environment holds, and that of `source`, which the head of a file names."""
    keys = []
    if source.startswith("/"):
        with suppress(RequestError):  # of another machine; and who wrote the head may have named any file
            keys.append(read_key_file(Path(source), ""))
        source = ""
    for name in dict.fromkeys((source, KEY_VARIABLE)):
        if name and (value := os.environ.get(name)):
            keys.append(parse_key(value, name, name))
    if file := os.environ.get(KEY_FILE_VARIABLE):
        keys.append(read_key_file(Path(file), KEY_FILE_VARIABLE))
    return keys


@dataclass(frozen=True)
class SealHeader:
    """The first line of a sealed file.

    Attributes
    ----------
    place
        What the file is, such as ``models:/churn/3/model/model.json``: another one in its place is refused.
    key, source
        The id of the key that seals it, and the environment variable or the file that held it.
    """

    place: str
    key: str
    source: str
    salt: str

    @cached_property
    def line(self) -> bytes:
        """Return the line, which is authenticated with each part of the file."""
        fields = {"sealed": 1, "place": self.place, "key": self.key, "source": self.source, "salt": self.salt}
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes, file: object) -> "SealHeader":
        """Read the line; raise RequestError if it is none."""
        try:
            fields = json.loads(line)
            header = cls(*(str(fields[name]) for name in ("place", "key", "source", "salt")))
            bytes.fromhex(header.salt)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RequestError(f"{file}: is no sealed file: its first line was changed") from None
        if header.line != line:
            raise RequestError(f"{file}: is no sealed file: its first line was changed")
        return header


@dataclass(frozen=True)
class Seal:
    """Seals and opens the parts of one file, which are numbered from 0."""

    header: SealHeader
    key: SealKey = field(repr=False)

    @classmethod
    def new(cls, key: SealKey, place: str) -> "Seal":
        """Return the seal of a new file."""
        return cls(SealHeader(place, key.id, key.source, secrets.token_hex(16)), key)

    @classmethod
    def of(cls, header: SealHeader, file: object, place: str | None, key: SealKey | None) -> "Seal":
        """Return the seal of a file that is to be opened.

        Raises
        ------
        RequestError
            It is another file than that of the place, or no key is known that opens it.
        """
        if place is not None and header.place != place:
            raise RequestError(f"{file}: is not {place}, but the sealed {header.place}", "restore it from a backup")
        keys = [key] if key else known_keys(header.source)
        fitting = next((known for known in keys if known.id == header.key), None)
        if fitting is None:
            variable = KEY_VARIABLE if "/" in header.source else header.source or KEY_VARIABLE
            known = f"known: {', '.join(known.id for known in keys)}; " if keys else ""
            raise RequestError(
                f"{file}: is encrypted with the key {header.key}, which is not known",
                f"{known}set the right one: export {variable}=…, or {KEY_FILE_VARIABLE}=FILE",
            )
        return cls(header, fitting)

    @cached_property
    def _cipher(self) -> Any:
        salt = bytes.fromhex(self.header.salt)
        return _cryptography("hazmat.primitives.ciphers.aead").AESGCM(self.key.derive(salt, b"runtree sealed file"))

    def close(self, number: int, content: bytes, last: bool = False) -> bytes:
        """Return a part encrypted."""
        sealed: bytes = self._cipher.encrypt(_nonce(number, last), content, self.header.line)
        return sealed

    def open(self, number: int, content: bytes, file: object, last: bool = False) -> bytes:
        """Return a part in plain; raise RequestError if it was changed."""
        try:
            plain: bytes = self._cipher.decrypt(_nonce(number, last), content, self.header.line)
        except _cryptography("exceptions").InvalidTag:
            raise RequestError(
                f"{file}: was changed or cut off after it was sealed", "restore it from a backup"
            ) from None
        return plain


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def is_sealed(file: Path) -> bool:
    """Return whether a file is sealed."""
    handle = open_regular(file)
    try:
        return os.read(handle, len(MAGIC)) == MAGIC
    finally:
        os.close(handle)


def seal_file(source: Path, target: Path, key: SealKey, place: str) -> None:
    """Write a sealed copy of a file; source and target may be the same."""
    with os.fdopen(open_regular(source), "rb") as content:
        seal_stream(content, target, key, place)


def seal_stream(content: IO[bytes], target: Path, key: SealKey, place: str) -> None:
    """Write what a stream holds into a sealed file, which is whole or not there."""
    with sealed_file(target, key, place) as sealed:
        shutil.copyfileobj(content, sealed, CHUNK_BYTES)


@contextmanager
def sealed_file(target: Path, key: SealKey, place: str) -> Iterator[IO[bytes]]:
    """Yield a file to write to, which only seals what it is given; it is whole or not there."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with os.fdopen(create_file(draft), "wb") as out:
            sealing = _Sealing(Seal.new(key, place), out)
            yield sealing  # type: ignore[misc]
            sealing.finish()
            out.flush()
            os.fsync(out.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


class _Sealing(io.RawIOBase):
    """Seals chunk by chunk what is written."""

    def __init__(self, seal: Seal, out: IO[bytes]) -> None:
        self._seal, self._out, self._left, self._chunks, self._bytes = seal, out, bytearray(), 0, 0
        out.write(seal.header.line)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._bytes

    def write(self, content: Any) -> int:
        self._left += content
        self._bytes += (size := memoryview(content).nbytes)
        while len(self._left) > CHUNK_BYTES:  # and not of the same size: the last chunk is marked
            self._close(False)
        return size

    def finish(self) -> None:
        self._close(True)

    def _close(self, last: bool) -> None:
        chunk = bytes(self._left[:CHUNK_BYTES])
        del self._left[:CHUNK_BYTES]
        self._out.write(self._seal.close(self._chunks, chunk, last))
        self._chunks += 1


def unsealed_chunks(file: Path, place: str | None, key: SealKey | None = None) -> Iterator[bytes]:
    """Yield the content of a sealed file.

    Parameters
    ----------
    place
        What the file must be; None for a file that the user names.
    key
        None for one of the environment.

    Raises
    ------
    RequestError
        It is another file, was changed or cut off, or there is no key for it.
    """
    with os.fdopen(open_regular(file), "rb") as content:
        seal = Seal.of(SealHeader.read(content.readline(MAX_HEADER_BYTES), file), file, place, key)
        yield from _chunks(seal, content, file)


def _chunks(seal: Seal, content: IO[bytes], file: Path) -> Iterator[bytes]:
    chunk, number, last = content.read(CHUNK_BYTES + TAG_BYTES), 0, False
    while not last:
        following = content.read(CHUNK_BYTES + TAG_BYTES)
        last = not following
        yield seal.open(number, chunk, file, last)
        chunk, number = following, number + 1


def unseal_file(source: Path, target: Path, place: str | None, key: SealKey | None = None) -> None:
    """Write the content of a sealed file to a new one, which only the user may read."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as plain:
        for chunk in unsealed_chunks(source, place, key):
            plain.write(chunk)


@contextmanager
def unsealed_folder(folder: Path, place: str | None) -> Iterator[Path]:
    """Yield a folder with the content of a folder of which files may be sealed: itself if none is.

    The copy is in memory where the system has such a file system, and removed afterwards.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    if not any(is_sealed(file) for file in files):
        yield folder
        return
    where = str(MEMORY) if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="runtree-", dir=where) as copy:
        for file in files:
            name = file.relative_to(folder)
            target = Path(copy) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if is_sealed(file):
                unseal_file(file, target, None if place is None else f"{place}/{name.as_posix()}")
            elif place is None:
                shutil.copyfile(file, target)
            else:
                # else a file that was written without the key could take the place of a sealed one
                raise RequestError(f"{file}: is not sealed, and its folder is", "restore it from a backup")
        yield Path(copy)


def plain_source(file: Path) -> Path | io.BytesIO:
    """Return what a library reads a file of a run from: itself, or its content in memory if it is sealed."""
    if not is_sealed(file):
        return file
    return io.BytesIO(b"".join(unsealed_chunks(file, registered_place(file))))


def registered_place(path: Path) -> str | None:
    """Return the place of a file or folder of a registered version (``models:/churn/3/model``), None if it is none."""
    parts = path.absolute().parts
    for number in range(len(parts) - 1, 1, -1):
        if parts[number].isdigit() and parts[number - 1] == "versions":
            return SCHEME + "/".join((parts[number - 2], *parts[number:]))
    return None
