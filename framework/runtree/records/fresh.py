"""Runs that were read from the tree, few as they are or many as columns."""

from dataclasses import dataclass, field
from typing import Any

from runtree.records.columns import Columns, column_names, column_of, columns_of, extend
from runtree.records.query import FIELDS
from runtree.records.record import Stamp, Stamped
from runtree.records.walk import is_settled

HELD = 501  # runs: of so many, what is read is not held as it is, which takes 15 kB each and misses every cache
BATCH = 500  # of them become columns at once, while they are still in the processor's cache


@dataclass
class Fresh:
    """Runs that were read from the tree: held as they are while they are few, else as columns."""

    names: list[tuple[str, str]] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    lasting: list[bool] = field(default_factory=list)
    held: list[Stamped] = field(default_factory=list)
    columns: Columns = field(default_factory=dict)

    def add(self, place: str, name: str, found: Stamped, now: int) -> None:
        """Take a run; it lasts where it has ended, and so long ago that a change would show."""
        self.names.append((place, name))
        self.stamps.append(found.stamp)
        self.lasting.append(found.ended and is_settled(found.stamp, now))
        self.held.append(found)
        if len(self.held) >= (BATCH if self.columns else HELD):
            self.turn()

    def turn(self) -> None:
        """Turn what is held into columns."""
        more = columns_of([one.content for one in self.held])
        extend(self.columns, len(self.names) - len(self.held), more, len(self.held))
        self.held = []

    def whole(self) -> "Fresh":
        """Return this as it is to be asked: all held, or all in columns."""
        if self.columns:
            self.turn()
        return self

    def prepare(self) -> None:
        """Make all columns at once; what is held stays."""
        if self.held and not self.columns:
            self.columns = columns_of([one.content for one in self.held])

    def column_names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.columns) or (column_names([one.content for one in self.held]) if self.held else list(FIELDS))

    def column(self, key: str) -> list[Any]:
        """Return a column."""
        if self.held and not self.columns:
            return column_of([one.content for one in self.held], key)
        return self.columns.get(key) or [None] * len(self.names)
