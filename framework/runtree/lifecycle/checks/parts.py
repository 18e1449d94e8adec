"""Do the parts of the split keep apart what must be apart, and have what they need?"""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from runtree.lifecycle.checks.context import Context
from runtree.lifecycle.checks.finding import Finding, failed, passed, skipped, warned

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5  # rows of a class in a part


def classes(context: Context) -> Finding:
    """Look for a class that a part lacks, and for the fewest rows of one."""
    if not context.classes:
        return skipped("the task is regression")
    counts = {part: context.target(context.run.split.rows(part)).value_counts() for part in context.parts}
    for part, found in counts.items():
        lacking = [label for label in context.classes if label not in found.index]
        if lacking:
            return failed(f"the {part} part has no row of class {lacking[0]!r}{_more(lacking)}", _remedy(context, part))
    part = min(counts, key=lambda name: int(counts[name].min()))
    label = min(context.classes, key=lambda one: int(counts[part][one]))
    rows = int(counts[part][label])
    said = f"all {len(context.classes)} in each part; the smallest: {label!r} with {rows:,} in {part}"
    if rows < FEWEST:
        return warned(said, f"so few say little of it; {_remedy(context, part)}")
    return passed(said)


def _more(lacking: list[Any]) -> str:
    return f" (nor of {len(lacking) - 1} others)" if len(lacking) > 1 else ""


def _remedy(context: Context, part: str) -> str:
    if context.run.facts.get("split") == "random":
        return "type: data.split=stratified"
    return f"make it larger: data.{part}_size=0.3, or gather or drop rare classes"


def duplicates(context: Context) -> Finding:
    """Look for rows of the test and validation part whose features stand in the train part, too."""
    from pandas.util import hash_pandas_object

    hashes = hash_pandas_object(context.run.data.features, index=False)
    known = hashes.iloc[context.run.split.train]
    found = {part: hashes.iloc[context.run.split.rows(part)].isin(known) for part in context.parts[1:]}
    shared = {part: same for part, same in found.items() if same.any()}
    if not shared:
        return passed("no row of another part stands in the train part")
    said = ", ".join(f"{same.sum():,} {part} rows ({same.mean():.1%})" for part, same in shared.items())
    return warned(
        f"the train part has the features of {said}, too",
        "drop repeated rows, or keep them together: data.group=COLUMN",
    )


def groups(context: Context) -> Finding:
    """Look for a group that stands in two parts."""
    held = context.run.data.groups
    if held is None:
        return skipped("data.group names no column")
    sets = {part: set(column.dropna().tolist()) for part, column in _by_part(context, held)}
    for first, second in combinations(sets, 2):
        both = sets[first] & sets[second]
        if both:
            return failed(
                f"{len(both):,} groups of '{held.name}' stand in {first} and {second}, such as {min(both, key=str)!r}",
                "type: data.split=group",
            )
    return passed(f"{held.nunique():,} groups of '{held.name}', each in one part")


def time(context: Context) -> Finding:
    """Look for a row that is judged by, and is earlier than one that is learnt from."""
    held = context.run.data.times
    if held is None:
        return skipped("data.time names no column")
    parts = {part: column.dropna() for part, column in _by_part(context, held)}
    if not all(len(column) for column in parts.values()):
        return failed(f"'{held.name}' is missing in a whole part", "fill it, or name another column: data.time=COLUMN")
    last = parts.pop("train").max()
    for part, column in parts.items():
        early = int((column < last).sum())
        if early:
            return failed(
                f"{early:,} {part} rows are earlier than the last train row ({last})", "type: data.split=time"
            )
    return passed(f"the train part ends with {last}, before the others begin")


def _by_part(context: Context, column: "pd.Series[Any]") -> "Iterator[tuple[str, pd.Series[Any]]]":
    return ((part, column.iloc[context.run.split.rows(part)]) for part in context.parts)
