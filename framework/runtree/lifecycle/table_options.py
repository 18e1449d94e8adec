"""The keys of `data` that runtree reads itself; all others are passed to the source."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runtree.config.build import check_arguments, check_required
from runtree.contract.errors import ConfigError
from runtree.lifecycle.sensitive import Protection, read_protection
from runtree.tables.csv_files import Reading


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The keys of `data` that runtree reads itself: target, task, sample and split."""

    target: str
    task: Literal["auto", "classification", "regression"] = "auto"
    positive: str | int | float | bool | None = None
    drop: list[str] | None = None
    sample: int | float | None = None
    test_size: float | int = 0.2
    validation_size: float | int = 0.2
    split: Literal["auto", "random", "stratified", "group", "time", "predefined"] = "auto"
    group: str | None = None
    time: str | None = None
    gap: int | str = 0
    split_column: str | None = None
    split_file: str | None = None
    duplicates: Literal["auto", "together", "split"] = "auto"
    batches: bool = False
    batch_sample: int = 100_000
    types: dict[str, Any] = field(default_factory=dict)
    missing: list[Any] = field(default_factory=lambda: ["auto"])
    date_format: str | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    join: list[Any] = field(default_factory=list)
    sensitive: Any = field(default_factory=dict)
    hash_key: str | None = None
    weight: str | None = None
    population: dict[str, Any] = field(default_factory=dict)
    reweight: list[str] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | int | None = None

    @property
    def reading(self) -> Reading:
        """Return what the user says about the columns."""
        # Hydra reads the word null as None
        words = tuple("null" if word is None else str(word) for word in self.missing)
        types = {name: str(kind) for name, kind in _by_name(self.types)}
        protection = self.protection
        # 007 and 7 must not become one before they are hashed
        return Reading(types, words, frozenset(protection.kept), frozenset(protection.ways))

    @property
    def protection(self) -> Protection:
        """Return what happens to sensitive columns."""
        ways = dict(_by_name(self.sensitive)) if isinstance(self.sensitive, Mapping) else self.sensitive
        roles = {"data.target": self.target, "data.time": self.time, "data.weight": self.weight}
        roles |= {"data.group": self.group, "data.split_column": self.split_column}
        return read_protection(ways, self.hash_key, roles, dict(_by_name(self.types)))

    @property
    def key(self) -> tuple[Any, ...]:
        """Return the keys that determine the split, as a cache key."""
        # the types decide the order of times, and which rows are one group, also where the column is no feature
        types = tuple(sorted(self.reading.types.items()))
        given = self.split_column, self.split_file, self.duplicates, self.gap
        return (self.target, self.test_size, self.validation_size, self.split, self.group, self.time, *given, types)


def _by_name(types: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is said of each column: data.types.address.city=text is to Hydra a mapping in a mapping."""
    for name, kind in types.items():
        if isinstance(kind, Mapping):
            yield from _by_name(kind, f"{begin}{name}.")
        else:
            yield f"{begin}{name}", kind


TABLE_KEYS = tuple(TableOptions.__dataclass_fields__)


def table_options(node: Mapping[str, Any]) -> TableOptions:
    """Read the common keys of a `data` node."""
    common = {key: node[key] for key in TABLE_KEYS if key in node}
    # the dataclass would accept a text for a number; the check compares with the annotations and names the config path
    check_arguments(TableOptions, common, "data")
    check_required(TableOptions, common, "data")
    options = TableOptions(**common)
    if options.date_format is not None:
        check_date_format(options.date_format)
    options.protection  # noqa: B018  refuses what cannot be done
    return options


def source_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a `data` node that are passed to its source."""
    return {key: value for key, value in node.items() if key not in TABLE_KEYS}


def check_date_format(text: str) -> None:
    """Refuse a `data.date_format` that has no year, month or day, and is not one of numbers since 1970."""
    from runtree.tables.dates import UNIX

    if text not in UNIX and not re.search(r"%[YymbBdj]", text):
        hint = "such as: data.date_format=%d/%m/%Y, unix or unix_ms"
        raise ConfigError(f"data.date_format: {text!r} is no format of dates", hint)
