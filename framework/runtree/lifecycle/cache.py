"""What one process remembers from run to run: a table, a split, prepared rows. A sweep's workers are warm by it."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

ROOM = {"data": 2, "split": 8, "fitted": 4, "rows": 8, "truth": 8}  # entries of each kind
USUAL = 4
SINGLE_RUN_BYTES = (
    16 * 2**20
)  # bytes; a run of its own remembers what is this small: it is examined with the rows it was fitted on
LARGEST = 256 * 2**20  # bytes; prepared rows beyond that are prepared anew: a second copy would cost more than it saves


class RunCache:
    """Recalls what was made for the same key; of each kind the entries that were used last, none of more bytes."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._kinds: dict[str, OrderedDict[Hashable, Any]] = {}

    def get_or_compute(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what was made for `key`, else make it."""
        known = self._kinds.setdefault(kind, OrderedDict())
        if key in known:
            known.move_to_end(key)
            return known[key]
        made = make()
        if kind == "data" or size(made) <= self._largest:
            known[key] = made
        while len(known) > ROOM.get(kind, USUAL):
            known.popitem(last=False)
        return made


def size(value: Any) -> int:
    """Return the bytes of arrays and tables, of those in a tuple too."""
    if isinstance(value, tuple):
        return sum(size(item) for item in value)
    if hasattr(value, "memory_usage"):
        return int(value.memory_usage(deep=False).sum())
    return int(getattr(value, "nbytes", sys.getsizeof(value)))
