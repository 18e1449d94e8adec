"""Sensitive columns: hashed with a key, masked or dropped once the sources are read, before anything else sees a value.

A hash keeps equality, so that groups, joins of later tables and categories work; a mask keeps the beginning. Both leave
a mark (``hash:5f3a…``, ``AB***``) as it is, so that rows that were written by a run, a prediction or a service may be
read again. A saved model knows which columns, in which way, and the name of the secret; never the key.
"""

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.config.secrets import reveal
from runtree.contract.errors import ConfigError, DataError, RequestError, possible, unknown
from runtree.contract.redaction import REFERENCE

if TYPE_CHECKING:
    import pandas as pd

HASH, DROP = "hash", "drop"
WAYS = (HASH, "mask:2", DROP)
MASK = re.compile(r"mask:([1-9]\d?)")
MARK = re.compile(r"hash:[0-9a-f]{16}")
STARS = "***"
KEY = "data.hash_key"
MAKE_KEY = "export NAME=$(openssl rand -hex 32)"
MIN_KEY_LENGTH = 16  # characters; values could be found from their hashes by trying shorter keys
FRAMES = ".frames"  # in the output folder: the tables that were given as data frames, by content
PROTECTED = ".hidden.parquet"  # ends the name of one without the values of sensitive columns
SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Protection:
    """What happens to the values of sensitive columns.

    Attributes
    ----------
    ways
        For each column `hash`, `mask:N` (the first N characters stay) or `drop`.
    secret
        The environment variable with the key of the hashes.
    check
        What the right key makes of a fixed text; "" where it is not known yet, as in training.
    """

    ways: Mapping[str, str]
    secret: str = ""
    check: str = ""

    @cached_property
    def key(self) -> bytes:
        """The key of the hashes.

        Raises
        ------
        ConfigError
            It is not set, or is not that of the model.
        """
        key: bytes = reveal(f"${{secret:{self.secret}}}", KEY).encode("utf-8", "surrogateescape")
        if len(key) < MIN_KEY_LENGTH:
            raise ConfigError(
                f"{KEY}: the secret {self.secret} has fewer than {MIN_KEY_LENGTH} characters",
                f"make one: {MAKE_KEY.replace('NAME', self.secret)}",
            )
        if self.check and check_value(key) != self.check:
            raise ConfigError(
                f"{KEY}: the secret {self.secret} is not the key that the model was trained with",
                f"its hashes would all be new to the model; set that key: export {self.secret}=…",
            )
        return key

    @property
    def hashed(self) -> list[str]:
        """The columns that are hashed."""
        return [name for name, way in self.ways.items() if way == HASH]

    @property
    def kept(self) -> list[str]:
        """The columns that are still there, as texts."""
        return [name for name, way in self.ways.items() if way != DROP]

    def text(self, way: str, text: str) -> str:
        """Return what stands for a text."""
        if way == HASH:
            return text if MARK.fullmatch(text) else f"hash:{_digest(self.key, 'value', text)}"
        shown = int(way.partition(":")[2])
        if text == STARS or (len(text) == shown + len(STARS) and text.endswith(STARS)):
            return text
        # a text that is no longer than what a mask shows would be shown in whole
        return text[:shown] + STARS if len(text) > shown else STARS

    def column(self, column: "pd.Series[Any]", way: str) -> "pd.Series[Any]":
        """Return a column as texts that say no value; missing values stay missing."""
        import numpy as np
        import pandas as pd

        from runtree.tables.table import factorize_texts

        positions, texts = factorize_texts(column)
        if pd.api.types.is_datetime64_any_dtype(column.dtype):  # in a text file a day has no time
            texts = [text.removesuffix(" 00:00:00") for text in texts]
        marks = np.asarray([*(self.text(way, text) for text in texts), None], dtype=object)
        return pd.Series(marks.take(positions), index=column.index, name=column.name, dtype="str")

    def frame(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """Return a table without the values of the sensitive columns that it has."""
        names = {str(name): name for name in frame.columns}
        marks = {names[name]: self.column(frame[names[name]], self.ways[name]) for name in self.kept if name in names}
        dropped = [names[name] for name, way in self.ways.items() if way == DROP and name in names]
        if not marks and not dropped:
            return frame
        rest = frame.drop(columns=dropped)
        for name, column in marks.items():
            rest[name] = column
        return rest

    def record(self, record: Any, missing: frozenset[Any] = frozenset()) -> Any:
        """Return a row of a request without values of sensitive columns; `missing` are words for a missing value."""
        from runtree.tables.table import as_text

        if type(record) is not dict:
            return record
        marks = {
            name: self.text(self.ways[name], as_text(value))
            for name in self.kept
            if type(value := record.get(name)) in SCALARS and value not in missing
        }
        return {**record, **marks} if marks else record

    def of_joined(self, names: Mapping[str, str]) -> "Protection":
        """Return what happens to the columns of a table that is joined; `names` are its keys by those of the table."""
        keys = {theirs: self.ways[mine] for mine, theirs in names.items() if mine in self.ways}
        return Protection({**self.ways, **keys}, self.secret, self.check)

    def refuse_dropped(self, names: Iterable[str], option: str) -> None:
        """Refuse to name a column that is dropped."""
        for name in names:
            if self.ways.get(name) == DROP:
                raise RequestError(f"{option} {name}: data.sensitive of the model drops this column")

    def check_columns(self, columns: Sequence[str]) -> None:
        """Refuse a sensitive column that the table does not have: a misspelt one would stay as it is."""
        for name in self.ways:
            if name not in columns:
                raise unknown("column at data.sensitive:", name, columns, error=DataError)

    def refuse_kept(self, path: Any) -> None:
        """Refuse a data frame that was kept below the output folder as it is."""
        file = Path(str(path))
        if self.ways and file.parent.name == FRAMES and not file.name.endswith(PROTECTED):
            raise DataError(
                f"data.sensitive: the data frame was kept with all values, as {file}",
                "say it in the call: rt.train({'data.sensitive': {…}, 'data.hash_key': '${secret:NAME}'}, data=frame)",
                f"and remove the file: rm {file}",
            )

    def notes(self, before: "pd.DataFrame", after: "pd.DataFrame") -> list[str]:
        """Return a note for each column with values that were taken for hashes."""
        notes = []
        for name in set(self.hashed) & set(before.columns):
            same = int((before[name].astype("str") == after[name]).sum())
            if same:
                notes.append(f"column '{name}': {same:,} of {len(after):,} values are hashes already, and are kept")
        return notes

    def describe(self) -> dict[str, Any]:
        """Return what a saved model says about it."""
        secret = {"secret": self.secret, "check": check_value(self.key)} if self.hashed else {}
        return {"columns": dict(self.ways), **secret}

    @classmethod
    def of_model(cls, described: Mapping[str, Any]) -> "Protection":
        """Return that of a saved model."""
        ways = {str(name): str(way) for name, way in described["columns"].items()}
        if not all(way in (HASH, DROP) or MASK.fullmatch(way) for way in ways.values()):
            raise ValueError(f"unknown ways in {ways}")
        return cls(ways, str(described.get("secret", "")), str(described.get("check", "")))


def _digest(key: bytes, kind: str, text: str) -> str:
    content = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, content, "sha256").hex()[:16]


def check_value(key: bytes) -> str:
    """Return by what a key is known; it says nothing about the key, nor about any value."""
    return _digest(key, "check", "")


def read_protection(ways: Any, hash_key: Any, roles: Mapping[str, str | None], types: Mapping[str, Any]) -> Protection:
    """Return what `data.sensitive` and `data.hash_key` say.

    Parameters
    ----------
    roles
        The columns whose values a run needs as they are, by their keys of `data`.
    types
        The declared types of columns.

    Raises
    ------
    ConfigError
        It cannot be done, with what to type.
    """
    if not isinstance(ways, Mapping):
        names = [str(name) for name in ways] if isinstance(ways, list) else ["COLUMN"]
        raise ConfigError(
            f"data.sensitive: {ways} does not say what happens to the columns",
            f"type: 'data.sensitive={{{', '.join(f'{name}: hash' for name in names)}}}', or mask:2, or drop",
        )
    for name, way in ways.items():
        path = f"data.sensitive.{name}"
        if not isinstance(way, str) or (way not in (HASH, DROP) and not MASK.fullmatch(way)):
            raise ConfigError(f"{path}: '{way}'", possible(WAYS), "mask:2 keeps the first two characters, 1 to 99")
        role = next((role for role, column in roles.items() if column == name), None)
        if role is not None and not (role == "data.group" and way != DROP):
            raise ConfigError(f"{path}: column '{name}' is {role}, whose values a run needs", f"type: ~{path}")
        if way != DROP and types.get(name) not in (None, "category"):
            raise ConfigError(
                f"data.types.{name}: '{types[name]}', but data.sensitive makes it a category",
                f"type: ~data.types.{name}",
            )
    if HASH not in ways.values():
        return Protection(dict(ways))
    column = next(name for name, way in ways.items() if way == HASH)
    named = REFERENCE.fullmatch(str(hash_key)) if hash_key is not None else None
    if named is None:
        says = "a key is not typed, but named" if hash_key is not None else f"data.sensitive.{column}=hash needs a key"
        raise ConfigError(f"{KEY}: {says}", f"type: '{KEY}=${{secret:NAME}}'", f"and make one: {MAKE_KEY}")
    return Protection(dict(ways), named[1])
