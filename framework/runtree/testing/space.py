"""The ends of the ranges in the `space` of an option, in Hydra's sweep grammar."""

from collections.abc import Iterator
from typing import Any

from runtree.config.catalogue import differs_by_task


def bounds(text: str) -> list[Any]:
    """Return the first and last value of a range, or every value of a choice.

    Raises
    ------
    ValueError
        The text is not a sweep.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

    # Hydra's own parser and not runtree's: the declaration in the YAML file is what is tested
    parsed = OverridesParser.create().parse_override(f"key={text}")
    sweep: Any = parsed.value()
    if isinstance(sweep, ChoiceSweep):
        return [_plain(value) for value in sweep.list]
    if isinstance(sweep, IntervalSweep):
        return [sweep.start, sweep.end]
    if isinstance(sweep, RangeSweep):
        # the last value and not `stop`, which Hydra's range excludes
        values = list(sweep.range())
        return [values[0], values[-1]]
    raise ValueError(f"{text!r} is not a range: use choice(…), range(…) or interval(…)")


def _plain(value: Any) -> Any:
    return getattr(value, "text", value)  # the grammar has its own class for quoted strings


def changes(node: dict[str, Any], task: str) -> Iterator[dict[str, Any]]:
    """Yield the node with each key of its space at each bound of its range."""
    for key, text in (node.get("space") or {}).items():
        for value in bounds(text[task] if differs_by_task(text) else text):
            yield with_value(node, key.split("."), value)


def with_value(node: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """Return a copy of a node with one value set."""
    first, *below = path
    return {**node, first: with_value(node[first], below, value) if below else value}
