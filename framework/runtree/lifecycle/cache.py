"""A cache of tables, splits and preprocessed rows that the runs of one process share; it lives in a sweep's worker."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

# a table is large, and the runs of a sweep rarely read more than one; a split is two or three index arrays, and a sweep
# over seeds needs one for each seed in turn
MAX_ENTRIES = {"data": 2, "split": 8, "fitted": 4, "rows": 8, "truth": 8}  # by kind
DEFAULT_MAX_ENTRIES = 4
# a single run caches only small rows: it is evaluated on the rows that it was fitted on, but shares nothing later
SINGLE_RUN_BYTES = 16 * 2**20
# larger rows are preprocessed again: keeping a second copy would cost more than it saves
MAX_ENTRY_BYTES = 256 * 2**20


class RunCache:
    """Keeps the most recently used entries of each kind, none larger than `max_entry_bytes`."""

    def __init__(self, max_entry_bytes: int = MAX_ENTRY_BYTES) -> None:
        self._max_entry_bytes = max_entry_bytes
        self._kinds: dict[str, OrderedDict[Hashable, Any]] = {}

    def get_or_compute(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value cached for `key`, else compute it."""
        entries = self._kinds.setdefault(kind, OrderedDict())
        if key in entries:
            entries.move_to_end(key)
            return entries[key]
        # no lock and no placeholder: a worker runs one run at a time, and a `make` that raises leaves no entry behind
        value = make()
        # a table is in memory anyway while its runs last, so that caching it costs nothing
        if kind == "data" or size_bytes(value) <= self._max_entry_bytes:
            entries[key] = value
        while len(entries) > MAX_ENTRIES.get(kind, DEFAULT_MAX_ENTRIES):
            entries.popitem(last=False)
        return value


def size_bytes(value: Any) -> int:
    """Return the size of an array or a table, or of a tuple of them."""
    if isinstance(value, tuple):
        return sum(size_bytes(item) for item in value)
    if hasattr(value, "memory_usage"):
        return int(value.memory_usage(deep=False).sum())
    return int(getattr(value, "nbytes", sys.getsizeof(value)))
