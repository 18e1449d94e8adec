"""API keys of services: made once, shown once, kept as hashes in the folder of the registry."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError, RequestError, possible
from runtree.contract.files import read_regular
from runtree.records.layout import timestamp
from runtree.records.model_log import AuditFolder, append_entry
from runtree.records.writer import write_json

ROLES = ("predict", "read", "review", "admin")
PREFIX = "rt"
LOOK_SECONDS = 1.0  # between two looks whether the file has changed


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept; `sha256` is that of its secret part, which has 256 bits and so needs no slow hash."""

    id: str
    role: str
    name: str
    created: str
    by: str
    sha256: str


class KeyStore:
    """The keys of a registry. A change holds for services that run already."""

    def __init__(self, root: Path) -> None:
        self._folder = AuditFolder(root)
        self._keys: Mapping[str, ApiKey] = {}
        self._stamp: tuple[int, int] | None = None
        self._looked, self._used = float("-inf"), False

    def is_used(self) -> bool:
        """Return whether requests need a key: since the first one was made, also when all were removed again."""
        self._look()
        return self._used

    def all(self) -> list[ApiKey]:
        """Return all keys, the oldest first.

        Raises
        ------
        RequestError
            The file is damaged.
        """
        import json

        try:
            content = json.loads(read_regular(self._folder.keys))
            return [ApiKey(**item) for item in content["keys"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise RequestError(f"{self._folder.keys}: is damaged", "restore it from a backup, or remove it") from None

    def add(self, role: str, name: str, by: str) -> tuple[ApiKey, str]:
        """Make a key and return it with its text, which is kept nowhere.

        Raises
        ------
        RequestError
            The role is not known.
        """
        if role not in ROLES:
            raise RequestError(f"--role {role}: is no role", possible(ROLES))
        secret = secrets.token_urlsafe(32)
        key = ApiKey(secrets.token_hex(4), role, name, timestamp(), by, _hash(secret))
        with self._folder.held():
            self._write("key_added", by, key, [*self.all(), key])
        return key, f"{PREFIX}_{key.id}_{secret}"

    def remove(self, word: str, by: str) -> ApiKey:
        """Remove a key by its id or its name; raise NotFoundError if there is none."""
        with self._folder.held():
            keys = self.all()
            found = [key for key in keys if word in (key.id, key.name)]
            if len(found) != 1:
                known = ", ".join(key.id for key in (found or keys)) or "none"
                raise NotFoundError(f"'{word}' names {len(found)} keys", f"possible: {known}")
            self._write("key_removed", by, found[0], [key for key in keys if key != found[0]])
        return found[0]

    def _write(self, act: str, by: str, key: ApiKey, keys: list[ApiKey]) -> None:
        append_entry(self._folder, act, by, key=key.id, role=key.role, name=key.name)
        write_json(self._folder.keys, {"keys": [asdict(one) for one in keys]})

    def find(self, text: str) -> ApiKey | None:
        """Return the key that a client sent, None if it is none."""
        self._look()
        prefix, _, rest = text.partition("_")
        name, _, secret = rest.partition("_")
        known = self._keys.get(name) if prefix == PREFIX else None
        # of an unknown id, too, in the same time
        expected = known.sha256 if known else "0" * 64
        return known if hmac.compare_digest(_hash(secret), expected) and known else None

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            status = self._folder.keys.stat()
            stamp, self._used = (status.st_mtime_ns, status.st_ino), True
        except OSError:
            self._keys, self._stamp = {}, None
            return
        if stamp != self._stamp:
            try:
                self._keys = {key.id: key for key in self.all()}
            except RequestError:
                self._keys = {}  # nobody gets in by a damaged file
            self._stamp = stamp


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def describe_key(key: ApiKey) -> dict[str, Any]:
    """Return what may be shown of a key."""
    return {name: value for name, value in asdict(key).items() if name != "sha256"}
