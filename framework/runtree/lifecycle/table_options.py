"""The keys that every option of the group `data` has, and that its source is not given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtree.config.build import check_arguments


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a table is used for: target, task, rows, parts."""

    target: str
    task: str = "auto"
    drop: list[str] | None = None
    sample: int | float | None = None
    test_size: float | int = 0.2
    validation_size: float | int = 0.2
    split: str = "auto"
    group: str | None = None
    time: str | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what two equal splits have in common."""
        return (self.target, self.test_size, self.validation_size, self.split, self.group, self.time)


COMMON = tuple(TableOptions.__dataclass_fields__)


def table_options(node: Mapping[str, Any]) -> TableOptions:
    """Read the common keys of a `data` node."""
    common = {key: node[key] for key in COMMON if key in node}
    check_arguments(TableOptions, common, "data")
    return TableOptions(**common)
